/**
 * A gateway under more load than it can take: half of its capacity, all of it, twice and three times, in an open loop
 * whose requests come whatever becomes of those before. What it can do it should go on doing: goodput (answers in time,
 * from when each was due) at three times the capacity against the most at any rate, the accepted ones within their deadline, memory flat, and all
 * well soon after the load is gone. The model takes some 5 ms a row, so that the generator can ask for more than it gives.
 */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { ModelProtoSchema } from "../models/onnx_pb.ts";
import { type CollectingServer, startCollectingServer } from "./collecting-server.ts";
import { endingAll } from "./ends.ts";
import { type LoadGenerator, type OpenLoadResult, startLoadGenerator } from "./load.ts";
import { SLOW_MODEL, slowManifest } from "./model-versions.ts";
import { canPin } from "./process-cpu.ts";
import { type BenchProject, makeProject } from "./project.ts";
import { atLeast, atMost, type BenchResult, textTable } from "./result.ts";
import { capacityOf, figureOf, measureRound, type RoundsOptions } from "./rounds.ts";
import { medianText, type Spread, spreadOf } from "./statistics.ts";

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
/** Of overload before anything counts. */
const FIRST_SECONDS = 5;
/** Three times what can be done, all kept for the deadline and some more. */
const MAX_IN_FLIGHT = 512;
const MEGABYTE = 1024 * 1024;
/** Of the slow model's: for some 5 ms, in a process of its own; and for a little under 1, on the event loop. */
const PRODUCTS = Object.freeze({ elsewhere: 75, inline: 12 });
type Placed = keyof typeof PRODUCTS;

type Round = Readonly<Record<Load, OpenLoadResult>>;

interface Measured {
  readonly capacity: number;
  readonly rounds: readonly Round[];
  /** From the end of the overload to the last request that failed, ms, in each round. */
  readonly recoveryMs: readonly number[];
  /** Anonymous memory that a collection leaves after each round; NaN without /proc. */
  readonly leftBytes: readonly number[];
}

/** Runs the bench in a temporary project, which is gone when it ends. */
export function benchOverload(options: RoundsOptions): Promise<BenchResult> {
  if (!canPin) options.tell("Server and load generator share cores here: rates mean little.");
  return endingAll(async (keep) => {
    const generator = await keep(startLoadGenerator());
    const elsewhere = await measureModel("elsewhere", generator, options);
    const inline = await measureModel("inline", generator, options);
    return summarize({ elsewhere, inline }, options);
  });
}

function measureModel(placed: Placed, generator: LoadGenerator, options: RoundsOptions): Promise<Measured> {
  return endingAll(async (keep) => {
    const project = await keep(makeProject(CUSTOMERS, Date.now()));
    putModel(project, PRODUCTS[placed]);
    await project.run("materialize-incremental", "now");
    const server = await keep(startCollectingServer(project, { HEADGATE_DEADLINE: `${DEADLINE_MS}ms` }));
    return measure(placed, server, generator, options);
  });
}

/** The chain cut off after so many of its products, in the place of the example's model. */
function putModel(project: BenchProject, products: number): void {
  const model = fromBinary(ModelProtoSchema, readFileSync(SLOW_MODEL));
  const { graph } = model;
  const last = graph!.node.at(-1)!;
  const isLeft = (output: string) => !/^h\d+$/.test(output) || Number(output.slice(1)) <= products;
  graph!.node = graph!.node.filter((node) => node === last || isLeft(node.output[0]!));
  last.input[0] = `h${products}`;
  const folder = join(project.directory, "models/churn");
  writeFileSync(join(folder, "1/model.onnx"), toBinary(ModelProtoSchema, model));
  writeFileSync(join(folder, "model.json"), slowManifest(project));
}

const requests = { form: "predict", entities: 1, ids: "uniform", idCount: CUSTOMERS } as const;

async function measure(
  placed: Placed,
  server: CollectingServer,
  generator: LoadGenerator,
  { rounds, seconds, tell }: RoundsOptions,
): Promise<Measured> {
  const { connections } = CAPACITY;
  const closed = { ...requests, connections, seconds: CAPACITY.seconds };
  const capacity = await capacityOf(generator, server, closed, CAPACITY.rounds);
  tell(`model ${placed}: ${Math.round(capacity)} requests/s in a closed loop of ${connections} connections`);
  const job = { ...requests, arrivals: "poisson", seconds, maxInFlight: MAX_IN_FLIGHT, inTimeMs: DEADLINE_MS } as const;
  // What a refusal costs in memory is there from the first on; and its code is compiled by the core that the model shares.
  const first = { ...job, perSecond: OVERLOAD * capacity, seconds: FIRST_SECONDS, warmUpSeconds: 0, seed: 0 };
  await generator.runOpen(server, first);
  const measured: Round[] = [];
  const recoveryMs: number[] = [];
  const leftBytes: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const results = await measureRound(LOADS, round, (load) => {
      const rate = { perSecond: load * capacity, warmUpSeconds: WARM_UP_SECONDS, seed: 1 + round };
      return generator.runOpen(server, { ...job, ...rate });
    });
    const calm = { perSecond: CALM * capacity, seconds };
    const stepped = { ...job, perSecond: OVERLOAD * capacity, warmUpSeconds: 0, seed: round };
    const { lastFailedMs } = await generator.runOpen(server, { ...stepped, nextRate: calm });
    recoveryMs.push(Math.max(0, lastFailedMs - seconds * 1_000));
    leftBytes.push((await server.collect()).anonymousBytes);
    measured.push(results);
    tell(roundLine(round, results, recoveryMs.at(-1)!, leftBytes.at(-1)!));
  }
  return { capacity, rounds: measured, recoveryMs, leftBytes };
}

function roundLine(round: number, results: Round, recoveryMs: number, leftBytes: number): string {
  const rates = LOADS.map((load) => `${load}×: ${results[load].requestsPerSecond.toFixed(0)}/s`).join(", ");
  return `round ${round + 1}: ${rates}; well again after ${recoveryMs.toFixed(0)} ms; RssAnon ${(leftBytes / MEGABYTE).toFixed(0)} MB after a collection`;
}

/** Goodput at the overload over the most at any rate, round by round. */
function goodputRatio({ rounds }: Measured): Spread | undefined {
  const goodput = (round: Round, load: Load) => round[load].requestsPerSecond;
  return spreadOf(
    rounds.map((round) => goodput(round, OVERLOAD) / Math.max(...LOADS.map((load) => goodput(round, load)))),
  );
}

/** The last round's memory over the first's, MB; undefined without /proc. */
function growth({ leftBytes }: Measured): number | undefined {
  const grown = (leftBytes.at(-1)! - leftBytes[0]!) / MEGABYTE;
  return Number.isNaN(grown) ? undefined : grown;
}

function summarize(models: Readonly<Record<Placed, Measured>>, { tell }: RoundsOptions): BenchResult {
  tell(`\n${table(models)}\n`);
  const p99 = ({ rounds }: Measured) => figureOf(rounds, OVERLOAD, "goodP99Ms");
  const bars = (name: string, measured: Measured) => [
    atLeast(`goodput at ${OVERLOAD} times the capacity over the peak, ${name}`, goodputRatio(measured), "×", 0.85),
    atMost(`p99 of accepted at ${OVERLOAD} times the capacity, ${name}`, p99(measured), "ms", DEADLINE_MS),
    atMost(`until the last failed request after it, ${name}`, spreadOf(measured.recoveryMs), "ms", 1_000),
    atMost(`RssAnon after a collection, the last round's over the first's, ${name}`, growth(measured), "MB", 10),
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
  const rows = Object.entries(models).flatMap(([placed, { capacity, rounds }]) =>
    LOADS.map((load) => {
      const cell = (figure: keyof OpenLoadResult, digits = 0) => medianText(figureOf(rounds, load, figure), digits);
      const sum = (figure: "missed" | "late") => rounds.reduce((total, round) => total + round[load][figure], 0);
      const refused = spreadOf(rounds.map(({ [load]: { refused: some, requests: all } }) => (100 * some) / all));
      return [
        `${placed}, ${load} × ${Math.round(capacity)}/s`,
        ...[cell("requestsPerSecond"), medianText(refused, 0), String(sum("missed")), String(sum("late"))],
        ...[cell("goodP99Ms"), cell("cpuMicrosPerRequest"), cell("othersShare", 2)],
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
