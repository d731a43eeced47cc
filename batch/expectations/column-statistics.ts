/**
 * What several expectations on one column share, found in one pass: how many values there are, their sum, mean, spread,
 * least and greatest. Sums are Neumaier's and the spread is Welford's, so that the result is the same however the rows
 * come in chunks; sums of integers are exact.
 *
 * Neumaier, A.: Rundungsfehleranalyse einiger Verfahren zur Summation endlicher Summen (1974). Welford, B. P.: Note on a
 * method for calculating corrected sums of squares and products (1962).
 */

import { canonicalInteger, type FeatureValue, type FieldType } from "../../features/field.ts";
import { type ColumnChunk, isNumeric, keptValue } from "./table-chunk.ts";
import { compareValues } from "./value-order.ts";

/** What must be found besides the count. */
export type Wanted = "sum" | "spread" | "range";

/** Below it, two integers add up exactly. */
const EXACT_SUM_LIMIT = 2 ** 52;

/** One column under one row condition. */
export class ColumnStatistics {
  readonly #type: FieldType;
  readonly #wanted = new Set<Wanted>();
  /** Values that are not null. */
  nonNull = 0;
  #plain = 0;
  #compensation = 0;
  #total = 0;
  #integer = 0;
  #integerTotal = 0n;
  #spreadCount = 0;
  #runningMean = 0;
  #squares = 0;
  #least: FeatureValue = null;
  #greatest: FeatureValue = null;

  constructor(type: FieldType) {
    this.#type = type;
  }

  /** Asks for more before the first chunk. */
  want(...wanted: readonly Wanted[]): this {
    for (const one of wanted) this.#wanted.add(one);
    return this;
  }

  /** Takes the next rows. */
  take(chunk: ColumnChunk): void {
    this.nonNull += chunk.numbers === undefined ? countValues(chunk) : countNumbers(chunk.numbers, chunk.count);
    if (this.#wanted.has("sum") && chunk.numbers !== undefined) this.#takeSum(chunk, chunk.numbers);
    if (this.#wanted.has("spread") && chunk.numbers !== undefined) this.#takeSpread(chunk.numbers, chunk.count);
    if (!this.#wanted.has("range")) return;
    if (chunk.numbers === undefined || chunk.rounded) this.#takeRange(chunk);
    else this.#takeNumberRange(chunk.numbers, chunk.count);
  }

  /** The sum; 0 of nothing. */
  sum(): number | bigint {
    if (this.#isInteger()) return canonicalInteger(this.#integerTotal + BigInt(this.#integer));
    return Number.isFinite(this.#plain) ? this.#total + this.#compensation : this.#plain;
  }

  /** The mean; NaN of nothing. */
  mean(): number {
    return Number(this.sum()) / this.nonNull;
  }

  /** The sample's standard deviation (n − 1); NaN of fewer than two. */
  standardDeviation(): number {
    return this.#spreadCount < 2 ? Number.NaN : Math.sqrt(this.#squares / (this.#spreadCount - 1));
  }

  /** The least and the greatest value; null of nothing. */
  range(): { readonly least: FeatureValue; readonly greatest: FeatureValue } {
    const value = (of: FeatureValue) => (this.#type.kind === "bool" && of !== null ? of === 1 : of);
    return { least: value(this.#least), greatest: value(this.#greatest) };
  }

  #isInteger(): boolean {
    return isNumeric(this.#type) && !this.#type.kind.startsWith("float");
  }

  #takeSum({ count, values, rounded }: ColumnChunk, numbers: Float64Array): void {
    if (this.#isInteger()) {
      this.#takeIntegerSum(numbers, count, rounded ? values : undefined);
      return;
    }
    let [plain, total, compensation] = [this.#plain, this.#total, this.#compensation];
    for (let place = 0; place < count; place++) {
      const value = numbers[place]!;
      if (Number.isNaN(value)) continue;
      plain += value;
      const next = total + value;
      compensation += Math.abs(total) >= Math.abs(value) ? total - next + value : value - next + total;
      total = next;
    }
    [this.#plain, this.#total, this.#compensation] = [plain, total, compensation];
  }

  #takeIntegerSum(numbers: Float64Array, count: number, exact: ArrayLike<FeatureValue> | undefined): void {
    let sum = this.#integer;
    for (let place = 0; place < count; place++) {
      const value = numbers[place]!;
      if (Number.isNaN(value)) continue;
      if (value < EXACT_SUM_LIMIT && value > -EXACT_SUM_LIMIT && sum < EXACT_SUM_LIMIT && sum > -EXACT_SUM_LIMIT) {
        sum += value;
        continue;
      }
      const whole = exact?.[place];
      this.#integerTotal += BigInt(sum) + (typeof whole === "bigint" ? whole : BigInt(value));
      sum = 0;
    }
    this.#integer = sum;
  }

  #takeSpread(numbers: Float64Array, count: number): void {
    let [seen, mean, squares] = [this.#spreadCount, this.#runningMean, this.#squares];
    for (let place = 0; place < count; place++) {
      const value = numbers[place]!;
      if (Number.isNaN(value)) continue;
      const before = value - mean;
      mean += before / ++seen;
      squares += before * (value - mean);
    }
    [this.#spreadCount, this.#runningMean, this.#squares] = [seen, mean, squares];
  }

  #takeNumberRange(numbers: Float64Array, count: number): void {
    let least = Number.POSITIVE_INFINITY;
    let greatest = Number.NEGATIVE_INFINITY;
    let found = 0;
    for (let place = 0; place < count; place++) {
      const value = numbers[place]!;
      if (Number.isNaN(value)) continue;
      found++;
      if (value < least) least = value;
      if (value > greatest) greatest = value;
    }
    if (found > 0) this.#widen(least).#widen(greatest);
  }

  #takeRange({ count, values, numbers }: ColumnChunk): void {
    for (let place = 0; place < count; place++) {
      const value = values[place]!;
      if (value !== null && (numbers === undefined || !Number.isNaN(numbers[place]!))) this.#widen(value);
    }
  }

  #widen(value: FeatureValue): this {
    if (this.#least === null || compareValues(value, this.#least) < 0) this.#least = keptValue(value);
    if (this.#greatest === null || compareValues(value, this.#greatest) > 0) this.#greatest = keptValue(value);
    return this;
  }
}

function countNumbers(numbers: Float64Array, count: number): number {
  let found = 0;
  for (let place = 0; place < count; place++) if (!Number.isNaN(numbers[place])) found++;
  return found;
}

function countValues({ count, values }: ColumnChunk): number {
  let found = 0;
  for (let place = 0; place < count; place++) if (values[place] !== null) found++;
  return found;
}
