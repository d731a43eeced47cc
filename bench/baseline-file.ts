/** bench/baseline.json and the documents of bench/results/ that are held against it. */

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { type Baseline, keptOf, type ResultDocument } from "./baseline.ts";

const FILE = new URL("baseline.json", import.meta.url);

/** The committed baseline. */
export function readBaseline(): Baseline {
  return existsSync(FILE) ? (JSON.parse(readFileSync(FILE, "utf8")) as Baseline) : {};
}

/** The last run of a bench on this machine; undefined when there is none. */
export function readResult(bench: string): ResultDocument | undefined {
  const file = new URL(`results/${bench}.json`, import.meta.url);
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as ResultDocument) : undefined;
}

/** Puts the last run of a bench into the baseline, in place of what was there of it. */
export function keepResult(bench: string): void {
  const kept = { ...readBaseline(), [bench]: keptOf(readResult(bench)!) };
  const sorted = Object.fromEntries(Object.entries(kept).sort(([one], [other]) => (one < other ? -1 : 1)));
  writeFileSync(FILE, `${JSON.stringify(sorted, null, 2)}\n`);
}
