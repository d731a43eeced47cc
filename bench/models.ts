/**
 * What models do to one another and to their requests: requests of a turn that share a run against a run for each; a light
 * model beside a heavy one; requests while versions are swapped. Every bar is a ratio of two runs of one round, one after
 * the other, so that whatever else the machine does falls on both; a figure is the median over the rounds.
 */

import { cpSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type LoadGenerator, type LoadJob, startLoadGenerator } from "./load.ts";
import type { LoadedStream, MixedAnswers, MixedJobs } from "./mixed-load.ts";
import type { OpenLoopFigures } from "./open-loop-run.ts";
import { type BenchProject, CLI, makeProject } from "./project.ts";
import { atLeast, atMost, type BenchResult } from "./result.ts";
import { type ServerUnderTest, startServer } from "./server-under-test.ts";
import { spreadOf } from "./statistics.ts";
import { startWorker, type Worker } from "./worker.ts";

/** How to measure. */
export interface ModelsOptions {
  /** Of each run. */
  readonly seconds: number;
  readonly rounds: number;
  /** Takes a line for people. */
  readonly tell: (line: string) => void;
}

const CUSTOMERS = 20_000;
/** A model of some 20 ms a row, see models/fixtures/zoo_slow.py. */
const HEAVY = fileURLToPath(new URL("../models/fixtures/slow/slow.onnx", import.meta.url));
const LIGHT_STREAM: LoadedStream = { model: "churn", perSecond: 200 };
const HEAVY_STREAM: LoadedStream = { model: "heavy", perSecond: 20 };
/** Between two swaps, ms. */
const SWAP_EVERY_MS = 1_000;
/** An open loop's 99th percentile needs some thousand requests. */
const OPEN_LOOP_SECONDS = 3;

/** Runs the bench in a temporary project, which is gone when it ends. */
export async function benchModels(options: ModelsOptions): Promise<BenchResult> {
  const project = await makeProject(CUSTOMERS, Date.now());
  const running: { stop(): Promise<void> }[] = [];
  const keep = <T extends { stop(): Promise<void> }>(started: T): T => {
    running.push(started);
    return started;
  };
  const serve = async (isPinned: boolean, own: NodeJS.ProcessEnv = {}) => {
    const words = [CLI, "serve", "--json", "--project", project.directory];
    const environment = { ...project.environment, HEADGATE_MODELS_POLL: "200ms", ...own };
    return keep(await startServer(words, environment, isPinned));
  };
  try {
    await project.run("materialize-incremental", "now");
    const [together, alone] = [await serve(true), await serve(true, { HEADGATE_MAX_BATCH_ROWS: "1" })];
    const generator = keep(startLoadGenerator());
    const batching = await measureBatching(together, alone, generator, options);
    for (const server of [together, alone]) await server.stop();
    putHeavy(project);
    const gateway = await serve(false);
    const mixed = keep(startWorker<MixedJobs, MixedAnswers>(new URL("mixed-load.ts", import.meta.url), undefined));
    const beside = await measureBeside(gateway, mixed, options);
    const swaps = await measureSwaps(gateway, mixed, project, options);
    return summarize({ batching, beside, swaps });
  } finally {
    for (const started of running.reverse()) await started.stop();
    project.remove();
  }
}

/** Requests of a turn together, and each alone (HEADGATE_MAX_BATCH_ROWS=1), at 64 connections and at one. */
async function measureBatching(
  together: ServerUnderTest,
  alone: ServerUnderTest,
  generator: LoadGenerator,
  { rounds, seconds, tell }: ModelsOptions,
) {
  const job: LoadJob = {
    ...{ form: "predict", entities: 1, ids: "uniform", idCount: CUSTOMERS, seed: 0 },
    ...{ connections: 64, seconds },
  };
  for (const server of [together, alone]) await generator.run(server, job);
  const measured = [];
  for (let round = 0; round < rounds; round++) {
    const servers = round % 2 === 0 ? [together, alone] : [alone, together];
    const at = async (connections: number) => {
      const figures = new Map<ServerUnderTest, Awaited<ReturnType<LoadGenerator["run"]>>>();
      for (const server of servers)
        figures.set(server, await generator.run(server, { ...job, connections, seed: round }));
      return { together: figures.get(together)!, alone: figures.get(alone)! };
    };
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
async function measureBeside(gateway: ServerUnderTest, mixed: MixedLoad, { rounds, seconds, tell }: ModelsOptions) {
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
  { rounds, seconds, tell }: ModelsOptions,
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
    await served(gateway, version);
    measured.push({ quiet: quiet!, swapped: swapped!, swaps: version - before });
    tell(
      `swaps, round ${round + 1}: p99 ${shown(quiet!)} quiet, ${shown(swapped!)} over ${version - before} swaps, ${swapped!.refused + swapped!.missed} failed`,
    );
  }
  return measured;
}

const shown = ({ p50Ms, p99Ms }: OpenLoopFigures): string => `${p99Ms.toFixed(2)} (p50 ${p50Ms.toFixed(2)}) ms`;

/** Waits until a version serves, so that no round pays for the one before. */
async function served({ url }: ServerUnderTest, version: number): Promise<void> {
  for (;;) {
    const { stable } = (await (await fetch(`${url}/models/churn`)).json()) as { stable: { version: number } | null };
    if (stable?.version === version) return;
    await sleep(100);
  }
}

function putHeavy(project: BenchProject): void {
  const folder = join(project.directory, "models");
  const { inputs } = JSON.parse(readFileSync(join(folder, "churn/model.json"), "utf8")) as {
    inputs: { input: readonly string[] };
  };
  mkdirSync(join(folder, "heavy"));
  const manifest = { service: "churn_v1", inputs: { X: inputs.input }, outputs: { mean: "Y" }, max_batch: 1 };
  writeFileSync(join(folder, "heavy/model.json"), JSON.stringify(manifest));
  putVersion(project, "heavy", 1, HEAVY);
}

function putVersion({ directory }: BenchProject, model: string, version: number, file: string): void {
  const hidden = join(directory, `${model}-${version}`);
  mkdirSync(hidden);
  cpSync(file, join(hidden, "model.onnx"));
  renameSync(hidden, join(directory, "models", model, String(version)));
}

interface Measured {
  readonly batching: Awaited<ReturnType<typeof measureBatching>>;
  readonly beside: Awaited<ReturnType<typeof measureBeside>>;
  readonly swaps: Awaited<ReturnType<typeof measureSwaps>>;
}

function summarize({ batching, beside, swaps }: Measured): BenchResult {
  const throughput = spreadOf(
    batching.map(({ many }) => many.together.requestsPerSecond / many.alone.requestsPerSecond),
  );
  const idle = spreadOf(batching.map(({ one }) => one.together.p50Ms / one.alone.p50Ms));
  const light = spreadOf(beside.map((round) => round.beside.p99Ms / round.alone.p99Ms));
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
