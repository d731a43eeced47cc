/**
 * What a bench hands back, and how it is shown: figures as they were measured, and bars, which are the promises that
 * the figures are held against. Everything is printed for people and written as JSON for machines.
 */

import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Machine } from "./machine.ts";

/** A promise and what was measured of it. */
export interface Bar {
  readonly name: string;
  /** Undefined where this machine can't measure it. */
  readonly value: number | undefined;
  readonly unit: string;
  /** Such as "≤ 1.1". */
  readonly bar: string;
  /** Undefined where it was not measured. */
  readonly met: boolean | undefined;
}

/** What one bench measured. */
export interface BenchResult {
  /** Plain JSON; its shape is the bench's own. */
  readonly figures: Readonly<Record<string, unknown>>;
  readonly bars: readonly Bar[];
}

/** A bar that a value must not pass. */
export function atMost(name: string, value: number | undefined, unit: string, limit: number): Bar {
  return { name, value, unit, bar: `≤ ${limit}`, met: value === undefined ? undefined : value <= limit };
}

/** A bar that a value must reach. */
export function atLeast(name: string, value: number | undefined, unit: string, limit: number): Bar {
  return { name, value, unit, bar: `≥ ${limit}`, met: value === undefined ? undefined : value >= limit };
}

/** The object for machines: what was measured, on what, of which commit. */
export function resultDocument(results: Readonly<Record<string, BenchResult>>, machine: Machine): object {
  const named = Object.entries(results);
  return {
    ...machine,
    figures: Object.fromEntries(named.map(([name, { figures }]) => [name, figures])),
    bars: named.flatMap(([name, { bars }]) => bars.map((bar) => ({ ...bar, name: `${name}: ${bar.name}` }))),
  };
}

/** Writes a bench's document to results/<name>.json; returns the file. */
export function writeResult(name: string, result: BenchResult, machine: Machine): string {
  const folder = new URL("results/", import.meta.url);
  mkdirSync(folder, { recursive: true });
  const file = fileURLToPath(new URL(`${name}.json`, folder));
  writeFileSync(file, `${JSON.stringify(resultDocument({ [name]: result }, machine), null, 2)}\n`);
  return file;
}

/** The bars as lines for people. */
export function barLines(bars: readonly Bar[]): string {
  const words = bars.map(({ name, value, unit, bar, met }) => {
    const verdict = met === undefined ? "not measured" : met ? "met" : "NOT MET";
    const measured = value === undefined ? "–" : value.toLocaleString("en-US", { maximumSignificantDigits: 4 });
    return [name, `${measured} ${unit}`.trim(), bar, verdict];
  });
  return textTable(["bar", "measured", "wanted", ""], words);
}

/** Rows of texts under a heading; the first column to the left, the others to the right. */
export function textTable(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = heading.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  const line = (cells: readonly string[]) =>
    cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join("  ");
  return [line(heading), widths.map((width) => "─".repeat(width)).join("  "), ...rows.map(line)].join("\n");
}
