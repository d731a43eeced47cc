/**
 * Expectations on each value of a column: between, in a set, unique, increasing, z-scores, null. Only values that are not
 * null are looked at. Each is compiled to one loop over a chunk; what needs all values first (uniqueness, z-scores) walks
 * the kept column when the last row has come.
 */

import type { FeatureValue, FieldType } from "../../features/field.ts";
import type { JsonValue } from "../../features/json-value.ts";
import { boundsOf } from "./bounds.ts";
import { ExpectationFault, notComparable, pythonType } from "./expectation-fault.ts";
import {
  type CompileExpectation,
  columnIndex,
  type ExpectationContext,
  type ExpectationRun,
  mostlyOf,
} from "./expectation-run.ts";
import { resultValue } from "./python-text.ts";
import { mapOutcome, type Outcome, startUnexpected, type Unexpected } from "./result-format.ts";
import { type ColumnChunk, type DomainChunk, exactAt, isNullAt, rowAt, type TableColumn } from "./table-chunk.ts";
import { compareValues } from "./value-order.ts";
import { membersOf } from "./value-set.ts";

/** Calls `unexpected` with the place of each value that is not as expected. */
type ScanColumn = (column: ColumnChunk, unexpected: (place: number) => void) => void;

/** A column map expectation that needs one pass. */
function scanned(
  context: ExpectationContext,
  condition: string,
  compileScan: (column: TableColumn, metrics: readonly string[]) => ScanColumn,
): ExpectationRun {
  const index = columnIndex(context, context.kwargs.column, [condition, NON_NULL]);
  const scan = compileScan(context.columns[index]!, [condition]);
  const unexpected = startUnexpected(context.format);
  context.domain.statistics(index);
  return {
    take(chunk) {
      const column = chunk.column(index);
      scan(column, (place) => unexpected.add([column.values[place]!], rowAt(chunk, place)));
    },
    finish: () => columnOutcome(context, index, unexpected),
  };
}

/** The outcome of a column map expectation. */
export function columnOutcome(context: ExpectationContext, index: number, unexpected: Unexpected): Outcome {
  const { domain, format, kwargs, columns } = context;
  const totals = { elementCount: domain.rowCount, lookedAt: domain.statistics(index).nonNull, unexpected };
  const shape = { types: [columns[index]!.type], names: "value", show: resultValue } as const;
  return mapOutcome(totals, mostlyOf(kwargs), format, shape);
}

/** The metric that every column map expectation needs besides its own. */
export const NON_NULL = "column_values.nonnull.condition";

/** expect_column_values_to_be_between */
export const valuesBetween: CompileExpectation = (context) =>
  scanned(context, "column_values.between.condition", (column, metrics) => {
    const bounds = boundsOf(context.kwargs);
    const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = bounds;
    if (min > max) throw new ExpectationFault("min_value cannot be greater than max_value", metrics);
    const { kind, list } = column.type;
    if (list || kind === "string" || kind === "bytes") return refusing(column, metrics);
    if ((kind === "timestamp") !== (bounds.of === "date")) throw mismatched(column, bounds.of, metrics);
    const [isMinStrict, isMaxStrict] = [
      bounds.isMinStrict && bounds.min !== undefined,
      bounds.isMaxStrict && bounds.max !== undefined,
    ];
    return ({ count, numbers }, unexpected) => {
      for (let place = 0; place < count; place++) {
        const value = numbers![place]!;
        const isIn = (isMinStrict ? value > min : value >= min) && (isMaxStrict ? value < max : value <= max);
        if (!isIn && !Number.isNaN(value)) unexpected(place);
      }
    };
  });

/** Texts have no order with numbers and dates; that shows at the first of them. */
function refusing({ type }: TableColumn, metrics: readonly string[]): ScanColumn {
  const fault =
    type.kind === "string" && !type.list
      ? new ExpectationFault(
          "Column values, min_value, and max_value must either be None or of the same type.",
          metrics,
        )
      : notComparable(">=", type.list ? "ndarray" : "bytes", "float", metrics);
  return ({ count, values }) => {
    for (let place = 0; place < count; place++) if (values[place] !== null) throw fault;
  };
}

function mismatched({ type }: TableColumn, of: "number" | "date" | undefined, metrics: readonly string[]) {
  const dtype = type.kind === "timestamp" ? "datetime64[us, UTC]" : type.kind;
  const bound = of === "number" ? "float" : "datetime";
  return new ExpectationFault(`Invalid comparison between dtype=${dtype} and ${bound}`, metrics);
}

const inSet =
  (isExpectedIn: boolean, condition: string): CompileExpectation =>
  (context) =>
    scanned(context, condition, ({ type }) => {
      const members = membersOf(type, context.kwargs.value_set as readonly JsonValue[], !isExpectedIn);
      return ({ count, values, numbers, rounded }, unexpected) => {
        const looked = (numbers !== undefined && !rounded ? numbers : values) as ArrayLike<never>;
        for (let place = 0; place < count; place++) {
          const value = looked[place]! as FeatureValue;
          if (members.has(value as never) !== isExpectedIn && value !== null && !Number.isNaN(value)) unexpected(place);
        }
      };
    });

/** expect_column_values_to_be_in_set */
export const valuesInSet = inSet(true, "column_values.in_set.condition");

/** expect_column_values_to_not_be_in_set */
export const valuesNotInSet = inSet(false, "column_values.not_in_set.condition");

/** expect_column_values_to_be_increasing: each value against the one before it, nulls left out. */
export const valuesIncreasing: CompileExpectation = (context) =>
  scanned(context, "column_values.increasing.condition", ({ type }, metrics) => {
    const isStrict = context.kwargs.strictly === true;
    if (type.list || type.kind === "string" || type.kind === "bytes") return notSubtractable(type, metrics);
    let before: number | bigint = Number.NEGATIVE_INFINITY;
    return ({ count, numbers, values, rounded }, unexpected) => {
      for (let place = 0; place < count; place++) {
        if (Number.isNaN(numbers![place])) continue;
        const value = rounded ? exactAt(values, numbers!, place) : numbers![place]!;
        const step = stepFrom(before, value, type.kind === "bool");
        if (isStrict ? step <= 0 : step < 0) unexpected(place);
        before = value;
      }
    };
  });

/** Which way, and for doubles how far. pandas takes the difference of booleans as "differs", which is never below 0. */
function stepFrom(before: number | bigint, value: number | bigint, isBool: boolean): number {
  if (typeof before === "bigint" || typeof value === "bigint") return compareValues(value, before);
  return isBool ? Math.abs(value - before) : value - before;
}

function notSubtractable(type: FieldType, metrics: readonly string[]): ScanColumn {
  const name = pythonType(type);
  const fault = new ExpectationFault(`unsupported operand type(s) for -: '${name}' and '${name}'`, metrics);
  let seen = 0;
  return ({ count, values }) => {
    for (let place = 0; place < count; place++) if (values[place] !== null && ++seen > 1) throw fault;
  };
}

const nullness =
  (expectsNull: boolean, condition: string): CompileExpectation =>
  (context) => {
    const { domain, format, kwargs, columns } = context;
    const index = columnIndex(context, kwargs.column, [condition]);
    const unexpected = startUnexpected(format);
    const take = (chunk: DomainChunk) => {
      const column = chunk.column(index);
      for (let place = 0; place < column.count; place++) {
        if (isNullAt(column, place) !== expectsNull) unexpected.add([column.values[place]!], rowAt(chunk, place));
      }
    };
    const shape = { types: [columns[index]!.type], names: "value", show: resultValue } as const;
    const finish = () =>
      mapOutcome({ elementCount: domain.rowCount, lookedAt: undefined, unexpected }, mostlyOf(kwargs), format, shape);
    return { take, finish };
  };

/** expect_column_values_to_be_null */
export const valuesNull = nullness(true, "column_values.null.condition");

/** expect_column_values_to_not_be_null */
export const valuesNotNull = nullness(false, NON_NULL);

/** expect_column_values_to_be_unique: all copies are unexpected. */
export const valuesUnique: CompileExpectation = (context) => {
  const { domain, format, kwargs } = context;
  const metrics = ["column_values.unique.condition"];
  const index = columnIndex(context, kwargs.column, [...metrics, NON_NULL]);
  const kept = domain.kept(index, metrics);
  const statistics = domain.statistics(index);
  return {
    finish() {
      const unexpected = startUnexpected(format);
      if (kept.distinctCount() < statistics.nonNull) {
        const { ranks, rankCount } = kept.ranks();
        addRepeated(ranks, rankCount, (place) => unexpected.add([kept.valueAt(place)], domain.rowAt(place)));
      }
      return columnOutcome(context, index, unexpected);
    },
  };
};

/** Calls back with the places whose rank is there more than once; rank 0 is null and left out. */
function addRepeated(ranks: Float64Array, rankCount: number, repeated: (place: number) => void): void {
  const counts = new Uint32Array(rankCount);
  for (const rank of ranks) counts[rank]!++;
  for (let place = 0; place < ranks.length; place++) {
    const rank = ranks[place]!;
    if (rank !== 0 && counts[rank]! > 1) repeated(place);
  }
}

/** expect_column_value_z_scores_to_be_less_than: (value − mean) / sample stdev; a spread of 0 or none passes all. */
export const zScoresLess: CompileExpectation = (context) => {
  const { domain, format, kwargs, columns } = context;
  const moments = ["column.mean", "column.standard_deviation"];
  const index = columnIndex(context, kwargs.column, [...moments, NON_NULL]);
  const { kind, list } = columns[index]!.type;
  if (kind === "string" && !list) {
    throw new ExpectationFault("Cannot perform reduction 'mean' with string dtype", moments);
  }
  if (list || kind === "bytes" || kind === "timestamp") {
    const detail = "Cannot complete Z-score calculations on a non-numerical column.";
    throw new ExpectationFault(detail, ["column_values.z_score.map"]);
  }
  const kept = domain.kept(index, moments);
  const statistics = domain.statistics(index).want("sum", "spread");
  const threshold = Number(kwargs.threshold);
  const isDoubleSided = kwargs.double_sided === true;
  return {
    finish() {
      const unexpected = startUnexpected(format);
      const [mean, deviation] = [statistics.mean(), statistics.standardDeviation()];
      const values = kept.numbers();
      for (let place = 0; place < values.length && deviation !== 0; place++) {
        const score = (values[place]! - mean) / deviation;
        const isOutside = isDoubleSided ? Math.abs(score) >= Math.abs(threshold) : score >= threshold;
        if (isOutside) unexpected.add([kept.valueAt(place)], domain.rowAt(place));
      }
      return columnOutcome(context, index, unexpected);
    },
  };
};
