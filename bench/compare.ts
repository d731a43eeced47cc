/**
 * `npm run bench:compare`: holds the last results in bench/results/ against bench/baseline.json, all benches of it or the
 * named ones, and exits with 1 when a ratio has fallen by more than a tenth, with 2 when there was nothing to compare.
 */

import { comparedTable, compareWith, TOLERANCE } from "./baseline.ts";
import { readBaseline, readResult } from "./baseline-file.ts";

const baseline = readBaseline();
const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(baseline);
let compared = 0;
let fallen = 0;
for (const name of names) {
  const [kept, result] = [baseline[name], readResult(name)];
  if (kept === undefined || result === undefined) {
    const why = kept === undefined ? "not in bench/baseline.json" : `not measured yet: npm run bench -- ${name}`;
    console.log(`== ${name}: ${why}\n`);
    continue;
  }
  const lines = compareWith(kept, result);
  compared += lines.filter(({ gain }) => gain !== undefined).length;
  fallen += lines.filter(({ verdict }) => verdict === "fallen").length;
  console.log(`== ${name}: baseline of ${kept.commit}, results of ${result.commit}`);
  if (kept.machine.cpu !== result.machine.cpu || kept.machine.cores !== result.machine.cores) {
    console.log(`The baseline is of another machine: ${kept.machine.cores} cores of ${kept.machine.cpu}.`);
  }
  console.log(`${comparedTable(lines)}\n`);
}
console.log(`${compared} ratios compared, ${fallen} more than ${Math.round(100 - 100 * TOLERANCE)} % worse.`);
process.exitCode = compared === 0 ? 2 : fallen > 0 ? 1 : 0;
