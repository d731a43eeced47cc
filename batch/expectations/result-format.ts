/**
 * What a result tells, in the four formats of Great Expectations. Lists are short on purpose, there as here: the first 20
 * unexpected values, 200 when all are asked for; only the row numbers of COMPLETE are without a limit.
 */

import type { FeatureValue } from "../../features/field.ts";
import type { JsonValue } from "../../features/json-value.ts";
import { keptValue } from "./table-chunk.ts";
import { countedValues, type ItemShape } from "./value-counts.ts";

/** How much a result tells. */
export type ResultFormat = "BOOLEAN_ONLY" | "BASIC" | "SUMMARY" | "COMPLETE";

/** A result's `result`. */
export type ResultDetail = { readonly [key: string]: JsonValue };

/** The outcome of one expectation. */
export interface Outcome {
  readonly success: boolean;
  readonly result: ResultDetail;
}

/** How many unexpected values, distinct values and row numbers the partial lists hold. */
export const PARTIAL_COUNT = 20;
/** How many unexpected values COMPLETE holds. */
const COMPLETE_COUNT = 200;

/** The unexpected rows of a pass: all are counted, the first are kept. */
export interface Unexpected {
  count: number;
  readonly items: FeatureValue[][];
  readonly rows: number[];
  /** Counts a row; its values are kept while there is room. */
  add(values: FeatureValue[], row: number): void;
  /** True while `add` still keeps values. */
  isOpen(): boolean;
}

/** No unexpected rows yet. Keeps what the format shows: at most 200 items; with COMPLETE 8 bytes for every row. */
export function startUnexpected(format: ResultFormat): Unexpected {
  const itemsMax = format === "COMPLETE" ? COMPLETE_COUNT : format === "BOOLEAN_ONLY" ? 0 : PARTIAL_COUNT;
  const rowsMax = format === "COMPLETE" ? Number.POSITIVE_INFINITY : format === "SUMMARY" ? PARTIAL_COUNT : 0;
  return {
    count: 0,
    items: [],
    rows: [],
    add(values, row) {
      this.count++;
      if (this.items.length < itemsMax) this.items.push(values.map(keptValue));
      if (this.rows.length < rowsMax) this.rows.push(row);
    },
    isOpen() {
      return this.items.length < itemsMax;
    },
  };
}

/** What a map expectation has seen. */
export interface MapTotals {
  /** Rows after the row condition. */
  readonly elementCount: number;
  /** Of them those that were looked at; undefined when nulls are what is looked for. */
  readonly lookedAt: number | undefined;
  readonly unexpected: Unexpected;
}

/** The outcome of a map expectation: `mostly` is the least share of rows that must be as expected. */
export function mapOutcome(totals: MapTotals, mostly: number, format: ResultFormat, shape: ItemShape): Outcome {
  const { elementCount, lookedAt, unexpected } = totals;
  const of = lookedAt ?? elementCount;
  const success = elementCount === 0 || of === 0 || (of - unexpected.count) / of >= mostly;
  if (format === "BOOLEAN_ONLY") return { success, result: {} };
  const items = unexpected.items.map((values) => shownItem(shape, values));
  const basic = { ...mapCounts(totals), partial_unexpected_list: items.slice(0, PARTIAL_COUNT) };
  if (format === "BASIC") return { success, result: basic };
  const counts = countedValues(unexpected.items, shape, PARTIAL_COUNT);
  const summary = {
    ...basic,
    ...(counts === undefined ? {} : { partial_unexpected_counts: counts }),
    partial_unexpected_index_list: unexpected.rows.slice(0, PARTIAL_COUNT),
  };
  if (format === "SUMMARY") return { success, result: summary };
  return {
    success,
    result: {
      ...summary,
      unexpected_list: items,
      unexpected_index_list: unexpected.rows,
      unexpected_index_query: `df.filter(items=[${unexpected.rows.join(", ")}], axis=0)`,
    },
  };
}

/** Percentages are `a / b * 100` in that order: 29 of 200 are 14.499999999999998. */
function mapCounts({ elementCount, lookedAt, unexpected: { count } }: MapTotals): ResultDetail {
  const share = (part: number, of: number) => (of === 0 ? null : (part / of) * 100);
  const ofAll = share(count, elementCount);
  const counts = { element_count: elementCount, unexpected_count: count };
  if (lookedAt === undefined) return { ...counts, unexpected_percent: ofAll };
  const ofLookedAt = share(count, lookedAt);
  return {
    ...counts,
    unexpected_percent: ofLookedAt,
    missing_count: elementCount - lookedAt,
    missing_percent: share(elementCount - lookedAt, elementCount),
    unexpected_percent_total: ofAll,
    unexpected_percent_nonmissing: ofLookedAt,
  };
}

function shownItem({ names, types, show }: ItemShape, values: readonly FeatureValue[]): JsonValue {
  const shown = values.map((value, at) => show(types[at]!, value));
  if (names === "value") return shown[0]!;
  if (names === "pair") return shown;
  return Object.fromEntries(names.map((name, at) => [name, shown[at]!]));
}

/** The outcome of an aggregate: the value that was observed, and more where there is some. */
export function aggregateOutcome(success: boolean, result: ResultDetail, format: ResultFormat): Outcome {
  return { success, result: format === "BOOLEAN_ONLY" ? {} : result };
}
