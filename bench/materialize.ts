/**
 * `headgate materialize-incremental` as a user runs it: a local Parquet file of one row per customer in no order, four
 * features, into an empty LMDB store, by the built command line in a process of its own. The rate counts everything from
 * the start of the command to its end. Memory is RssAnon: LMDB's mapped pages come and go and are the page cache's.
 */

import { statSync } from "node:fs";
import { join } from "node:path";
import { ROW_GROUP_ROWS } from "./customer-snapshot.ts";
import { makeProject } from "./project.ts";
import { atLeast, atMost, type BenchResult, textTable } from "./result.ts";
import { spreadOf } from "./statistics.ts";

/** How to measure. */
export interface MaterializeOptions {
  /** Takes a line for people. */
  readonly tell: (line: string) => void;
}

/** Rows of each load. The rate is the median of the first three; the last shows that memory does not grow with the file. */
const BAR_ROWS = 1_000_000;
const SIZES = [BAR_ROWS, BAR_ROWS, BAR_ROWS, 3_000_000] as const;

interface Load {
  readonly rows: number;
  readonly fileMb: number;
  readonly seconds: number;
  readonly rowsPerSecond: number;
  /** Undefined without /proc. */
  readonly peakAnonymousMb: number | undefined;
}

/** Runs the bench in temporary projects, which are gone when it ends. */
export async function benchMaterialize({ tell }: MaterializeOptions): Promise<BenchResult> {
  const loads: Load[] = [];
  for (const rows of SIZES) {
    tell(`${rows.toLocaleString("en-US")} rows × 4 features, row groups of ${ROW_GROUP_ROWS.toLocaleString("en-US")}`);
    loads.push(await load(rows));
  }
  tell(`\n${loadTable(loads)}\n`);
  const barLoads = loads.filter(({ rows }) => rows === BAR_ROWS);
  const rowsPerSecond = spreadOf(barLoads.map((one) => one.rowsPerSecond));
  const peak = spreadOf(barLoads.map((one) => one.peakAnonymousMb));
  return {
    figures: { rowGroupRows: ROW_GROUP_ROWS, features: 4, rowsPerSecond, loads },
    bars: [
      atLeast("materialize 1 million rows, median", rowsPerSecond?.median, "rows/s", 100_000),
      atMost("peak RssAnon, 1 million rows, most", peak?.most, "MB", 400),
      atMost("peak RssAnon, 3 million rows", loads.at(-1)!.peakAnonymousMb, "MB", 400),
    ],
  };
}

async function load(rows: number): Promise<Load> {
  const project = await makeProject(rows, Date.now());
  try {
    const { seconds, peakAnonymousBytes } = await project.run("materialize-incremental", "now");
    return {
      rows,
      fileMb: statSync(join(project.directory, ".headgate/customer_30d.parquet")).size / 1e6,
      seconds,
      rowsPerSecond: rows / seconds,
      peakAnonymousMb: peakAnonymousBytes === undefined ? undefined : peakAnonymousBytes / 1e6,
    };
  } finally {
    project.remove();
  }
}

function loadTable(loads: readonly Load[]): string {
  const rows = loads.map((load) => [
    load.rows.toLocaleString("en-US"),
    load.fileMb.toFixed(1),
    load.seconds.toFixed(1),
    Math.round(load.rowsPerSecond).toLocaleString("en-US"),
    load.peakAnonymousMb?.toFixed(0) ?? "–",
  ]);
  return textTable(["rows", "file MB", "seconds", "rows/s", "peak RssAnon MB"], rows);
}
