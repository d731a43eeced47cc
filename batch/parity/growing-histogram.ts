/**
 * Histograms over the same edges, of values whose range nobody knows before: bins of equal width that double, two
 * becoming one, whenever a value lies outside. So one pass is enough, memory is fixed, and no value is ever lost.
 */

import type { Histogram } from "./parity-result.ts";

/** Bins while counting; at least half as many are in use at the end. */
const BINS = 32;
/** Values by which the first range is chosen. */
const FIRST_VALUES = 512;

/** A range that is narrower than this share of its values has no room for bins between two doubles. */
const NARROW_SHARE = 2 ** -40;

/** Counts several series of numbers over the same bins. What is not finite is left out. */
export class GrowingHistograms {
  readonly #counts: readonly Float64Array[];
  #waiting: number[] | undefined = [];
  readonly #waitingSeries: number[] = [];
  #low = 0;
  #high = 0;
  #least = Number.POSITIVE_INFINITY;
  #greatest = Number.NEGATIVE_INFINITY;

  constructor(series: number) {
    this.#counts = Array.from({ length: series }, () => new Float64Array(BINS));
  }

  /** Counts a value of a series. */
  add(series: number, value: number): void {
    if (!Number.isFinite(value)) return;
    if (this.#waiting === undefined) {
      this.#count(series, value);
      return;
    }
    this.#waitingSeries.push(series);
    if (this.#waiting.push(value) >= FIRST_VALUES) this.#begin();
  }

  /**
   * One histogram a series; undefined where no series has a value. Outer bins that no series uses are left out, and the
   * outermost end at the least and the greatest value.
   */
  finish(): readonly Histogram[] | undefined {
    this.#begin();
    const isUsed = (bin: number) => this.#counts.some((counts) => counts[bin]! > 0);
    const bins = Array.from({ length: BINS }, (_, bin) => bin);
    const [first, last] = [bins.find(isUsed), bins.findLast(isUsed)];
    if (first === undefined || last === undefined) return undefined;
    const width = (this.#high - this.#low) / BINS;
    const edges = Array.from({ length: last - first + 2 }, (_, i) => this.#low + (first + i) * width);
    if (this.#least < this.#greatest) {
      // Never to a bin without a width.
      if (this.#least < edges[1]!) edges[0] = this.#least;
      if (this.#greatest > edges.at(-2)!) edges[edges.length - 1] = this.#greatest;
    }
    return this.#counts.map((counts) => ({ edges, counts: [...counts.subarray(first, last + 1)] }));
  }

  #begin(): void {
    const values = this.#waiting;
    this.#waiting = undefined;
    if (values === undefined || values.length === 0) return;
    [this.#low, this.#high] = [Math.min(...values), Math.max(...values)];
    const size = Math.max(Math.abs(this.#low), Math.abs(this.#high));
    if (this.#high - this.#low <= Math.max(size * NARROW_SHARE, Number.MIN_VALUE * BINS)) {
      const margin = Math.max(0.5, size * 2 ** -20);
      [this.#low, this.#high] = [this.#low - margin, this.#high + margin];
    }
    for (const [i, value] of values.entries()) this.#count(this.#waitingSeries[i]!, value);
  }

  #count(series: number, value: number): void {
    while (value < this.#low || value > this.#high) {
      // Beyond half of the doubles' range there is no room to double.
      if (!this.#double(value < this.#low)) return;
    }
    if (value < this.#least) this.#least = value;
    if (value > this.#greatest) this.#greatest = value;
    const bin = Math.floor(((value - this.#low) / (this.#high - this.#low)) * BINS);
    this.#counts[series]![Math.min(bin, BINS - 1)]!++;
  }

  #double(isDown: boolean): boolean {
    const width = this.#high - this.#low;
    const [low, high] = isDown ? [this.#low - width, this.#high] : [this.#low, this.#high + width];
    if (!Number.isFinite(high - low)) return false;
    [this.#low, this.#high] = [low, high];
    for (const counts of this.#counts) {
      const merged = Float64Array.from({ length: BINS / 2 }, (_, i) => counts[2 * i]! + counts[2 * i + 1]!);
      counts.fill(0).set(merged, isDown ? BINS / 2 : 0);
    }
    return true;
  }
}
