/**
 * What a bench hands back, and how it is shown: figures as they were measured, and bars, which are the promises that
 * the figures are held against. Everything is printed for people and written as JSON for machines.
 */

import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Machine } from "./machine.ts";
import type { Spread } from "./statistics.ts";

/** A promise and what was measured of it. */
export interface Bar {
  readonly name: string;
  /** The median where it was measured several times; undefined where this machine can't measure it. */
  readonly value: number | undefined;
  /** The least and the most of several. */
  readonly ends?: readonly [number, number];
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
  /** Pictures of the figures, SVG by file name. */
  readonly charts?: Readonly<Record<string, string>>;
}

/** What a bar is held against: one value, or the median of several. */
type Measured = number | Spread | undefined;

/** A bar that a value must not pass. */
export function atMost(name: string, measured: Measured, unit: string, limit: number): Bar {
  return barOf(name, measured, unit, `≤ ${limit}`, (value) => value <= limit);
}

/** A bar that a value must reach. */
export function atLeast(name: string, measured: Measured, unit: string, limit: number): Bar {
  return barOf(name, measured, unit, `≥ ${limit}`, (value) => value >= limit);
}

function barOf(name: string, measured: Measured, unit: string, bar: string, isMet: (value: number) => boolean): Bar {
  const value = typeof measured === "object" ? measured.median : measured;
  const ends = typeof measured === "object" ? { ends: [measured.least, measured.most] as const } : {};
  return { name, value, ...ends, unit, bar, met: value === undefined ? undefined : isMet(value) };
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
  const words = bars.map(({ name, value, ends, unit, bar, met }) => {
    const verdict = met === undefined ? "not measured" : met ? "met" : "NOT MET";
    return [name, `${shortNumber(value)} ${unit}`.trim(), ends?.map(shortNumber).join("–") ?? "", bar, verdict];
  });
  return textTable(["bar", "measured", "of rounds", "wanted", ""], words);
}

/** A number as tables show it. */
export function shortNumber(value: number | undefined): string {
  return value === undefined ? "–" : value.toLocaleString("en-US", { maximumSignificantDigits: 4 });
}

/** A count as tables show it, "–" where it was not measured. */
export function countText(value: number | undefined): string {
  return value === undefined ? "–" : Math.round(value).toLocaleString("en-US");
}

/** Rows of texts under a heading; the first column to the left, the others to the right. */
export function textTable(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = heading.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  const line = (cells: readonly string[]) =>
    cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join("  ");
  return [line(heading), widths.map((width) => "─".repeat(width)).join("  "), ...rows.map(line)].join("\n");
}
