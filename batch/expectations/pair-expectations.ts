/** Expectations on two columns of a row. A row with one side null is unexpected unless `ignore_row_if` says otherwise. */

import type { FeatureValue, FieldType } from "../../features/field.ts";
import type { JsonValue } from "../../features/json-value.ts";
import { notComparable } from "./expectation-fault.ts";
import {
  type CompileExpectation,
  columnIndex,
  type ExpectationContext,
  type ExpectationRun,
  mostlyOf,
} from "./expectation-run.ts";
import { numpyTimeText, resultValue } from "./python-text.ts";
import { mapOutcome, startUnexpected } from "./result-format.ts";
import { type ColumnChunk, isNullAt, isNumeric, rowAt } from "./table-chunk.ts";
import { compareValues } from "./value-order.ts";

/** Compiles the check of a chunk's two columns: true at a place when the pair is as expected. Neither side need be there. */
type ComparePair = (a: ColumnChunk, b: ColumnChunk) => (place: number) => boolean;

function paired(
  context: ExpectationContext,
  condition: string,
  compile: (a: FieldType, b: FieldType, metrics: readonly string[]) => ComparePair,
): ExpectationRun {
  const { kwargs, columns, domain, format } = context;
  const [indexA, indexB] = [
    columnIndex(context, kwargs.column_A, [condition]),
    columnIndex(context, kwargs.column_B, [condition]),
  ];
  const types = [columns[indexA]!.type, columns[indexB]!.type] as const;
  const compare = compile(...types, [condition]);
  const unexpected = startUnexpected(format);
  const ignored = kwargs.ignore_row_if ?? "both_values_are_missing";
  const nullsMax = ignored === "neither" ? 2 : ignored === "either_value_is_missing" ? 0 : 1;
  const seen = { lookedAt: 0 };
  return {
    take(chunk) {
      const [a, b] = [chunk.column(indexA), chunk.column(indexB)];
      const isExpected = compare(a, b);
      for (let place = 0; place < chunk.count; place++) {
        if (Number(isNullAt(a, place)) + Number(isNullAt(b, place)) > nullsMax) continue;
        seen.lookedAt++;
        if (!isExpected(place)) unexpected.add([a.values[place]!, b.values[place]!], rowAt(chunk, place));
      }
    },
    finish() {
      const totals = { elementCount: domain.rowCount, lookedAt: seen.lookedAt, unexpected };
      return mapOutcome(totals, mostlyOf(kwargs), format, { types, names: "pair", show: shownInPair });
    },
  };
}

/** The values of a pair are numpy's, which write a timestamp in their own way. */
function shownInPair(type: FieldType, value: FeatureValue): JsonValue {
  if (type.kind === "timestamp" && !type.list && value !== null) return numpyTimeText(value as number);
  return resultValue(type, value);
}

/** True when values of both can be equal or in an order: numbers and booleans, or twice the same kind. */
function isComparable(a: FieldType, b: FieldType): boolean {
  if (a.list || b.list) return false;
  const isTime = (type: FieldType) => type.kind === "timestamp";
  return isNumeric(a) && isNumeric(b) ? isTime(a) === isTime(b) : a.kind === b.kind;
}

/** expect_column_pair_values_to_be_equal */
export const pairEqual: CompileExpectation = (context) =>
  paired(context, "column_pair_values.equal.condition", (typeA, typeB) => {
    if (!isComparable(typeA, typeB)) return () => () => false;
    if (typeA.kind === "bytes") return ordered((order) => order === 0);
    return (a, b) => {
      const isExact = a.numbers !== undefined && b.numbers !== undefined && !a.rounded && !b.rounded;
      const [left, right] = isExact ? [a.numbers!, b.numbers!] : [exactly(a), exactly(b)];
      return (place) => left[place] === right[place] && left[place] !== null;
    };
  });

/** Values to be compared by ===: booleans are numbers as soon as the other side may be. */
function exactly({ values, numbers, rounded }: ColumnChunk): ArrayLike<FeatureValue> {
  return numbers === undefined || rounded ? values : numbers;
}

const ordered =
  (isExpected: (order: number) => boolean): ComparePair =>
  (a, b) =>
  (place) =>
    !isNullAt(a, place) && !isNullAt(b, place) && isExpected(compareValues(a.values[place]!, b.values[place]!));

/** expect_column_pair_values_a_to_be_greater_than_b */
export const pairGreater: CompileExpectation = (context) =>
  paired(context, "column_pair_values.a_greater_than_b.condition", (typeA, typeB, metrics) => {
    if (!isComparable(typeA, typeB)) throw notComparable("<", pythonName(typeB), pythonName(typeA), metrics);
    const orEqual = context.kwargs.or_equal === true;
    const exact = ordered((order) => (orEqual ? order >= 0 : order > 0));
    return (a, b) => {
      if (a.numbers === undefined || b.numbers === undefined || a.rounded || b.rounded) return exact(a, b);
      const [left, right] = [a.numbers, b.numbers];
      return orEqual ? (place) => left[place]! >= right[place]! : (place) => left[place]! > right[place]!;
    };
  });

function pythonName({ kind, list }: FieldType): string {
  if (list) return "list";
  return kind === "string" ? "str" : kind.startsWith("int") ? "int" : kind.startsWith("float") ? "float" : kind;
}

/** expect_column_pair_values_to_be_in_set */
export const pairInSet: CompileExpectation = (context) =>
  paired(context, "column_pair_values.in_set.condition", (typeA, typeB) => {
    const pairs = context.kwargs.value_pairs_set as readonly (readonly [JsonValue, JsonValue])[];
    const expected = new Set(pairs.map(([a, b]) => `${memberKey(a)},${memberKey(b)}`));
    const key = (type: FieldType, column: ColumnChunk, place: number) =>
      isNullAt(column, place) ? "null" : valueKey(type, column.values[place]!);
    return (a, b) => (place) => expected.has(`${key(typeA, a, place)},${key(typeB, b, place)}`);
  });

/** As Python compares: 1, 1.0 and true are one value. */
function memberKey(value: JsonValue): string {
  return typeof value === "boolean" ? String(Number(value)) : typeof value === "object" ? "null" : keyOf(value);
}

const keyOf = (value: string | number | bigint) => (typeof value === "string" ? JSON.stringify(value) : String(value));

function valueKey(type: FieldType, value: FeatureValue): string {
  if (type.list || type.kind === "timestamp" || type.kind === "bytes") return "no JSON value";
  return typeof value === "boolean" ? String(Number(value)) : keyOf(value as string | number | bigint);
}
