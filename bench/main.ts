/**
 * `npm run bench`: all benches, or the named ones. For people it prints tables; `--json` prints one object for machines
 * instead. Results are always written to bench/results/<name>.json. A bar that is not met is told and does not fail the
 * run, since a laptop under load misses bars, unless `--strict` asks for it.
 */

import { mkdirSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { parseArgs } from "node:util";
import type { Arrivals } from "./arrivals.ts";
import { keepResult } from "./baseline-file.ts";
import { endUnderWay } from "./ends.ts";
import { benchExpectations } from "./expectations.ts";
import { benchHitRatio } from "./hit-ratio.ts";
import { benchIngest } from "./ingest.ts";
import { benchInterop } from "./interop.ts";
import { describeMachine, type Machine } from "./machine.ts";
import { benchMaterialize } from "./materialize.ts";
import { benchModels } from "./models.ts";
import { benchObservation } from "./observation.ts";
import { benchOpenLoop } from "./open-loop.ts";
import { benchOverload } from "./overload.ts";
import { benchParity } from "./parity.ts";
import { benchPeers } from "./peers/peers.ts";
import { benchPredict } from "./predict.ts";
import { benchPredictOnRedis } from "./predict-redis.ts";
import { type BenchResult, barLines, resultDocument, writeResult } from "./result.ts";
import { benchSoak } from "./soak.ts";
import { benchStart } from "./start.ts";
import { benchStore } from "./store.ts";
import { benchWorkers } from "./workers.ts";

const USAGE = `usage: npm run bench -- [bench …] [options]
  benches: predict open-loop interop models observation overload workers materialize parity expectations ingest start store hit-ratio, all by default, and, only when named,
  peers: it installs Python packages, outside of the checkout; soak: half an hour under load
  --json          print one object for machines
  --strict        exit 1 when a bar is not met
  --publish       write the pictures into docs/pictures/ and the ratios into bench/baseline.json
  --seconds <n>   predict, open-loop, interop, models, observation, overload, workers, peers: length of a run of a case that has a bar (2)
  --store redis   predict, soak: on a Redis of its own (default: lmdb)
  --arrivals <p>  open-loop: constant or poisson (constant)
  --rounds <n>    predict, open-loop, interop, models, observation, overload, workers, store, ingest, peers: rounds of a case that has a bar (5)
  --minutes <n>   soak: how long (30)
  --backlog <n>   ingest: events that wait for the ingester (1000000)
`;

/** What a signal's number is added to, as shells do, for the exit code. */
const SIGNALLED = 128;
const PICTURES = new URL("../docs/pictures/", import.meta.url);
/** What installs Python packages, and what takes half an hour, is run only when it is named. */
const ON_DEMAND = ["peers", "soak"];

const OPTIONS = {
  json: { type: "boolean", default: false },
  strict: { type: "boolean", default: false },
  publish: { type: "boolean", default: false },
  help: { type: "boolean", default: false },
  seconds: { type: "string", default: "2" },
  rounds: { type: "string", default: "5" },
  store: { type: "string", default: "lmdb" },
  arrivals: { type: "string", default: "constant" },
  backlog: { type: "string", default: "1000000" },
  minutes: { type: "string", default: "30" },
} as const;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({ options: OPTIONS, allowPositionals: true });
  const tell = (line: string) => void (values.json ? process.stderr : process.stdout).write(`${line}\n`);
  const timed = { seconds: Number(values.seconds), rounds: Number(values.rounds), tell };
  const benches: Readonly<Record<string, () => BenchResult | Promise<BenchResult>>> = {
    predict: () => (values.store === "redis" ? benchPredictOnRedis(timed) : benchPredict(timed)),
    "open-loop": () => benchOpenLoop({ ...timed, arrivals: values.arrivals as Arrivals }),
    interop: () => benchInterop(timed),
    models: () => benchModels(timed),
    observation: () => benchObservation(timed),
    overload: () => benchOverload(timed),
    workers: () => benchWorkers(timed),
    materialize: () => benchMaterialize({ tell }),
    parity: () => benchParity({ tell }),
    expectations: () => benchExpectations({ tell }),
    ingest: () => benchIngest({ backlog: Number(values.backlog), rounds: Number(values.rounds), tell }),
    start: () => benchStart({ tell }),
    store: () => benchStore({ rounds: Number(values.rounds), tell }),
    "hit-ratio": () => benchHitRatio({ tell }),
    peers: () => benchPeers(timed),
    soak: () => benchSoak({ minutes: Number(values.minutes), store: values.store as "lmdb" | "redis", tell }),
  };
  const names =
    positionals.length === 0 ? Object.keys(benches).filter((name) => !ON_DEMAND.includes(name)) : positionals;
  const unknown = names.find((name) => !Object.hasOwn(benches, name));
  const hasStore = ["lmdb", "redis"].includes(values.store);
  const numbers = [values.seconds, values.rounds, values.backlog, values.minutes].every((text) => Number(text) > 0);
  const hasArrivals = ["constant", "poisson"].includes(values.arrivals);
  if (values.help || unknown !== undefined || !numbers || !hasStore || !hasArrivals) {
    process.stderr.write(unknown === undefined ? USAGE : `There is no bench "${unknown}".\n${USAGE}`);
    return values.help ? 0 : 2;
  }
  const machine = describeMachine();
  const results: Record<string, BenchResult> = {};
  for (const name of names) {
    tell(`\n== ${name}`);
    const result = await benches[name]!();
    results[name] = result;
    const bench = fileOf(name, values.store);
    tell(`${barLines(result.bars)}\nwritten to ${writeResult(bench, result, machine)}`);
    if (values.publish) tell(publish(bench, result, machine));
  }
  if (values.json) process.stdout.write(`${JSON.stringify(resultDocument(results, machine))}\n`);
  const unmet = Object.values(results).some(({ bars }) => bars.some(({ met }) => met === false));
  return values.strict && unmet ? 1 : 0;
}

function publish(bench: string, { charts = {} }: BenchResult, { machine }: Machine): string {
  // As many processes wanted to run as there are cores, before any of the bench's did.
  if (machine.loadBefore > machine.cores) {
    return `not published: the load was ${machine.loadBefore} before; wait for quiet`;
  }
  keepResult(bench);
  mkdirSync(PICTURES, { recursive: true });
  for (const [file, svg] of Object.entries(charts)) writeFileSync(new URL(file, PICTURES), svg);
  return `published: bench/baseline.json, ${Object.keys(charts).join(", ") || "no pictures"}`;
}

const fileOf = (bench: string, store: string) =>
  bench === "predict" && store !== "lmdb" ? `${bench}-${store}` : bench;

/** The end that a signal has begun. */
let interrupted: Promise<never> | undefined;
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    interrupted ??= endUnderWay().then(() => process.exit(SIGNALLED + constants.signals[signal]));
  });
}
// What a bench fails of when its servers are ended is no news.
process.exitCode = await main().catch((thrown: unknown) => interrupted ?? Promise.reject(thrown));
