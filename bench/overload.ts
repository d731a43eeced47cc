/**
 * A gateway under more load than it can take: half of its capacity, all of it, twice and three times, in an open loop
 * whose requests come whatever becomes of those before. What it can do it should go on doing: goodput (answers in time,
 * from when each was due) at three times the capacity against the most at any rate, the accepted ones within their deadline, memory flat, and all
 * well soon after the load is gone. The model takes some 5 ms a row, so that the generator can ask for more than it gives.
 */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { ModelProtoSchema } from "../models/onnx_pb.ts";
import { type LoadGenerator, type OpenLoadResult, startLoadGenerator } from "./load.ts";
import { canPin, readAnonymousBytes } from "./process-cpu.ts";
import { type BenchProject, CLI, makeProject } from "./project.ts";
import { atLeast, atMost, type BenchResult, textTable } from "./result.ts";
import { type ServerUnderTest, startServer } from "./server-under-test.ts";
import { type Spread, spreadOf } from "./statistics.ts";

/** How to measure. */
export interface OverloadOptions {
  /** Of each rate. */
  readonly seconds: number;
  readonly rounds: number;
  /** Takes a line for people. */
  readonly tell: (line: string) => void;
}

const CUSTOMERS = 20_000;
/** Of the capacity. */
const LOADS = [0.5, 1, 2, 3] as const;
type Load = (typeof LOADS)[number];
const OVERLOAD: Load = 3;
/** After the overload, to see how soon all is well. */
const CALM: Load = 0.5;
const DEADLINE_MS = 400;
const CAPACITY = Object.freeze({ connections: 4, seconds: 2, rounds: 3 });
const WARM_UP_SECONDS = 1;
/** Three times what can be done, all kept for the deadline and some more. */
const MAX_IN_FLIGHT = 512;
/** How often memory is looked at, ms. */
const MEMORY_EVERY_MS = 100;
const MEGABYTE = 1024 * 1024;
/** A model of some 20 ms, see models/fixtures/zoo_slow.py: a chain of 300 products, of which each takes the same. */
const SLOW = fileURLToPath(new URL("../models/fixtures/slow/slow.onnx", import.meta.url));
/** For some 5 ms: in a process of its own; and for a little under 1: on the event loop. */
const PRODUCTS = Object.freeze({ elsewhere: 75, inline: 12 });
type Placed = keyof typeof PRODUCTS;

type Round = Readonly<Record<Load, OpenLoadResult>>;

interface Measured {
  readonly capacity: number;
  readonly rounds: readonly Round[];
  /** From the end of the overload to the last request that failed, ms, in each round. */
  readonly recoveryMs: readonly number[];
  /** The most anonymous memory in each round. */
  readonly peakBytes: readonly (number | undefined)[];
}

/** Runs the bench in a temporary project, which is gone when it ends. */
export async function benchOverload(options: OverloadOptions): Promise<BenchResult> {
  if (!canPin) options.tell("Server and load generator share cores here: rates mean little.");
  const generator = startLoadGenerator();
  try {
    const elsewhere = await measureModel("elsewhere", generator, options);
    const inline = await measureModel("inline", generator, options);
    return summarize({ elsewhere, inline }, options);
  } finally {
    await generator.stop();
  }
}

async function measureModel(placed: Placed, generator: LoadGenerator, options: OverloadOptions): Promise<Measured> {
  const project = await makeProject(CUSTOMERS, Date.now());
  let server: ServerUnderTest | undefined;
  try {
    putModel(project, PRODUCTS[placed]);
    await project.run("materialize-incremental", "now");
    const environment = { ...project.environment, HEADGATE_DEADLINE: `${DEADLINE_MS}ms` };
    server = await startServer([CLI, "serve", "--json", "--project", project.directory], environment);
    return await measure(placed, server, generator, options);
  } finally {
    await server?.stop();
    project.remove();
  }
}

/** The chain cut off after so many of its products, in the place of the example's model. */
function putModel({ directory }: BenchProject, products: number): void {
  const model = fromBinary(ModelProtoSchema, readFileSync(SLOW));
  const { graph } = model;
  const last = graph!.node.at(-1)!;
  const isLeft = (output: string) => !/^h\d+$/.test(output) || Number(output.slice(1)) <= products;
  graph!.node = graph!.node.filter((node) => node === last || isLeft(node.output[0]!));
  last.input[0] = `h${products}`;
  const folder = join(directory, "models/churn");
  writeFileSync(join(folder, "1/model.onnx"), toBinary(ModelProtoSchema, model));
  const manifest = JSON.parse(readFileSync(join(folder, "model.json"), "utf8")) as { inputs: { input: string[] } };
  const slow = { service: "churn_v1", inputs: { X: manifest.inputs.input }, outputs: { mean: "Y" }, max_batch: 1 };
  writeFileSync(join(folder, "model.json"), JSON.stringify(slow));
}

const requests = { form: "predict", entities: 1, ids: "uniform", idCount: CUSTOMERS } as const;

async function measure(
  placed: Placed,
  server: ServerUnderTest,
  generator: LoadGenerator,
  { rounds, seconds, tell }: OverloadOptions,
): Promise<Measured> {
  const capacity = await capacityOf(generator, server);
  tell(`model ${placed}: ${Math.round(capacity)} requests/s in a closed loop of ${CAPACITY.connections} connections`);
  const job = { ...requests, arrivals: "poisson", seconds, maxInFlight: MAX_IN_FLIGHT, inTimeMs: DEADLINE_MS } as const;
  // What a refusal costs in memory is there from the first on.
  await generator.runOpen(server, { ...job, perSecond: OVERLOAD * capacity, warmUpSeconds: 0, seed: 0 });
  const measured: Round[] = [];
  const recoveryMs: number[] = [];
  const peakBytes: (number | undefined)[] = [];
  for (let round = 0; round < rounds; round++) {
    const peak = watchMemory(server.pid);
    const results: Partial<Record<Load, OpenLoadResult>> = {};
    for (let i = 0; i < LOADS.length; i++) {
      const load = LOADS[(i + round) % LOADS.length]!;
      const one = { ...job, perSecond: load * capacity, warmUpSeconds: WARM_UP_SECONDS, seed: 1 + round };
      results[load] = await generator.runOpen(server, one);
    }
    const calm = { perSecond: CALM * capacity, seconds };
    const stepped = { ...job, perSecond: OVERLOAD * capacity, warmUpSeconds: 0, seed: round };
    const { lastFailedMs } = await generator.runOpen(server, { ...stepped, nextRate: calm });
    recoveryMs.push(Math.max(0, lastFailedMs - seconds * 1_000));
    peakBytes.push(peak());
    measured.push(results as Round);
    tell(roundLine(round, results as Round, recoveryMs.at(-1)!, peakBytes.at(-1)));
  }
  return { capacity, rounds: measured, recoveryMs, peakBytes };
}

async function capacityOf(generator: LoadGenerator, server: ServerUnderTest): Promise<number> {
  const { connections, rounds, seconds } = CAPACITY;
  const perSecond: number[] = [];
  for (let seed = 0; seed < rounds; seed++) {
    perSecond.push((await generator.run(server, { ...requests, connections, seconds, seed })).requestsPerSecond);
  }
  return spreadOf(perSecond)!.median;
}

/** Looks at a process' memory until it is asked for the most. */
function watchMemory(pid: number): () => number | undefined {
  let peak = readAnonymousBytes(pid);
  const looking = setInterval(() => {
    const bytes = readAnonymousBytes(pid);
    if (bytes !== undefined) peak = Math.max(peak ?? 0, bytes);
  }, MEMORY_EVERY_MS);
  return () => {
    clearInterval(looking);
    return peak;
  };
}

const megabytes = (bytes: number | undefined) => (bytes === undefined ? "–" : (bytes / MEGABYTE).toFixed(0));

function roundLine(round: number, results: Round, recoveryMs: number, peakBytes: number | undefined): string {
  const rates = LOADS.map((load) => `${load}×: ${results[load].requestsPerSecond.toFixed(0)}/s`).join(", ");
  return `round ${round + 1}: ${rates}; well again after ${recoveryMs.toFixed(0)} ms; RssAnon at most ${megabytes(peakBytes)} MB`;
}

/** Goodput at the overload over the most at any rate, round by round. */
function goodputRatio({ rounds }: Measured): Spread | undefined {
  const goodput = (round: Round, load: Load) => round[load].requestsPerSecond;
  return spreadOf(
    rounds.map((round) => goodput(round, OVERLOAD) / Math.max(...LOADS.map((load) => goodput(round, load)))),
  );
}

const p99 = ({ rounds }: Measured, load: Load) => spreadOf(rounds.map((round) => round[load].goodP99Ms));

/** The last round's memory over the first's, MB. */
function growth({ peakBytes }: Measured): number | undefined {
  const [first, last] = [peakBytes[0], peakBytes.at(-1)];
  return first === undefined || last === undefined ? undefined : (last - first) / MEGABYTE;
}

function summarize(models: Readonly<Record<Placed, Measured>>, { tell }: OverloadOptions): BenchResult {
  tell(`\n${table(models)}\n`);
  const bars = (name: string, measured: Measured) => [
    atLeast(`goodput at ${OVERLOAD} times the capacity over the peak, ${name}`, goodputRatio(measured), "×", 0.85),
    atMost(`p99 of accepted at ${OVERLOAD} times the capacity, ${name}`, p99(measured, OVERLOAD), "ms", DEADLINE_MS),
    atMost(`until the last failed request after it, ${name}`, spreadOf(measured.recoveryMs), "ms", 1_000),
    atMost(`RssAnon of the last round over the first's, ${name}`, growth(measured), "MB", 10),
  ];
  return {
    figures: { pinned: canPin, deadlineMs: DEADLINE_MS, customers: CUSTOMERS, models },
    bars: [
      ...bars("5 ms a row, in a process of its own", models.elsewhere),
      ...bars("on the event loop", models.inline),
    ],
  };
}

function table(models: Readonly<Record<Placed, Measured>>): string {
  const number = (spread: Spread | undefined, digits = 0) => spread?.median.toFixed(digits) ?? "–";
  const rows = Object.entries(models).flatMap(([placed, { capacity, rounds }]) =>
    LOADS.map((load) => {
      const of = (figure: (result: OpenLoadResult) => number | undefined) =>
        spreadOf(rounds.map((round) => figure(round[load])));
      return [
        `${placed}, ${load} × ${Math.round(capacity)}/s`,
        number(of(({ requestsPerSecond }) => requestsPerSecond)),
        number(of(({ refused, requests: all }) => (100 * refused) / all)),
        String(rounds.reduce((sum, round) => sum + round[load].missed, 0)),
        String(rounds.reduce((sum, round) => sum + round[load].late, 0)),
        number(of(({ goodP99Ms }) => goodP99Ms)),
        number(of(({ cpuMicrosPerRequest }) => cpuMicrosPerRequest)),
        number(
          of(({ othersShare }) => othersShare),
          2,
        ),
      ];
    }),
  );
  const heading = [
    "model, load",
    "goodput/s",
    "refused %",
    "missed",
    "late",
    "p99 of accepted ms",
    "CPU µs/request",
    "others",
  ];
  return textTable(heading, rows);
}
