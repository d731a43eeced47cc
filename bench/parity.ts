/**
 * `headgate parity` as a user runs it: every entity of a Parquet file, four features, held against a Redis that has all
 * of them, by the built command line in a process of its own. The rate counts everything from the start of the command
 * to its end; memory is RssAnon. The bound on reads is taken off: what is measured is how fast it could go.
 */

import { endingAll } from "./ends.ts";
import { type BenchProject, makeProject } from "./project.ts";
import { missingRedis, startBenchRedis } from "./redis-server.ts";
import { atLeast, atMost, type BenchResult, countText, textTable } from "./result.ts";
import { spreadOf } from "./statistics.ts";

/** How to measure. */
export interface ParityBenchOptions {
  /** Takes a line for people. */
  readonly tell: (line: string) => void;
  /** Entities of the file; the first size is the one that the bars are for. */
  readonly sizes?: readonly number[];
  /** Runs of the first size; the rate is their median. */
  readonly rounds?: number;
}

const SIZES = [1_000_000];
const ROUNDS = 3;

interface Comparison {
  readonly entities: number;
  readonly seconds: number;
  readonly entitiesPerSecond: number;
  /** Undefined without /proc. */
  readonly peakAnonymousMb: number | undefined;
}

/** Runs the bench in temporary projects, which are gone when it ends. Without a Redis nothing is measured, and that is told. */
export async function benchParity({ tell, sizes = SIZES, rounds = ROUNDS }: ParityBenchOptions): Promise<BenchResult> {
  const missing = missingRedis();
  if (missing !== undefined) {
    tell(`without Redis: ${missing}`);
    return { figures: {}, bars: barsOf([], sizes[0]!) };
  }
  const comparisons: Comparison[] = [];
  for (const entities of sizes) {
    await endingAll(async (keep) => {
      const redis = await keep(startBenchRedis(undefined));
      const project = await keep(makeProject(entities, Date.now(), { onlineStore: redis.url }));
      await project.run("materialize-incremental", "now");
      const runs = entities === sizes[0] ? rounds : 1;
      for (let round = 0; round < runs; round++) comparisons.push(await compare(project, entities));
    });
  }
  tell(`\n${comparisonTable(comparisons)}\n`);
  return { figures: { features: 4, comparisons }, bars: barsOf(comparisons, sizes[0]!) };
}

async function compare(project: BenchProject, entities: number): Promise<Comparison> {
  const { seconds, peakAnonymousBytes, stdout } = await project.runWith(
    { HEADGATE_PARITY_RATE: "0" },
    "parity",
    "--json",
  );
  const [view] = (JSON.parse(stdout) as { views: { outcomes: { match: number }; compared: number }[] }).views;
  if (view?.compared !== entities || view.outcomes.match !== entities)
    throw new Error(`It compared otherwise: ${stdout}`);
  return {
    ...{ entities, seconds },
    entitiesPerSecond: entities / seconds,
    peakAnonymousMb: peakAnonymousBytes === undefined ? undefined : peakAnonymousBytes / 1e6,
  };
}

function barsOf(comparisons: readonly Comparison[], first: number): BenchResult["bars"] {
  const of = comparisons.filter(({ entities }) => entities === first);
  const rate = spreadOf(of.map(({ entitiesPerSecond }) => entitiesPerSecond))?.median;
  const peak = spreadOf(comparisons.map(({ peakAnonymousMb }) => peakAnonymousMb))?.most;
  return [
    atLeast("full compare against Redis, median", rate, "entities/s", 80_000),
    atMost("peak RssAnon, most", peak, "MB", 400),
  ];
}

function comparisonTable(comparisons: readonly Comparison[]): string {
  const rows = comparisons.map(({ entities, seconds, entitiesPerSecond, peakAnonymousMb }) => [
    countText(entities),
    seconds.toFixed(1),
    countText(entitiesPerSecond),
    peakAnonymousMb?.toFixed(0) ?? "–",
  ]);
  return textTable(["entities", "seconds", "entities/s", "peak RssAnon MB"], rows);
}
