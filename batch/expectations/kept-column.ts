/**
 * A column that is looked at twice: quantiles, distinct values, uniqueness and z-scores need all of its values at once.
 * Each row takes 8 bytes (numbers, booleans, timestamps: a double) or 4 (texts, bytes: the number of a distinct value,
 * which is kept once). Sorting makes one copy of the numbers more, shared by every expectation on the column. All of it
 * is counted in the run's kept-bytes.ts, rounded up to what the arrays have room for.
 */

import type { FeatureValue, FieldType } from "../../features/field.ts";
import { ExpectationFault } from "./expectation-fault.ts";
import { KEPT_BYTES_MAX, type KeptBytes } from "./kept-bytes.ts";
import { distinctCountOf, distinctOf, placeOf } from "./sorted-numbers.ts";
import { type ColumnChunk, isNumeric, keptValue } from "./table-chunk.ts";
import { compareValues } from "./value-order.ts";

/** Bounds on what is kept; past them the expectations that need it are exception results. */
export interface KeptLimits {
  /** Rows of one column. 20 million take 160 MB, twice that once sorted. */
  readonly keptRowsMax: number;
  /** Different texts or byte strings of one column. */
  readonly distinctTextsMax: number;
  /** Bytes of all columns of a run together; see kept-bytes.ts. */
  readonly keptBytesMax: number;
}

/** 20 million rows and 5 million different texts of a column, 1 GiB of a run. */
export const KEPT_LIMITS: KeptLimits = Object.freeze({
  keptRowsMax: 20_000_000,
  distinctTextsMax: 5_000_000,
  keptBytesMax: KEPT_BYTES_MAX,
});

/** A value and how often it is there. */
export interface Occurrences {
  readonly value: FeatureValue;
  readonly count: number;
}

const FIRST_ROWS = 65_536;
const NULL_ID = -1;
/** Of a different text: its entry in a map and in a list, two objects' heads. An estimate. */
const TEXT_BYTES = 100;
/** Of an integer that no double holds: its entry in a map and a bigint. An estimate. */
const EXACT_BYTES = 64;
/** Of a different value with its count. An estimate. */
const OCCURRENCE_BYTES = 100;

/** The rows of one column under one row condition, in order, nulls included. */
export class KeptColumn {
  readonly type: FieldType;
  readonly #limits: KeptLimits;
  readonly #bytes: KeptBytes;
  #ownBytes = 0;
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

  /** `bytes` is shared by all columns of a run. */
  constructor(type: FieldType, limits: KeptLimits, bytes: KeptBytes) {
    this.type = type;
    this.#limits = limits;
    this.#bytes = bytes;
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
      if (!this.#keeps(8 * this.#count)) this.#check();
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
    return this.#exact.size > 0 ? this.occurrences().length : distinctCountOf(this.sorted());
  }

  /** Every different value with its count, ascending, nulls left out. Takes about 100 bytes for each of them. */
  occurrences(): readonly Occurrences[] {
    this.#check();
    if (this.#occurrences === undefined) {
      const ofNumbers = isNumeric(this.type);
      const most = ofNumbers ? distinctCountOf(this.sorted()) + this.#exact.size : this.#texts.length;
      if (!this.#keeps(OCCURRENCE_BYTES * most)) this.#check();
      this.#occurrences = ofNumbers ? this.#numberOccurrences() : this.#textOccurrences();
    }
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
    const distinct = distinctOf(this.sorted());
    for (let place = 0; place < this.#count; place++) {
      const value = this.#numbers[place]!;
      ranks[place] = !Number.isNaN(value) ? placeOf(distinct, value) + 1 : 0;
    }
    return { ranks, rankCount: this.#rankExact(ranks, distinct.length + 1) };
  }

  #check(): void {
    if (this.#overflow !== undefined) throw new ExpectationFault(this.#overflow);
  }

  /** Counts what is about to be kept; false where it is too much. */
  #keeps(bytes: number): boolean {
    if (this.#bytes.take(bytes)) {
      this.#ownBytes += bytes;
      return true;
    }
    this.#letGo(this.#bytes.overflow);
    return false;
  }

  #overflowed(limit: string): void {
    this.#letGo(`The column has more than ${limit}, which is the most that is kept for this expectation.`);
  }

  #letGo(why: string): void {
    this.#overflow = `${why} Split the suite, or leave out expectations that need all values of a column at once.`;
    this.#bytes.giveBack(this.#ownBytes);
    this.#ownBytes = 0;
    this.#numbers = new Float64Array(0);
    this.#ids = new Int32Array(0);
    this.#texts.length = 0;
    this.#idByKey.clear();
    this.#exact.clear();
  }

  #takeNumbers({ count, values, rounded }: ColumnChunk, numbers: Float64Array): void {
    const needed = this.#count + count;
    if (needed > this.#numbers.length) {
      const length = Math.max(needed, FIRST_ROWS, this.#numbers.length * 2);
      if (!this.#keeps(8 * (length - this.#numbers.length))) return;
      const grown = new Float64Array(length);
      grown.set(this.#numbers.subarray(0, this.#count));
      this.#numbers = grown;
    }
    this.#numbers.set(numbers.length === count ? numbers : numbers.subarray(0, count), this.#count);
    if (!rounded) return;
    const before = this.#exact.size;
    for (let place = 0; place < count; place++) {
      const value = values[place];
      if (typeof value === "bigint") this.#exact.set(this.#count + place, value);
    }
    this.#keeps(EXACT_BYTES * (this.#exact.size - before));
  }

  #takeTexts({ count, values }: ColumnChunk): void {
    const needed = this.#count + count;
    if (needed > this.#ids.length) {
      const length = Math.max(needed, FIRST_ROWS, this.#ids.length * 2);
      if (!this.#keeps(4 * (length - this.#ids.length))) return;
      const grown = new Int32Array(length);
      grown.set(this.#ids.subarray(0, this.#count));
      this.#ids = grown;
    }
    let newBytes = 0;
    for (let place = 0; place < count; place++) {
      const value = values[place]!;
      const known = this.#texts.length;
      this.#ids[this.#count + place] = value === null ? NULL_ID : this.#idOf(value);
      if (this.#texts.length > known) newBytes += TEXT_BYTES + 2 * (value as string | Uint8Array).length;
    }
    if (!this.#keeps(newBytes)) return;
    if (this.#texts.length > this.#limits.distinctTextsMax) {
      this.#overflowed(`${this.#limits.distinctTextsMax} different values`);
    }
  }

  #idOf(value: FeatureValue): number {
    const key = typeof value === "string" ? value : Buffer.from(value as Uint8Array).toString("latin1");
    const known = this.#idByKey.get(key);
    if (known !== undefined) return known;
    this.#idByKey.set(key, this.#texts.length);
    return this.#texts.push(keptValue(value)) - 1;
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
