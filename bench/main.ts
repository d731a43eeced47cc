/**
 * `npm run bench`: all benches, or the named ones. For people it prints tables; `--json` prints one object for machines
 * instead. Results are always written to bench/results/<name>.json. A bar that is not met is told and does not fail the
 * run, since a laptop under load misses bars, unless `--strict` asks for it.
 */

import { parseArgs } from "node:util";
import { benchIngest } from "./ingest.ts";
import { describeMachine } from "./machine.ts";
import { benchMaterialize } from "./materialize.ts";
import { benchPredict } from "./predict.ts";
import { benchPredictOnRedis } from "./predict-redis.ts";
import { type BenchResult, barLines, resultDocument, writeResult } from "./result.ts";
import { benchStart } from "./start.ts";
import { benchStore } from "./store.ts";

const USAGE = `usage: npm run bench -- [predict] [materialize] [ingest] [start] [store] [options]
  --json          print one object for machines
  --strict        exit 1 when a bar is not met
  --seconds <n>   predict: length of a run of a case that has a bar (2)
  --store redis   predict: on a Redis of its own, from memory and not (default: lmdb)
  --rounds <n>    predict, store, ingest: rounds of a case that has a bar (5)
  --backlog <n>   ingest: events that wait for the ingester (1000000)
`;

const OPTIONS = {
  json: { type: "boolean", default: false },
  strict: { type: "boolean", default: false },
  help: { type: "boolean", default: false },
  seconds: { type: "string", default: "2" },
  rounds: { type: "string", default: "5" },
  store: { type: "string", default: "lmdb" },
  backlog: { type: "string", default: "1000000" },
} as const;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({ options: OPTIONS, allowPositionals: true });
  const tell = (line: string) => void (values.json ? process.stderr : process.stdout).write(`${line}\n`);
  const benches: Readonly<Record<string, () => Promise<BenchResult>>> = {
    predict: () => {
      const options = { seconds: Number(values.seconds), rounds: Number(values.rounds), tell };
      return values.store === "redis" ? benchPredictOnRedis(options) : benchPredict(options);
    },
    materialize: () => benchMaterialize({ tell }),
    ingest: () => benchIngest({ backlog: Number(values.backlog), rounds: Number(values.rounds), tell }),
    start: () => benchStart({ tell }),
    store: () => benchStore({ rounds: Number(values.rounds), tell }),
  };
  const names = positionals.length === 0 ? Object.keys(benches) : positionals;
  const unknown = names.find((name) => !Object.hasOwn(benches, name));
  const hasStore = ["lmdb", "redis"].includes(values.store);
  const numbers = [values.seconds, values.rounds, values.backlog].every((text) => Number(text) > 0);
  if (values.help || unknown !== undefined || !numbers || !hasStore) {
    process.stderr.write(unknown === undefined ? USAGE : `There is no bench "${unknown}".\n${USAGE}`);
    return values.help ? 0 : 2;
  }
  const machine = describeMachine();
  const results: Record<string, BenchResult> = {};
  for (const name of names) {
    tell(`\n== ${name}`);
    const result = await benches[name]!();
    results[name] = result;
    tell(`${barLines(result.bars)}\nwritten to ${writeResult(fileOf(name, values.store), result, machine)}`);
  }
  if (values.json) process.stdout.write(`${JSON.stringify(resultDocument(results, machine))}\n`);
  const unmet = Object.values(results).some(({ bars }) => bars.some(({ met }) => met === false));
  return values.strict && unmet ? 1 : 0;
}

const fileOf = (bench: string, store: string) =>
  bench === "predict" && store !== "lmdb" ? `${bench}-${store}` : bench;

process.exitCode = await main();
