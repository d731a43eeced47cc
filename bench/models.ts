/**
 * What models do to one another and to their requests: requests of a turn that share a run against a run for each; a light
 * model beside a heavy one; requests while versions are swapped. Every bar is a ratio of two runs of one round.
 */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { endingAll } from "./ends.ts";
import { type LoadGenerator, type LoadJob, startLoadGenerator } from "./load.ts";
import type { LoadedStream, MixedAnswers, MixedJobs } from "./mixed-load.ts";
import { putVersion, SLOW_MODEL, servesVersion, slowManifest } from "./model-versions.ts";
import type { OpenLoopFigures } from "./open-loop-run.ts";
import { type BenchProject, makeProject } from "./project.ts";
import { atLeast, atMost, type BenchResult } from "./result.ts";
import { measureRound, type RoundsOptions, ratioOf } from "./rounds.ts";
import type { ServerUnderTest } from "./server-under-test.ts";
import { spreadOf } from "./statistics.ts";
import { startWorker, type Worker } from "./worker.ts";

const CUSTOMERS = 20_000;
const LIGHT_STREAM: LoadedStream = { model: "churn", perSecond: 200 };
const HEAVY_STREAM: LoadedStream = { model: "heavy", perSecond: 20 };
/** Between two swaps, ms. */
const SWAP_EVERY_MS = 1_000;
/** An open loop's 99th percentile needs some thousand requests. */
const OPEN_LOOP_SECONDS = 3;

/** Runs the bench in a temporary project, which is gone when it ends. */
export function benchModels(options: RoundsOptions): Promise<BenchResult> {
  return endingAll(async (keep) => {
    const project = await keep(makeProject(CUSTOMERS, Date.now()));
    const serve = (isPinned: boolean, settings: NodeJS.ProcessEnv = {}) =>
      keep(project.serve({ HEADGATE_MODELS_POLL: "200ms", ...settings }, isPinned));
    await project.run("materialize-incremental", "now");
    const [together, alone] = [await serve(true), await serve(true, { HEADGATE_MAX_BATCH_ROWS: "1" })];
    const generator = await keep(startLoadGenerator());
    const batching = await measureBatching({ together, alone }, generator, options);
    for (const server of [together, alone]) await server.stop();
    putHeavy(project);
    const gateway = await serve(false);
    const program = new URL("mixed-load.ts", import.meta.url);
    const mixed = await keep(startWorker<MixedJobs, MixedAnswers>(program, undefined));
    const beside = await measureBeside(gateway, mixed, options);
    const swaps = await measureSwaps(gateway, mixed, project, options);
    return summarize({ batching, beside, swaps });
  });
}

const BATCHINGS = ["together", "alone"] as const;
type Batching = (typeof BATCHINGS)[number];

/** Requests of a turn together, and each alone (HEADGATE_MAX_BATCH_ROWS=1), at 64 connections and at one. */
async function measureBatching(
  servers: Readonly<Record<Batching, ServerUnderTest>>,
  generator: LoadGenerator,
  { rounds, seconds, tell }: RoundsOptions,
) {
  const job: LoadJob = {
    ...{ form: "predict", entities: 1, ids: "uniform", idCount: CUSTOMERS, seed: 0 },
    ...{ connections: 64, seconds },
  };
  for (const name of BATCHINGS) await generator.run(servers[name], job);
  const measured = [];
  for (let round = 0; round < rounds; round++) {
    const at = (connections: number) =>
      measureRound(BATCHINGS, round, (name) => generator.run(servers[name], { ...job, connections, seed: round }));
    const [many, one] = [await at(64), await at(1)];
    measured.push({ many, one });
    tell(
      `batching, round ${round + 1}: ${many.together.requestsPerSecond.toFixed(0)} requests/s together, ${many.alone.requestsPerSecond.toFixed(0)} each alone; p50 at one connection ${one.together.p50Ms.toFixed(3)} and ${one.alone.p50Ms.toFixed(3)} ms`,
    );
  }
  return measured;
}

type MixedLoad = Worker<MixedJobs, MixedAnswers>;

async function load(
  mixed: MixedLoad,
  { url }: ServerUnderTest,
  streams: readonly LoadedStream[],
  seconds: number,
  seed: number,
) {
  const job = { url, streams, seconds: Math.max(OPEN_LOOP_SECONDS, seconds), idCount: CUSTOMERS, seed };
  return (await mixed.ask("mixed", job)).figures;
}

/** The light model alone, and beside the heavy one; nothing is pinned. */
async function measureBeside(gateway: ServerUnderTest, mixed: MixedLoad, { rounds, seconds, tell }: RoundsOptions) {
  const measured = [];
  for (let round = 0; round < rounds; round++) {
    const [alone] = await load(mixed, gateway, [LIGHT_STREAM], seconds, round);
    const [beside, heavy] = await load(mixed, gateway, [LIGHT_STREAM, HEAVY_STREAM], seconds, round);
    measured.push({ alone: alone!, beside: beside!, heavy: heavy! });
    tell(
      `light and heavy, round ${round + 1}: p99 ${shown(alone!)} alone, ${shown(beside!)} beside the heavy one, whose p50 is ${heavy!.p50Ms.toFixed(1)} ms`,
    );
  }
  return measured;
}

/** The light model while nothing happens, and while it is swapped once a second. */
async function measureSwaps(
  gateway: ServerUnderTest,
  mixed: MixedLoad,
  project: BenchProject,
  { rounds, seconds, tell }: RoundsOptions,
) {
  const measured = [];
  let version = 1;
  for (let round = 0; round < rounds; round++) {
    const [quiet] = await load(mixed, gateway, [LIGHT_STREAM], seconds, round);
    const before = version;
    const swapping = new AbortController();
    const swaps = (async () => {
      while (!swapping.signal.aborted) {
        putVersion(project, "churn", ++version, join(project.directory, "models/churn/1/model.onnx"));
        await sleep(SWAP_EVERY_MS, undefined, { signal: swapping.signal }).catch(() => {});
      }
    })();
    const [swapped] = await load(mixed, gateway, [LIGHT_STREAM], seconds, round);
    swapping.abort();
    await swaps;
    await servesVersion(gateway, version);
    measured.push({ quiet: quiet!, swapped: swapped!, swaps: version - before });
    tell(
      `swaps, round ${round + 1}: p99 ${shown(quiet!)} quiet, ${shown(swapped!)} over ${version - before} swaps, ${swapped!.refused + swapped!.missed} failed`,
    );
  }
  return measured;
}

const shown = ({ p50Ms, p99Ms }: OpenLoopFigures): string => `${p99Ms.toFixed(2)} (p50 ${p50Ms.toFixed(2)}) ms`;

function putHeavy(project: BenchProject): void {
  const folder = join(project.directory, "models/heavy");
  mkdirSync(folder);
  writeFileSync(join(folder, "model.json"), slowManifest(project));
  putVersion(project, "heavy", 1, SLOW_MODEL);
}

interface Measured {
  readonly batching: Awaited<ReturnType<typeof measureBatching>>;
  readonly beside: Awaited<ReturnType<typeof measureBeside>>;
  readonly swaps: Awaited<ReturnType<typeof measureSwaps>>;
}

function summarize({ batching, beside, swaps }: Measured): BenchResult {
  const many = batching.map((round) => round.many);
  const one = batching.map((round) => round.one);
  const throughput = ratioOf(many, "together", "alone", "requestsPerSecond");
  const idle = ratioOf(one, "together", "alone", "p50Ms");
  const light = ratioOf(beside, "beside", "alone", "p99Ms");
  const swapped = spreadOf(swaps.map((round) => round.swapped.p99Ms / round.quiet.p99Ms));
  const failed = swaps.reduce((sum, { swapped: of }) => sum + of.refused + of.missed, 0);
  return {
    figures: { batching, beside, swaps, ratios: { throughput, idle, light, swapped } },
    bars: [
      atLeast("requests/s of shared runs over a run each, 64 connections", throughput?.median, "×", 1.5),
      atMost("p50 of shared runs over a run each, 1 connection", idle?.median, "×", 1.05),
      atMost("light model's p99 beside a heavy one over alone", light?.median, "×", 2),
      atMost("p99 while versions are swapped over quiet", swapped?.median, "×", 3),
      atMost("requests that failed while versions were swapped", failed, "", 0),
    ],
  };
}
