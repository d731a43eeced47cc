/**
 * `npm run bench`: all benches, or the named ones. For people it prints tables; `--json` prints one object for machines
 * instead. Results are always written to bench/results/<name>.json. A bar that is not met is told and does not fail the
 * run, since a laptop under load misses bars, unless `--strict` asks for it.
 */

import { parseArgs } from "node:util";
import { describeMachine } from "./machine.ts";
import { benchMaterialize } from "./materialize.ts";
import { benchPredict } from "./predict.ts";
import { type BenchResult, barLines, resultDocument, writeResult } from "./result.ts";
import { benchStart } from "./start.ts";

const USAGE = `usage: npm run bench -- [predict] [materialize] [start] [options]
  --json          print one object for machines
  --strict        exit 1 when a bar is not met
  --seconds <n>   predict: length of a run of a case that has a bar (2)
  --rounds <n>    predict: rounds of a case that has a bar (5)
`;

const OPTIONS = {
  json: { type: "boolean", default: false },
  strict: { type: "boolean", default: false },
  help: { type: "boolean", default: false },
  seconds: { type: "string", default: "2" },
  rounds: { type: "string", default: "5" },
} as const;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({ options: OPTIONS, allowPositionals: true });
  const tell = (line: string) => void (values.json ? process.stderr : process.stdout).write(`${line}\n`);
  const benches: Readonly<Record<string, () => Promise<BenchResult>>> = {
    predict: () => benchPredict({ seconds: Number(values.seconds), rounds: Number(values.rounds), tell }),
    materialize: () => benchMaterialize({ tell }),
    start: () => benchStart({ tell }),
  };
  const names = positionals.length === 0 ? Object.keys(benches) : positionals;
  const unknown = names.find((name) => !Object.hasOwn(benches, name));
  const numbers = [values.seconds, values.rounds].every((text) => Number(text) > 0);
  if (values.help || unknown !== undefined || !numbers) {
    process.stderr.write(unknown === undefined ? USAGE : `There is no bench "${unknown}".\n${USAGE}`);
    return values.help ? 0 : 2;
  }
  const machine = describeMachine();
  const results: Record<string, BenchResult> = {};
  for (const name of names) {
    tell(`\n== ${name}`);
    const result = await benches[name]!();
    results[name] = result;
    tell(`${barLines(result.bars)}\nwritten to ${writeResult(name, result, machine)}`);
  }
  if (values.json) process.stdout.write(`${JSON.stringify(resultDocument(results, machine))}\n`);
  const unmet = Object.values(results).some(({ bars }) => bars.some(({ met }) => met === false));
  return values.strict && unmet ? 1 : 0;
}

process.exitCode = await main();
