/**
 * Expectations on one number of a column: min, max, mean, median, sum, stdev, shares and counts. Nulls are skipped; of
 * nothing there is no mean, which fails, while its sum is 0.
 */

import type { FeatureValue, FieldType } from "../../features/field.ts";
import type { JsonValue } from "../../features/json-value.ts";
import { boundsOf, isWithin } from "./bounds.ts";
import { ExpectationFault, notComparable, pythonType } from "./expectation-fault.ts";
import { type CompileExpectation, columnIndex, type ExpectationContext } from "./expectation-run.ts";
import { resultValue } from "./python-text.ts";
import { aggregateOutcome, type Outcome } from "./result-format.ts";
import { isNumeric } from "./table-chunk.ts";

/** Looks at the observed value; a null one fails whatever the bounds are, but NaT, which is no null there. */
function between(context: ExpectationContext, type: FieldType, observed: FeatureValue): Outcome {
  const { kwargs, format } = context;
  const bounds = boundsOf(kwargs);
  const isNull = observed === null || Number.isNaN(observed);
  const isDate = type.kind === "timestamp" && !type.list;
  if (isNull && !isDate) return aggregateOutcome(false, { observed_value: null }, format);
  if (bounds.of !== undefined && !(isNumeric(type) && isDate === (bounds.of === "date"))) {
    const operator = bounds.min === undefined ? "<=" : ">=";
    const name = isNull ? "NaTType" : pythonType(type);
    throw notComparable(operator, name, bounds.of === "date" ? "datetime.datetime" : "float");
  }
  const success = bounds.of === undefined || (!isNull && isWithin(bounds, Number(observed)));
  return aggregateOutcome(success, { observed_value: resultValue(type, observed) }, format);
}

const FLOAT: FieldType = Object.freeze({ kind: "float64", list: false });

/** expect_column_min_to_be_between and expect_column_max_to_be_between */
const extreme =
  (which: "least" | "greatest", metric: string): CompileExpectation =>
  (context) => {
    const index = columnIndex(context, context.kwargs.column, [metric]);
    const { type } = context.columns[index]!;
    if (type.list) throw new ExpectationFault("Lists have no order.", [metric]);
    const statistics = context.domain.statistics(index).want("range");
    return { finish: () => between(context, type, statistics.range()[which]) };
  };

/** expect_column_min_to_be_between */
export const minBetween = extreme("least", "column.min");

/** expect_column_max_to_be_between */
export const maxBetween = extreme("greatest", "column.max");

/** What pandas can't do of a column, in its words; undefined where it can. */
function reductionFault({ kind, list }: FieldType, name: string, metric: string): ExpectationFault | undefined {
  if (kind === "string" && !list) {
    return new ExpectationFault(`Cannot perform reduction '${name}' with string dtype`, [metric]);
  }
  if (kind === "bytes" || list) return new ExpectationFault(`The ${name} is of numbers only.`, [metric]);
  return undefined;
}

/** A mean or median of timestamps is one; of the rest it is a float. */
const resultType = (type: FieldType) => (type.kind === "timestamp" ? type : FLOAT);

const rounded = (type: FieldType, value: number) =>
  type.kind === "timestamp" && !Number.isNaN(value) ? Math.trunc(value) : value;

/** expect_column_mean_to_be_between */
export const meanBetween: CompileExpectation = (context) => {
  const index = columnIndex(context, context.kwargs.column, ["column.mean"]);
  const { type } = context.columns[index]!;
  const fault = reductionFault(type, "mean", "column.mean");
  if (fault !== undefined) throw fault;
  const statistics = context.domain.statistics(index).want("sum");
  return { finish: () => between(context, resultType(type), rounded(type, statistics.mean())) };
};

/** expect_column_median_to_be_between: the mean of the middle two. */
export const medianBetween: CompileExpectation = (context) => {
  const index = columnIndex(context, context.kwargs.column, ["column.median"]);
  const { type } = context.columns[index]!;
  const fault = reductionFault(type, "median", "column.median");
  if (fault !== undefined) throw fault;
  const kept = context.domain.kept(index, ["column.median"]);
  return { finish: () => between(context, resultType(type), rounded(type, medianOf(kept.sorted()))) };
};

function medianOf(sorted: Float64Array): number {
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return Number.NaN;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** expect_column_sum_to_be_between: 0 of nothing. */
export const sumBetween: CompileExpectation = (context) => {
  const index = columnIndex(context, context.kwargs.column, ["column.sum"]);
  const { type } = context.columns[index]!;
  // pandas joins texts to one long text, which then has no order with a number.
  if (type.kind === "string" && !type.list) throw notComparable(">=", "str", "float");
  if (type.kind === "timestamp" && !type.list) {
    const detail = "'DatetimeArray' with dtype datetime64[us, UTC] does not support operation 'sum'";
    throw new ExpectationFault(detail, ["column.sum"]);
  }
  const fault = reductionFault(type, "sum", "column.sum");
  if (fault !== undefined) throw fault;
  const statistics = context.domain.statistics(index).want("sum");
  return { finish: () => between(context, FLOAT, statistics.sum()) };
};

/** expect_column_stdev_to_be_between: of the sample, n − 1. */
export const stdevBetween: CompileExpectation = (context) => {
  const metric = "column.standard_deviation";
  const index = columnIndex(context, context.kwargs.column, [metric]);
  const { type } = context.columns[index]!;
  const fault = reductionFault(type, "std", metric);
  if (fault !== undefined) throw fault;
  if (type.kind === "timestamp") throw notComparable(">=", "Timedelta", "float");
  const statistics = context.domain.statistics(index).want("spread");
  return { finish: () => between(context, FLOAT, statistics.standardDeviation()) };
};

/** expect_column_proportion_of_non_null_values_to_be_between */
export const nonNullShareBetween: CompileExpectation = (context) => {
  const { domain } = context;
  const index = columnIndex(context, context.kwargs.column, ["column.non_null_count"]);
  const statistics = domain.statistics(index);
  const share = () => (domain.rowCount === 0 ? 0 : statistics.nonNull / domain.rowCount);
  return { finish: () => between(context, FLOAT, share()) };
};

/** expect_column_unique_value_count_to_be_between */
export const uniqueCountBetween: CompileExpectation = (context) => {
  const metrics = ["column.distinct_values.count"];
  const index = columnIndex(context, context.kwargs.column, metrics);
  const kept = context.domain.kept(index, metrics);
  return { finish: () => between(context, FLOAT, kept.distinctCount()) };
};

/** expect_column_proportion_of_unique_values_to_be_between: nulls are left out of both. */
export const uniqueShareBetween: CompileExpectation = (context) => {
  const { domain } = context;
  const metrics = ["column.distinct_values.count"];
  const index = columnIndex(context, context.kwargs.column, [...metrics, "column_values.nonnull.condition"]);
  const kept = domain.kept(index, metrics);
  const statistics = domain.statistics(index);
  const share = () => (statistics.nonNull === 0 ? 0 : kept.distinctCount() / statistics.nonNull);
  return { finish: () => between(context, FLOAT, share()) };
};

/** A count of the table against its bounds. */
export function countOutcome(context: ExpectationContext, count: number): Outcome {
  return between(context, FLOAT, count);
}

/** A count of the table against `value`. */
export function equalCountOutcome({ kwargs, format }: ExpectationContext, count: JsonValue): Outcome {
  return aggregateOutcome(count === kwargs.value, { observed_value: count }, format);
}
