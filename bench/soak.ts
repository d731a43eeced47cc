/**
 * A gateway under steady load for a long time: 70 % of what it can do, rows written all along, a model swapped every
 * minute. What is left of its memory after a collection is looked at every ten seconds, and a line through that, after
 * the first minutes, must not rise: a leak too slow for a test shows here. Requests that fail are told, and there may be
 * none.
 */

import { rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type CollectedMemory, type CollectingServer, startCollectingServer } from "./collecting-server.ts";
import { endingAll } from "./ends.ts";
import { type LoadGenerator, type OpenLoadResult, startLoadGenerator } from "./load.ts";
import { putVersion, servesVersion } from "./model-versions.ts";
import { type BenchProject, makeProject } from "./project.ts";
import { startBenchRedis } from "./redis-server.ts";
import { atMost, type BenchResult, textTable } from "./result.ts";
import { capacityOf } from "./rounds.ts";
import type { ServerUnderTest } from "./server-under-test.ts";
import { type Sample, type Slope, slopeOf, spanMeans } from "./slope.ts";

/** How to soak. */
export interface SoakOptions {
  readonly minutes: number;
  readonly store: "lmdb" | "redis";
  /** Takes a line for people. */
  readonly tell: (line: string) => void;
}

const CUSTOMERS = 20_000;
const CAPACITY = Object.freeze({ connections: 64, seconds: 3, rounds: 3 });
const LOAD_SHARE = 0.7;
/** Rows written: so many at a time, that often, are 200 a second. */
const WRITE = Object.freeze({ rows: 20, everyMs: 100 });
const SWAP_EVERY_MS = 60_000;
const SAMPLE_EVERY_MS = 10_000;
/** The first of the samples that count: before it caches fill and code is compiled. */
const SETTLE_MINUTES = 5;
/** Versions that are kept in the repository. */
const VERSIONS_KEPT = 3;
/** Load is sent in runs of a minute at most, whose latencies fit into memory. */
const RUN_SECONDS = 60;
/** A server that stands still for a collection leaves as many requests under way. */
const MAX_IN_FLIGHT = 1_024;
const TOKEN = "soak";
const MEGABYTE = 1024 * 1024;

/** Runs the soak in a temporary project, which is gone when it ends. */
export function benchSoak(options: SoakOptions): Promise<BenchResult> {
  return endingAll(async (keep) => {
    const redis = options.store === "redis" ? await keep(startBenchRedis(undefined)) : undefined;
    const own = redis === undefined ? {} : { onlineStore: redis.url };
    const project = await keep(makeProject(CUSTOMERS, Date.now(), own));
    await project.run("materialize-incremental", "now");
    const server = await keep(startCollectingServer(project, { HEADGATE_ADMIN_TOKEN: TOKEN }));
    // Neighbours are part of half an hour: no run is made again.
    const generator = await keep(startLoadGenerator(0));
    return soak({ server, generator, project }, options);
  });
}

interface Parts {
  readonly server: CollectingServer;
  readonly generator: LoadGenerator;
  readonly project: BenchProject;
}

const requests = { form: "predict", entities: 1, ids: "uniform", idCount: CUSTOMERS } as const;

async function soak(parts: Parts, options: SoakOptions): Promise<BenchResult> {
  const { generator, project, server } = parts;
  const { minutes, tell } = options;
  const { connections, rounds, seconds } = CAPACITY;
  const closed = { ...requests, connections, seconds };
  await generator.run(server, { ...closed, seed: rounds });
  const capacity = await capacityOf(generator, server, closed, rounds);
  const perSecond = LOAD_SHARE * capacity;
  tell(`${Math.round(capacity)} requests/s in a closed loop; ${Math.round(perSecond)} are sent for ${minutes} minutes`);
  const startMs = performance.now();
  const ending = new AbortController();
  const failures: string[] = [];
  const every = (ms: number, work: (turn: number) => Promise<void>) =>
    repeat(startMs, ms, ending.signal, (turn) =>
      work(turn).catch((thrown: unknown) => void failures.push(String(thrown))),
    );
  let written = 0;
  let versions = 1;
  const samples: MemorySample[] = [];
  const beside = [
    every(WRITE.everyMs, async (turn) => {
      const problem = await writeRows(server, turn);
      if (problem === undefined) written += WRITE.rows;
      else failures.push(problem);
    }),
    every(SWAP_EVERY_MS, async () => {
      swap(project, ++versions);
      await servesVersion(server, versions);
    }),
    every(SAMPLE_EVERY_MS, async () => {
      samples.push({ at: (performance.now() - startMs) / 60_000, ...(await server.collect()) });
    }),
  ];
  const runs: OpenLoadResult[] = [];
  try {
    for (let seconds = minutes * 60; seconds > 0; seconds -= RUN_SECONDS) {
      const run = await generator.runOpen(server, {
        ...{ ...requests, seed: runs.length },
        ...{ arrivals: "poisson", perSecond, warmUpSeconds: 0, isSpinning: false, maxInFlight: MAX_IN_FLIGHT },
        seconds: Math.min(RUN_SECONDS, seconds),
      });
      runs.push(run);
      tell(lineOf(runs.length, run, samples.at(-1), versions));
    }
  } finally {
    ending.abort();
    await Promise.all(beside);
  }
  return summarize({ runs, samples, failures, written, versions, capacity, perSecond }, options);
}

/** Works every so often, from one interval after the start on, until the signal; late turns are not made up for. */
async function repeat(
  startMs: number,
  everyMs: number,
  signal: AbortSignal,
  work: (turn: number) => Promise<void>,
): Promise<void> {
  for (let turn = 1; ; turn++) {
    const waitMs = startMs + turn * everyMs - performance.now();
    if (waitMs > 0) await sleep(waitMs, undefined, { signal }).catch(() => {});
    if (signal.aborted) return;
    await work(turn);
  }
}

/** Writes newer rows of some customers; what went wrong. */
async function writeRows({ url }: ServerUnderTest, turn: number): Promise<string | undefined> {
  const rows = Array.from({ length: WRITE.rows }, (_, i) => ({
    entity: { customer_id: 1 + ((turn * WRITE.rows + i) % CUSTOMERS) },
    values: { orders_30d: turn % 50, aov_30d: 49.5, returns_rate_30d: 0.25, time_since_last_d: i },
    event_timestamp: new Date().toISOString(),
  }));
  const response = await fetch(`${url}/features/customer_30d_features/rows`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${TOKEN}` },
    body: JSON.stringify({ rows }),
  });
  const text = await response.text();
  return response.status === 200 ? undefined : text;
}

/** Puts the next version and takes out the oldest. */
function swap(project: BenchProject, version: number): void {
  const folder = join(project.directory, "models/churn");
  putVersion(project, "churn", version, join(folder, "1/model.onnx"));
  // The first is what the others are copied from.
  if (version - VERSIONS_KEPT > 1) rmSync(join(folder, String(version - VERSIONS_KEPT)), { recursive: true });
}

interface MemorySample extends CollectedMemory {
  /** Minutes since the start. */
  readonly at: number;
}

const megabytes = (bytes: number) => (bytes / MEGABYTE).toFixed(1);

function lineOf(minute: number, run: OpenLoadResult, sample: MemorySample | undefined, versions: number): string {
  const { missed, p50Ms, p99Ms, refused, requests, othersShare } = run;
  const memory = sample === undefined ? "" : `, heap ${megabytes(sample.heapBytes)} MB`;
  const anonymous = sample === undefined ? "" : `, RssAnon ${megabytes(sample.anonymousBytes)} MB`;
  const failed = `${refused} refused, ${missed} missed`;
  return `minute ${minute}: ${requests} requests, ${failed}, p50 ${p50Ms.toFixed(2)} p99 ${p99Ms.toFixed(2)} ms${memory}${anonymous}, version ${versions}, others ${othersShare?.toFixed(2) ?? "–"}`;
}

interface Soaked {
  readonly runs: readonly OpenLoadResult[];
  readonly samples: readonly MemorySample[];
  readonly failures: readonly string[];
  readonly written: number;
  readonly versions: number;
  readonly capacity: number;
  readonly perSecond: number;
}

/** Megabytes in ten minutes, by the means of minutes after the first ones. */
function slopeIn(samples: readonly MemorySample[], bytesOf: (sample: MemorySample) => number): Slope | undefined {
  const settled: Sample[] = samples
    .filter(({ at }) => at >= SETTLE_MINUTES)
    .map((sample) => ({ at: sample.at, value: bytesOf(sample) / MEGABYTE }));
  const slope = slopeOf(spanMeans(settled, 1));
  return slope && { slope: 10 * slope.slope, least: 10 * slope.least, most: 10 * slope.most };
}

function summarize(soaked: Soaked, { minutes, store, tell }: SoakOptions): BenchResult {
  const { runs, samples } = soaked;
  const slopes = {
    heap: slopeIn(samples, ({ heapBytes, externalBytes }) => heapBytes + externalBytes),
    anonymous: slopeIn(samples, ({ anonymousBytes }) => anonymousBytes),
    children: slopeIn(samples, ({ childrenAnonymousBytes }) => childrenAnonymousBytes),
  };
  const shown = (slope: Slope | undefined) =>
    slope === undefined ? ["–", "–"] : [slope.slope.toFixed(2), `${slope.least.toFixed(2)} … ${slope.most.toFixed(2)}`];
  const rows = [
    ["heap and external", ...shown(slopes.heap)],
    ["RssAnon of the gateway", ...shown(slopes.anonymous)],
    ["RssAnon of its model processes", ...shown(slopes.children)],
  ];
  tell(`\n${textTable(["memory after collection", "MB in 10 minutes", "95 %"], rows)}\n`);
  const sum = (of: (run: OpenLoadResult) => number) => runs.reduce((total, run) => total + of(run), 0);
  const [missed, refused, requests] = [sum((run) => run.missed), sum((run) => run.refused), sum((run) => run.requests)];
  return {
    figures: { minutes, store, settleMinutes: SETTLE_MINUTES, slopes, missed, ...soaked },
    bars: [
      atMost("heap and external memory, 95 % bound of the slope", slopes.heap?.most, "MB/10 min", 5),
      atMost("RssAnon, 95 % bound of the slope", slopes.anonymous?.most, "MB/10 min", 5),
      atMost("RssAnon of model processes, 95 % bound of the slope", slopes.children?.most, "MB/10 min", 5),
      atMost("requests that failed", refused, "", 0),
      atMost("requests missed, all places taken", (100 * missed) / requests, "%", 1),
      atMost("writes, swaps and looks at memory that failed", soaked.failures.length, "", 0),
    ],
  };
}
