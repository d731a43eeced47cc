/**
 * The kwargs of each type of expectation: which there are, which must be there, what they may be. They are Great
 * Expectations 1.24's, which refuses the same ones when a suite is loaded.
 */

import { z } from "zod";
import { parseTimestampValueUs } from "../../features/timestamp.ts";

const number = z.union([z.number(), z.bigint()]);
const share = z.number().min(0).max(1);
const flag = z.boolean().nullish();
const whole = z.union([z.int(), z.bigint()]);
const scalar = z.union([z.null(), z.number(), z.bigint(), z.string(), z.boolean()]);
const date = z.string().refine((text) => parseTimestampValueUs(text) !== undefined, {
  error: "must be a number, or a date like 2026-11-23T00:00:00Z",
});
const bound = z.union([number, date]).nullish();
const name = z.string().min(1);
const names = z.array(name).min(1);
const valueSet = z.array(scalar);

const condition: z.ZodType = z.lazy(() =>
  z.discriminatedUnion("type", [
    z.object({ type: z.literal("pass_through"), pass_through_filter: z.string() }),
    z.object({ type: z.literal("nullity"), column: z.object({ name }), is_null: z.boolean() }),
    z.object({
      type: z.literal("comparison"),
      column: z.object({ name }),
      operator: z.enum(["==", "!=", "<", "<=", ">", ">=", "IN", "NOT_IN"]),
      parameter: z.union([z.number(), z.bigint(), z.string(), z.boolean(), z.array(scalar)]),
    }),
    z.object({ type: z.enum(["and", "or"]), conditions: z.array(condition).min(1) }),
  ]),
);

/** Legal everywhere and without effect here: what raises is always an exception result. */
const anywhere = { batch_id: z.string().nullish(), catch_exceptions: flag, result_format: z.unknown().optional() };
const rows = {
  row_condition: z.union([z.string().min(1), condition]).nullish(),
  condition_parser: z.enum(["pandas", "great_expectations", "great_expectations__experimental__", "spark"]).nullish(),
};
const bounds = { min_value: bound, max_value: bound, strict_min: flag, strict_max: flag };
const counts = { min_value: whole.nullish(), max_value: whole.nullish(), strict_min: flag, strict_max: flag };
const numbers = { min_value: number.nullish(), max_value: number.nullish(), strict_min: flag, strict_max: flag };

type Shape = Readonly<Record<string, z.ZodType>>;
const table = (shape: Shape) => z.strictObject({ ...anywhere, ...shape });
const aggregate = (shape: Shape) => z.strictObject({ ...anywhere, ...rows, column: name, ...shape });
const map = (shape: Shape) => aggregate({ mostly: share.nullish(), ...shape });
const rowWise = (shape: Shape) => z.strictObject({ ...anywhere, ...rows, mostly: share.nullish(), ...shape });
const pair = (shape: Shape) =>
  rowWise({
    column_A: name,
    column_B: name,
    ignore_row_if: z.enum(["both_values_are_missing", "either_value_is_missing", "neither"]).nullish(),
    ...shape,
  });
const columns = (shape: Shape) =>
  rowWise({
    column_list: names,
    ignore_row_if: z.enum(["all_values_are_missing", "any_value_is_missing", "never"]).nullish(),
    ...shape,
  });

const bounded = <Schema extends z.ZodType>(schema: Schema) =>
  schema.refine(
    (kwargs) => {
      const { min_value: min = null, max_value: max = null } = kwargs as { min_value?: unknown; max_value?: unknown };
      return min !== null || max !== null;
    },
    { error: "needs min_value, max_value or both" },
  );

const quantileRanges = z
  .object({ quantiles: z.array(share), value_ranges: z.array(z.tuple([number.nullable(), number.nullable()])) })
  .refine(({ quantiles, value_ranges }) => quantiles.length === value_ranges.length, {
    error: "needs as many value_ranges as quantiles",
  });

const partition = z.object({
  bins: z.array(z.number()).optional(),
  values: z.array(scalar).optional(),
  weights: z.array(z.number()).optional(),
  tail_weights: z.array(z.number()).optional(),
});

/** The kwargs by type of expectation. */
export const KWARGS = Object.freeze({
  expect_table_row_count_to_be_between: table({ ...rows, ...counts }),
  expect_table_row_count_to_equal: table({ ...rows, value: whole }),
  expect_table_column_count_to_be_between: table(counts),
  expect_table_column_count_to_equal: table({ value: whole }),
  expect_table_columns_to_match_ordered_list: table({ column_list: z.array(z.string()).nullish() }),
  expect_table_columns_to_match_set: table({ column_set: z.array(z.string()).nullish(), exact_match: flag }),
  expect_column_to_exist: z.strictObject({ ...anywhere, column: name, column_index: z.int().nullish() }),
  expect_column_values_to_be_between: bounded(map(bounds)),
  expect_column_values_to_be_in_set: map({ value_set: valueSet }),
  expect_column_values_to_not_be_in_set: map({ value_set: valueSet }),
  expect_column_values_to_be_null: map({}),
  expect_column_values_to_not_be_null: map({}),
  expect_column_values_to_be_unique: map({}),
  expect_column_values_to_be_increasing: map({ strictly: flag }),
  expect_column_values_to_be_of_type: map({ type_: z.string() }),
  expect_column_values_to_be_in_type_list: map({ type_list: z.array(z.string()) }),
  expect_column_values_to_match_regex: map({ regex: z.string().optional() }),
  expect_column_values_to_not_match_regex: map({ regex: z.string() }),
  expect_column_values_to_match_regex_list: map({
    regex_list: z.array(z.string()).min(1),
    match_on: z.enum(["any", "all"]).nullish(),
  }),
  expect_column_value_lengths_to_be_between: bounded(map(counts)),
  expect_column_value_lengths_to_equal: map({ value: number }),
  expect_column_value_z_scores_to_be_less_than: map({ threshold: number, double_sided: z.boolean() }),
  expect_column_min_to_be_between: aggregate(bounds),
  expect_column_max_to_be_between: aggregate(bounds),
  expect_column_mean_to_be_between: aggregate(bounds),
  expect_column_median_to_be_between: aggregate(bounds),
  expect_column_sum_to_be_between: aggregate(bounds),
  expect_column_stdev_to_be_between: aggregate(numbers),
  expect_column_unique_value_count_to_be_between: aggregate(counts),
  expect_column_proportion_of_unique_values_to_be_between: aggregate(numbers),
  expect_column_proportion_of_non_null_values_to_be_between: aggregate(numbers),
  expect_column_distinct_values_to_be_in_set: aggregate({ value_set: valueSet.min(1) }),
  expect_column_distinct_values_to_contain_set: aggregate({ value_set: valueSet }),
  expect_column_distinct_values_to_equal_set: aggregate({ value_set: valueSet }),
  expect_column_most_common_value_to_be_in_set: aggregate({ value_set: valueSet, ties_okay: flag }),
  expect_column_quantile_values_to_be_between: aggregate({
    quantile_ranges: quantileRanges,
    allow_relative_error: z.union([z.boolean(), z.string()]).nullish(),
  }),
  expect_column_kl_divergence_to_be_less_than: aggregate({
    ...bounds,
    partition_object: partition.nullish(),
    threshold: number.nullish(),
    tail_weight_holdout: share.nullish(),
    internal_weight_holdout: share.nullish(),
    bucketize_data: flag,
  }),
  expect_column_pair_values_to_be_equal: pair({}),
  expect_column_pair_values_a_to_be_greater_than_b: pair({ or_equal: flag }),
  expect_column_pair_values_to_be_in_set: pair({ value_pairs_set: z.array(z.tuple([scalar, scalar])) }),
  expect_compound_columns_to_be_unique: columns({}),
  expect_multicolumn_sum_to_equal: columns({ sum_total: number }),
  expect_select_column_values_to_be_unique_within_record: columns({}),
} satisfies Record<string, z.ZodType>);

/** A type of expectation that can be run. */
export type ExpectationType = keyof typeof KWARGS;

/** What a kwarg is when it isn't given; Great Expectations leaves these out of suites and results. */
const DEFAULTS: Readonly<Record<string, readonly unknown[]>> = {
  mostly: [1],
  strict_min: [false],
  strict_max: [false],
  exact_match: [true],
  match_on: ["any"],
  ignore_row_if: ["both_values_are_missing", "all_values_are_missing"],
  bucketize_data: [true],
  tail_weight_holdout: [0],
  internal_weight_holdout: [0],
  allow_relative_error: [false],
};

/** What is left out of the kwargs everywhere: it is about another run. */
const NOT_KEPT = new Set(["batch_id", "catch_exceptions", "result_format"]);

/** The kwargs without those that say nothing. */
export function withoutDefaults<Value>(kwargs: Readonly<Record<string, Value>>): Readonly<Record<string, Value>> {
  const said = Object.entries(kwargs).filter(
    ([key, value]) => value !== null && !NOT_KEPT.has(key) && !DEFAULTS[key]?.includes(value),
  );
  return Object.freeze(Object.fromEntries(said));
}

/** The first thing that is wrong with the kwargs of a type, as a sentence without its subject; undefined when nothing is. */
export function wrongKwarg(type: ExpectationType, kwargs: unknown): string | undefined {
  if (isTooDeep(kwargs, NESTED_MAX)) return `kwargs: nested more than ${NESTED_MAX} deep`;
  const checked = KWARGS[type].safeParse(kwargs);
  if (checked.success) return undefined;
  const issue = checked.error.issues[0]!;
  const path = issue.path.length === 0 ? "kwargs" : `kwargs.${issue.path.join(".")}`;
  return `${path}: ${issue.message}`;
}

/** How deep kwargs may be nested: a row condition of 100 levels, two each, and what is around it. */
const NESTED_MAX = 220;

function isTooDeep(value: unknown, most: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return most === 0 || Object.values(value).some((one) => isTooDeep(one, most - 1));
}
