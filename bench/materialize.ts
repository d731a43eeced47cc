/**
 * `headgate materialize-incremental` as a user runs it: a Parquet file of one row per customer in no order, four
 * features, on the disk or on an S3, into an empty LMDB or Redis, by the built command line in a process of its own. The
 * rate counts everything from the start of the command to its end. Memory is RssAnon: LMDB's mapped pages come and go
 * and are the page cache's.
 *
 * Beside each rate stands its ratio to the floor, measured in the same run (materialize-floors.ts).
 */

import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROW_GROUP_ROWS } from "./customer-snapshot.ts";
import { endingAll } from "./ends.ts";
import { decodeRate, feedRate } from "./materialize-floors.ts";
import { type BenchProject, makeProject } from "./project.ts";
import { missingRedis, startBenchRedis } from "./redis-server.ts";
import { atLeast, atMost, type BenchResult, countText, textTable } from "./result.ts";
import { type BenchS3, missingS3, startBenchS3 } from "./s3-server.ts";
import { type Spread, spreadOf } from "./statistics.ts";

/** How to measure. */
export interface MaterializeOptions {
  /** Takes a line for people. */
  readonly tell: (line: string) => void;
  /** Rows of each load; the first is the size that the rate's bars are for. */
  readonly sizes?: readonly number[];
  /** Loads of the first size into each kind of store; the rate is their median. */
  readonly rounds?: number;
}

/** The last one shows that memory does not grow with the file. */
const SIZES = [1_000_000, 10_000_000];
const ROUNDS = 3;
/** Rows that the floor of a store is measured with. */
const FEED_ROWS = 500_000;

type From = "file" | "S3";
type Into = "LMDB" | "Redis";

interface Load {
  readonly from: From;
  readonly into: Into;
  readonly rows: number;
  readonly fileMb: number;
  readonly seconds: number;
  readonly rowsPerSecond: number;
  /** Undefined without /proc. */
  readonly peakAnonymousMb: number | undefined;
}

interface Floors {
  readonly decode: number;
  readonly feed: Readonly<Partial<Record<Into, number>>>;
}

/** Runs the bench in temporary projects, which are gone when it ends. What needs a server that is not there is left out, and told. */
export function benchMaterialize({ tell, sizes = SIZES, rounds = ROUNDS }: MaterializeOptions): Promise<BenchResult> {
  return endingAll(async (keep) => {
    const noRedis = missingRedis();
    if (noRedis !== undefined) tell(`without Redis: ${noRedis}`);
    const noS3 = await missingS3();
    if (noS3 !== undefined) tell(`without S3: ${noS3}`);
    const s3 = noS3 === undefined ? await keep(startBenchS3()) : undefined;
    const intos: readonly Into[] = noRedis === undefined ? ["LMDB", "Redis"] : ["LMDB"];
    const loads: Load[] = [];
    let floors: Floors | undefined;
    for (const rows of sizes) {
      tell(`${countText(rows)} rows × 4 features, row groups of ${countText(ROW_GROUP_ROWS)}`);
      await endingAll(async (keepForSize) => {
        const project = await keepForSize(makeProject(rows, Date.now()));
        floors ??= await measureFloors(project, intos);
        loads.push(...(await loadAll(project, rows, intos, rows === sizes[0] ? rounds : 1, s3)));
      });
    }
    tell(`\n${floorTable(floors!)}\n\n${loadTable(loads, floors!)}\n`);
    return {
      figures: { rowGroupRows: ROW_GROUP_ROWS, features: 4, floors, loads },
      bars: barsOf(loads, floors!, sizes),
    };
  });
}

/** From the disk, then from S3, turn by turn into each store. */
async function loadAll(
  project: BenchProject,
  rows: number,
  intos: readonly Into[],
  rounds: number,
  s3: BenchS3 | undefined,
): Promise<readonly Load[]> {
  const loads: Load[] = [];
  const turns = Array.from({ length: rounds }, () => intos).flat();
  for (const into of turns) loads.push(await load(project, rows, into));
  if (s3 === undefined) return loads;
  await moveToS3(project, s3);
  for (const into of turns) loads.push(await load(project, rows, into, s3));
  return loads;
}

async function measureFloors(project: BenchProject, intos: readonly Into[]): Promise<Floors> {
  const decode = await decodeRate(sourceOf(project));
  const feed: Partial<Record<Into, number>> = {};
  for (const into of intos) {
    await endingAll(async (keep) => {
      const redis = into === "Redis" ? await keep(startBenchRedis(undefined)) : undefined;
      feed[into] = await feedRate(FEED_ROWS, Date.now(), redis?.url);
    });
  }
  return { decode, feed };
}

function load(project: BenchProject, rows: number, into: Into, s3?: BenchS3): Promise<Load> {
  return endingAll(async (keep) => {
    const redis = into === "Redis" ? await keep(startBenchRedis(undefined)) : undefined;
    const store = redis?.url ?? `lmdb:${join(project.directory, `online-${rows}-${performance.now()}`)}`;
    const environment = { HEADGATE_ONLINE_STORE: store, ...s3?.environment };
    await project.runWith(environment, "apply");
    const { seconds, peakAnonymousBytes } = await project.runWith(environment, "materialize-incremental", "now");
    return {
      ...{ from: s3 === undefined ? "file" : "S3", into, rows, seconds },
      fileMb: statSync(sourceOf(project)).size / 1e6,
      rowsPerSecond: rows / seconds,
      peakAnonymousMb: peakAnonymousBytes === undefined ? undefined : peakAnonymousBytes / 1e6,
    };
  });
}

function sourceOf({ directory }: BenchProject): string {
  return join(directory, ".headgate/customer_30d.parquet");
}

/** Puts the file there and lets the view read it from there. */
async function moveToS3(project: BenchProject, s3: BenchS3): Promise<void> {
  const address = await s3.put(sourceOf(project), "customer_30d.parquet");
  const definitions = join(project.directory, "features/customer.ts");
  const written = readFileSync(definitions, "utf8");
  writeFileSync(definitions, written.replace(`".headgate/customer_30d.parquet"`, JSON.stringify(address)));
}

function floorOf(floors: Floors, into: Into): number {
  return Math.min(floors.decode, floors.feed[into] ?? Number.POSITIVE_INFINITY);
}

function barsOf(loads: readonly Load[], floors: Floors, sizes: readonly number[]): BenchResult["bars"] {
  const [first, last] = [sizes[0]!, sizes.at(-1)!];
  const of = (from: From, into: Into, rows: number) =>
    loads.filter((one) => one.from === from && one.into === into && one.rows === rows);
  const rateOf = (from: From, into: Into): Spread | undefined =>
    spreadOf(of(from, into, first).map(({ rowsPerSecond }) => rowsPerSecond));
  const peakOf = (rows: number) =>
    spreadOf(loads.filter((one) => one.rows === rows).map(({ peakAnonymousMb }) => peakAnonymousMb))?.most;
  const share = (from: From, into: Into) => {
    const rate = rateOf(from, into)?.median;
    return rate === undefined ? undefined : rate / floorOf(floors, into);
  };
  const [small, large] = [peakOf(first), peakOf(last)];
  const grown = small === undefined || large === undefined ? undefined : large / small;
  return [
    atLeast("file into LMDB, median", rateOf("file", "LMDB")?.median, "rows/s", 100_000),
    ...(["file", "S3"] as const).flatMap((from) =>
      (["LMDB", "Redis"] as const).map((into) =>
        atLeast(`${from} into ${into}, of the slower floor`, share(from, into), "", 0.5),
      ),
    ),
    atMost(`peak RssAnon, ${countText(first)} rows, most`, small, "MB", 400),
    atMost(`peak RssAnon, ${countText(last)} rows, most`, large, "MB", 400),
    atMost("peak RssAnon, the largest to the smallest", grown, "", 1.25),
  ];
}

function floorTable({ decode, feed }: Floors): string {
  const rows = [
    ["hyparquet decoding, alone", countText(decode)],
    ["LMDB fed with ready rows", countText(feed.LMDB)],
    ["Redis fed with ready rows", countText(feed.Redis)],
  ];
  return textTable(["floor", "rows/s"], rows);
}

function loadTable(loads: readonly Load[], floors: Floors): string {
  const rows = loads.map((load) => [
    `${load.from} → ${load.into}`,
    countText(load.rows),
    load.fileMb.toFixed(1),
    load.seconds.toFixed(1),
    countText(load.rowsPerSecond),
    (load.rowsPerSecond / floorOf(floors, load.into)).toFixed(2),
    load.peakAnonymousMb?.toFixed(0) ?? "–",
  ]);
  return textTable(["load", "rows", "file MB", "seconds", "rows/s", "of floor", "peak RssAnon MB"], rows);
}
