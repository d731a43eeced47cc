/**
 * `partial_unexpected_counts`: the unexpected values, most frequent first, then in their own order. It follows Python to
 * the letter, since the original is `sorted(Counter(values).most_common(20), key=(-count, value))`: NaN is equal to
 * nothing, so each one counts for itself, while the null of a text column is one object and counts as one; values that
 * Python can't order or hash leave the field out.
 */

import type { FeatureValue, FieldType } from "../../features/field.ts";
import type { JsonValue } from "../../features/json-value.ts";
import { compareValues } from "./value-order.ts";

/** How the values of an unexpected row are shown: alone, as a pair, or by column name. */
export interface ItemShape {
  readonly types: readonly FieldType[];
  /** One value as it is, a pair as a list, several columns as an object of these names. */
  readonly names: "value" | "pair" | readonly string[];
  /** One of the values as JSON. */
  show(type: FieldType, value: FeatureValue): JsonValue;
}

interface Counted {
  readonly values: readonly FeatureValue[];
  count: number;
}

/** Thrown inside where Python raises TypeError. */
class Unordered extends Error {}

/** The counts as JSON, at most `limit`; undefined where Python has none. */
export function countedValues(
  items: readonly FeatureValue[][],
  shape: ItemShape,
  limit: number,
): JsonValue[] | undefined {
  const counted = counts(items, shape.types);
  if (counted === undefined) return undefined;
  const most = counted.sort((one, other) => other.count - one.count).slice(0, limit);
  try {
    const sorted = insertionSorted(most, (one, other) => isBefore(one, other, shape));
    return sorted.map(({ values, count }) => {
      const shown = values.map((value, at) => shape.show(shape.types[at]!, value));
      return { value: shape.names === "value" ? shown[0]! : shown, count };
    });
  } catch (thrown) {
    if (thrown instanceof Unordered) return undefined;
    throw thrown;
  }
}

function counts(items: readonly FeatureValue[][], types: readonly FieldType[]): Counted[] | undefined {
  const found = new Map<string, Counted>();
  for (const [at, values] of items.entries()) {
    let key = "";
    for (const [place, value] of values.entries()) {
      if (Array.isArray(value)) return undefined;
      key += isNull(value) ? nullKey(types[place]!, at) : valueKey(value);
    }
    const counted = found.get(key);
    if (counted === undefined) found.set(key, { values, count: 1 });
    else counted.count++;
  }
  return [...found.values()];
}

const isNull = (value: FeatureValue) => value === null || (typeof value === "number" && Number.isNaN(value));

/** Integers with a null are floats to pandas, so theirs is a NaN. */
const isFloat = ({ kind, list }: FieldType) => !list && (kind.startsWith("float") || kind.startsWith("int"));

const nullKey = (type: FieldType, at: number) => (isFloat(type) ? `n${at};` : "n;");

function valueKey(value: FeatureValue): string {
  const text = value instanceof Uint8Array ? Buffer.from(value).toString("latin1") : String(value === 0 ? 0 : value);
  return `${typeof value === "string" ? "s" : "v"}${text.length}:${text};`;
}

/** Python's `<` of (-count, value) and, for several columns, of tuples. */
function isBefore(one: Counted, other: Counted, { types }: ItemShape): boolean {
  if (one.count !== other.count) return one.count > other.count;
  for (const [at, value] of one.values.entries()) {
    const type = types[at]!;
    const against = other.values[at]!;
    const [left, right] = [isNull(value), isNull(against)];
    if (left && right && !isFloat(type)) continue;
    if (left || right) {
      if (isFloat(type) || type.kind === "timestamp") return false;
      throw new Unordered();
    }
    const order = compareValues(value, against);
    if (order !== 0) return order < 0;
  }
  return false;
}

/** CPython's sort of a short list: with NaN in it the order depends on which pairs are compared. */
function insertionSorted<T>(values: readonly T[], isLess: (one: T, other: T) => boolean): T[] {
  const sorted = [...values];
  let run = sorted.length < 2 ? sorted.length : 2;
  if (run === 2) {
    const isDescending = isLess(sorted[1]!, sorted[0]!);
    while (run < sorted.length && isLess(sorted[run]!, sorted[run - 1]!) === isDescending) run++;
    if (isDescending) sorted.splice(0, run, ...sorted.slice(0, run).reverse());
  }
  for (let at = run; at < sorted.length; at++) {
    const value = sorted[at]!;
    let [low, high] = [0, at];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (isLess(value, sorted[middle]!)) high = middle;
      else low = middle + 1;
    }
    sorted.splice(at, 1);
    sorted.splice(low, 0, value);
  }
  return sorted;
}
