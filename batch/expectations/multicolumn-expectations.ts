/**
 * Expectations on several columns of a row: their values together are unique, differ within the row, add up. Unlike
 * elsewhere a null equals a null here.
 */

import type { FeatureValue, FieldType } from "../../features/field.ts";
import { ExpectationFault } from "./expectation-fault.ts";
import {
  type CompileExpectation,
  columnIndex,
  type ExpectationContext,
  type ExpectationRun,
  mostlyOf,
} from "./expectation-run.ts";
import type { KeptColumn } from "./kept-column.ts";
import { resultValue } from "./python-text.ts";
import { mapOutcome, type Outcome, startUnexpected, type Unexpected } from "./result-format.ts";
import { distinctOf, placeOf } from "./sorted-numbers.ts";
import { type ColumnChunk, exactAt, isNullAt, isNumeric, rowAt } from "./table-chunk.ts";
import { compareValues } from "./value-order.ts";

interface Columns {
  readonly names: readonly string[];
  readonly indexes: readonly number[];
  readonly types: readonly FieldType[];
  /** A row with more nulls is ignored. */
  readonly nullsMax: number;
}

function columnsOf(context: ExpectationContext, metrics: readonly string[]): Columns {
  const names = context.kwargs.column_list as readonly string[];
  const indexes = names.map((name) => columnIndex(context, name, metrics));
  const ignored = context.kwargs.ignore_row_if ?? "all_values_are_missing";
  const nullsMax = ignored === "never" ? names.length : ignored === "any_value_is_missing" ? 0 : names.length - 1;
  return { names, indexes, types: indexes.map((index) => context.columns[index]!.type), nullsMax };
}

function outcome(context: ExpectationContext, columns: Columns, lookedAt: number, unexpected: Unexpected): Outcome {
  const totals = { elementCount: context.domain.rowCount, lookedAt, unexpected };
  return mapOutcome(totals, mostlyOf(context.kwargs), context.format, { ...columns, show: resultValue });
}

/** One that a row alone decides. */
function perRow(
  context: ExpectationContext,
  columns: Columns,
  isExpected: (chunks: readonly ColumnChunk[], place: number) => boolean,
): ExpectationRun {
  const unexpected = startUnexpected(context.format);
  const seen = { lookedAt: 0 };
  return {
    take(chunk) {
      const chunks = columns.indexes.map((index) => chunk.column(index));
      for (let place = 0; place < chunk.count; place++) {
        if (nullsAt(chunks, place) > columns.nullsMax) continue;
        seen.lookedAt++;
        if (isExpected(chunks, place)) continue;
        unexpected.add(unexpected.isOpen() ? chunks.map(({ values }) => values[place]!) : [], rowAt(chunk, place));
      }
    },
    finish: () => outcome(context, columns, seen.lookedAt, unexpected),
  };
}

function nullsAt(chunks: readonly ColumnChunk[], place: number): number {
  let nulls = 0;
  for (const chunk of chunks) if (isNullAt(chunk, place)) nulls++;
  return nulls;
}

/** Below it, doubles add up integers exactly. */
const EXACT_SUM_LIMIT = 2 ** 53;

/** The sum of a row's integers; NaN where one is null. */
function integerSum(chunks: readonly ColumnChunk[], place: number): number | bigint {
  let [sum, size] = [0, 0];
  for (const { numbers } of chunks) {
    sum += numbers![place]!;
    size += Math.abs(numbers![place]!);
  }
  if (size < EXACT_SUM_LIMIT || Number.isNaN(size)) return sum;
  return chunks.reduce((total, { values, numbers }) => total + BigInt(exactAt(values, numbers!, place)), 0n);
}

function doubleSum(chunks: readonly ColumnChunk[], place: number): number {
  let sum = 0;
  for (const { numbers } of chunks) sum += numbers![place]!;
  return sum;
}

/** expect_multicolumn_sum_to_equal: a null makes the sum null, which equals nothing. Sums of integers are exact. */
export const sumEqual: CompileExpectation = (context) => {
  const metrics = ["multicolumn_sum.equal.condition"];
  const columns = columnsOf(context, metrics);
  if (!columns.types.every((type) => isNumeric(type) && type.kind !== "timestamp")) {
    throw new ExpectationFault("unsupported operand type(s) for +: 'int' and 'str'", metrics);
  }
  const total = context.kwargs.sum_total as number | bigint;
  const sumOf = columns.types.some(({ kind }) => kind.startsWith("float")) ? doubleSum : integerSum;
  return perRow(context, columns, (chunks, place) => {
    const sum = sumOf(chunks, place);
    return !Number.isNaN(sum) && compareValues(sum, total) === 0;
  });
};

/** expect_select_column_values_to_be_unique_within_record */
export const uniqueWithinRecord: CompileExpectation = (context) => {
  const columns = columnsOf(context, ["select_column_values.unique.within_record.condition"]);
  const { types } = columns;
  return perRow(context, columns, (chunks, place) => {
    for (let one = 1; one < chunks.length; one++) {
      for (let other = 0; other < one; other++) {
        const same = isSame(types[one]!, chunks[one]!, types[other]!, chunks[other]!, place);
        if (same) return false;
      }
    }
    return true;
  });
};

function isSame(typeA: FieldType, a: ColumnChunk, typeB: FieldType, b: ColumnChunk, place: number): boolean {
  if (isNullAt(a, place) || isNullAt(b, place)) return isNullAt(a, place) && isNullAt(b, place);
  if ((typeA.kind === "timestamp") !== (typeB.kind === "timestamp")) return false;
  return comparable(a.values[place]!) === comparable(b.values[place]!);
}

function comparable(value: FeatureValue): unknown {
  if (typeof value === "boolean") return Number(value);
  return value instanceof Uint8Array ? Buffer.from(value).toString("latin1") : value;
}

/** expect_compound_columns_to_be_unique: all copies are unexpected. Keeps the columns, see kept-column.ts. */
export const compoundUnique: CompileExpectation = (context) => {
  const { domain, format } = context;
  const metrics = ["compound_columns.unique.condition"];
  const columns = columnsOf(context, metrics);
  const kept = columns.indexes.map((index) => domain.kept(index, metrics));
  return {
    finish() {
      const unexpected = startUnexpected(format);
      const { codes, codeCount, isIgnored } = compoundCodes(kept, columns.nullsMax);
      const counts = new Uint32Array(codeCount);
      for (let place = 0; place < codes.length; place++) if (isIgnored[place] === 0) counts[codes[place]!]!++;
      let lookedAt = 0;
      for (let place = 0; place < codes.length; place++) {
        if (isIgnored[place] !== 0) continue;
        lookedAt++;
        if (counts[codes[place]!]! < 2) continue;
        const values = unexpected.isOpen() ? kept.map((column) => column.valueAt(place)) : [];
        unexpected.add(values, domain.rowAt(place));
      }
      return outcome(context, columns, lookedAt, unexpected);
    },
  };
};

/** One number for the values of a row: equal rows have equal numbers. */
function compoundCodes(kept: readonly KeptColumn[], nullsMax: number) {
  const rowCount = kept[0]!.count;
  const nulls = new Uint8Array(rowCount);
  let codes: Float64Array = new Float64Array(rowCount);
  let codeCount = 1;
  for (const column of kept) {
    const { ranks, rankCount } = column.ranks();
    if (codeCount * rankCount > Number.MAX_SAFE_INTEGER) ({ codes, codeCount } = compressed(codes));
    for (let place = 0; place < rowCount; place++) {
      codes[place] = codes[place]! * rankCount + ranks[place]!;
      if (ranks[place] === 0) nulls[place]!++;
    }
    codeCount *= rankCount;
  }
  const isIgnored = nulls.map((count) => (count > nullsMax ? 1 : 0));
  return { ...compressed(codes), isIgnored };
}

function compressed(codes: Float64Array): { codes: Float64Array; codeCount: number } {
  const distinct = distinctOf(codes.slice().sort());
  return { codes: codes.map((code) => placeOf(distinct, code)), codeCount: distinct.length };
}
