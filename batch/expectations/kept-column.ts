/**
 * A column that is looked at twice: quantiles, distinct values, uniqueness and z-scores need all of its values at once.
 * Each row takes 8 bytes (numbers, booleans, timestamps: a double) or 4 (texts, bytes: the number of a distinct value,
 * which is kept once). Sorting makes one copy of the numbers more, shared by every expectation on the column.
 */

import type { FeatureValue, FieldType } from "../../features/field.ts";
import { ExpectationFault } from "./expectation-fault.ts";
import { type ColumnChunk, isNumeric } from "./table-chunk.ts";
import { compareValues } from "./value-order.ts";

/** Bounds on what is kept of one column; past them the expectations that need it are exception results. */
export interface KeptLimits {
  /** Rows. 20 million take 160 MB, twice that once sorted. */
  readonly keptRowsMax: number;
  /** Different texts or byte strings. */
  readonly distinctTextsMax: number;
}

/** 20 million rows, 5 million different texts. */
export const KEPT_LIMITS: KeptLimits = Object.freeze({ keptRowsMax: 20_000_000, distinctTextsMax: 5_000_000 });

/** A value and how often it is there. */
export interface Occurrences {
  readonly value: FeatureValue;
  readonly count: number;
}

const FIRST_ROWS = 65_536;
const NULL_ID = -1;

/** The rows of one column under one row condition, in order, nulls included. */
export class KeptColumn {
  readonly type: FieldType;
  readonly #limits: KeptLimits;
  #count = 0;
  #overflow: string | undefined;
  #numbers = new Float64Array(0);
  /** Integers that #numbers rounds, by place. */
  readonly #exact = new Map<number, bigint>();
  #ids = new Int32Array(0);
  readonly #texts: FeatureValue[] = [];
  readonly #idByKey = new Map<string, number>();
  #sorted: Float64Array | undefined;
  #occurrences: readonly Occurrences[] | undefined;

  constructor(type: FieldType, limits: KeptLimits) {
    this.type = type;
    this.#limits = limits;
  }

  /** Rows so far. */
  get count(): number {
    return this.#count;
  }

  /** Takes the next rows. Past a bound it lets go of everything, and all questions below throw ExpectationFault. */
  take(chunk: ColumnChunk): void {
    if (this.#overflow !== undefined) return;
    const { keptRowsMax } = this.#limits;
    if (this.#count + chunk.count > keptRowsMax) {
      this.#overflowed(`${keptRowsMax} rows`);
      return;
    }
    if (chunk.numbers === undefined) this.#takeTexts(chunk);
    else this.#takeNumbers(chunk, chunk.numbers);
    this.#count += chunk.count;
  }

  /** The value at a place. */
  valueAt(place: number): FeatureValue {
    if (isNumeric(this.type)) {
      const number = this.#numbers[place]!;
      if (Number.isNaN(number)) return null;
      return this.type.kind === "bool" ? number === 1 : (this.#exact.get(place) ?? number);
    }
    const id = this.#ids[place]!;
    return id === NULL_ID ? null : this.#texts[id]!;
  }

  /** The numbers by place, NaN for null. */
  numbers(): Float64Array {
    this.#check();
    return this.#numbers.subarray(0, this.#count);
  }

  /** The numbers that are not null, ascending; 0 for −0. */
  sorted(): Float64Array {
    this.#check();
    if (this.#sorted === undefined) {
      const sorted = new Float64Array(this.#count);
      let kept = 0;
      for (let place = 0; place < this.#count; place++) {
        const value = this.#numbers[place]!;
        if (!Number.isNaN(value)) sorted[kept++] = value + 0;
      }
      this.#sorted = sorted.subarray(0, kept).sort();
    }
    return this.#sorted;
  }

  /** How many different values there are, nulls left out. */
  distinctCount(): number {
    if (!isNumeric(this.type)) {
      this.#check();
      return this.#texts.length;
    }
    if (this.#exact.size > 0) return this.occurrences().length;
    const sorted = this.sorted();
    let count = sorted.length === 0 ? 0 : 1;
    for (let at = 1; at < sorted.length; at++) if (sorted[at] !== sorted[at - 1]) count++;
    return count;
  }

  /** Every different value with its count, ascending, nulls left out. Takes about 100 bytes for each of them. */
  occurrences(): readonly Occurrences[] {
    this.#check();
    this.#occurrences ??= isNumeric(this.type) ? this.#numberOccurrences() : this.#textOccurrences();
    return this.#occurrences;
  }

  /**
   * The rank of the value at each place: equal values have equal ranks, null is 0. One rank is one value, so that
   * rows of several columns can be compared by ranks.
   */
  ranks(): { readonly ranks: Float64Array; readonly rankCount: number } {
    this.#check();
    const ranks = new Float64Array(this.#count);
    if (!isNumeric(this.type)) {
      for (let place = 0; place < this.#count; place++) ranks[place] = this.#ids[place]! + 1;
      return { ranks, rankCount: this.#texts.length + 1 };
    }
    const distinct = this.#distinctNumbers();
    for (let place = 0; place < this.#count; place++) {
      const value = this.#numbers[place]!;
      ranks[place] = !Number.isNaN(value) ? placeOf(distinct, value) + 1 : 0;
    }
    return { ranks, rankCount: this.#rankExact(ranks, distinct.length + 1) };
  }

  #check(): void {
    if (this.#overflow !== undefined) throw new ExpectationFault(this.#overflow);
  }

  #overflowed(limit: string): void {
    this.#overflow = `The column has more than ${limit}, which is the most that is kept for this expectation.`;
    this.#numbers = new Float64Array(0);
    this.#ids = new Int32Array(0);
    this.#texts.length = 0;
    this.#idByKey.clear();
    this.#exact.clear();
  }

  #takeNumbers({ count, values, rounded }: ColumnChunk, numbers: Float64Array): void {
    const needed = this.#count + count;
    if (needed > this.#numbers.length) {
      const grown = new Float64Array(Math.max(needed, FIRST_ROWS, this.#numbers.length * 2));
      grown.set(this.#numbers.subarray(0, this.#count));
      this.#numbers = grown;
    }
    this.#numbers.set(numbers.length === count ? numbers : numbers.subarray(0, count), this.#count);
    if (!rounded) return;
    for (let place = 0; place < count; place++) {
      const value = values[place];
      if (typeof value === "bigint") this.#exact.set(this.#count + place, value);
    }
  }

  #takeTexts({ count, values }: ColumnChunk): void {
    const needed = this.#count + count;
    if (needed > this.#ids.length) {
      const grown = new Int32Array(Math.max(needed, FIRST_ROWS, this.#ids.length * 2));
      grown.set(this.#ids.subarray(0, this.#count));
      this.#ids = grown;
    }
    for (let place = 0; place < count; place++) {
      const value = values[place]!;
      this.#ids[this.#count + place] = value === null ? NULL_ID : this.#idOf(value);
    }
    if (this.#texts.length > this.#limits.distinctTextsMax) {
      this.#overflowed(`${this.#limits.distinctTextsMax} different values`);
    }
  }

  #idOf(value: FeatureValue): number {
    const key = typeof value === "string" ? value : Buffer.from(value as Uint8Array).toString("latin1");
    const known = this.#idByKey.get(key);
    if (known !== undefined) return known;
    this.#idByKey.set(key, this.#texts.length);
    return this.#texts.push(value) - 1;
  }

  #textOccurrences(): readonly Occurrences[] {
    const counts = new Float64Array(this.#texts.length);
    for (let place = 0; place < this.#count; place++) {
      const id = this.#ids[place]!;
      if (id !== NULL_ID) counts[id]!++;
    }
    const found = this.#texts.map((value, id) => ({ value, count: counts[id]! }));
    return found.sort((one, other) => compareValues(one.value, other.value));
  }

  #numberOccurrences(): readonly Occurrences[] {
    const rounded = this.#exactCounts();
    const found: { value: FeatureValue; count: number }[] = [];
    const sorted = this.sorted();
    const isBool = this.type.kind === "bool";
    for (let at = 0; at < sorted.length; ) {
      const value = sorted[at]!;
      const begin = at;
      while (at < sorted.length && sorted[at] === value) at++;
      const count = at - begin - (rounded.byDouble.get(value) ?? 0);
      if (count > 0) found.push({ value: isBool ? value === 1 : value, count });
    }
    if (rounded.byValue.size === 0) return found;
    for (const [value, count] of rounded.byValue) found.push({ value, count });
    return found.sort((one, other) => compareValues(one.value, other.value));
  }

  #exactCounts() {
    const byValue = new Map<bigint, number>();
    const byDouble = new Map<number, number>();
    for (const value of this.#exact.values()) {
      byValue.set(value, (byValue.get(value) ?? 0) + 1);
      byDouble.set(Number(value), (byDouble.get(Number(value)) ?? 0) + 1);
    }
    return { byValue, byDouble };
  }

  #distinctNumbers(): Float64Array {
    const sorted = this.sorted();
    const distinct = new Float64Array(sorted.length);
    let count = 0;
    for (let at = 0; at < sorted.length; at++)
      if (at === 0 || sorted[at] !== sorted[at - 1]) distinct[count++] = sorted[at]!;
    return distinct.subarray(0, count);
  }

  /** Integers that round to one double get ranks of their own. */
  #rankExact(ranks: Float64Array, rankCount: number): number {
    const rankByValue = new Map<bigint, number>();
    for (const [place, value] of this.#exact) {
      if (!rankByValue.has(value)) rankByValue.set(value, rankCount + rankByValue.size);
      ranks[place] = rankByValue.get(value)!;
    }
    return rankCount + rankByValue.size;
  }
}

/** The place of a value that is in a sorted array. */
export function placeOf(sorted: Float64Array, value: number): number {
  let [low, high] = [0, sorted.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
