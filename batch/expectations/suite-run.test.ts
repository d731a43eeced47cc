import { describe, expect, test } from "vitest";
import { array, bool, type FeatureValue, type FieldType, float64, int64, timestamp } from "../../features/field.ts";
import type { JsonValue } from "../../features/json-value.ts";
import { parseSuite } from "./suite.ts";
import { type SuiteRunOptions, startSuite } from "./suite-run.ts";
import type { ColumnValues } from "./table-chunk.ts";

const RUN = { runTime: "2026-11-23T00:00:00Z" };
type Kwargs = Record<string, JsonValue>;

function results(
  columns: Readonly<Record<string, readonly [FieldType, ColumnValues]>>,
  expectations: readonly (readonly [string, Kwargs])[],
  options: Partial<SuiteRunOptions> = {},
) {
  const listed = expectations.map(([type, kwargs]) => ({ type: `expect_${type}`, kwargs, meta: {} }));
  const suite = parseSuite(JSON.stringify({ name: "s", expectations: listed, meta: {} }), "s.json");
  const named = Object.entries(columns).map(([name, [type]]) => ({ name, type }));
  const run = startSuite(suite, named, { ...RUN, ...options });
  const values = Object.values(columns).map(([, column]) => column);
  run.take({ rowCount: values[0]!.length, columns: values });
  return run.finish();
}

function result(type: string, kwargs: Kwargs, values: ColumnValues, of: FieldType = float64()) {
  return results({ x: [of, values] }, [[type, { column: "x", ...kwargs }]]).results[0]!;
}

describe("semantics that trip", () => {
  test("a null and a NaN are the same, and are not looked at", () => {
    const { success, result: told } = result("column_values_to_be_between", { min_value: 1 }, [1, null, Number.NaN, 2]);
    expect(success).toBe(true);
    expect(told).toMatchObject({ element_count: 4, missing_count: 2, unexpected_count: 0 });
  });

  test("a percentage is a / b * 100 in that order", () => {
    const values = Array.from({ length: 200 }, (_, at) => (at < 29 ? 0 : 1));
    const { result: told } = result("column_values_to_be_in_set", { value_set: [1] }, values);
    expect(told.unexpected_percent).toBe(14.499999999999998);
  });

  test("mostly is met at its edge", () => {
    const values = Array.from({ length: 200 }, (_, at) => (at < 29 ? 0 : 1));
    const at = (mostly: number) => result("column_values_to_be_in_set", { value_set: [1], mostly }, values).success;
    expect([at(0.855), at(0.8550001)]).toEqual([true, false]);
  });

  test("of nothing there is no mean, while the sum is 0", () => {
    expect(result("column_mean_to_be_between", {}, [null])).toMatchObject({
      success: false,
      result: { observed_value: null },
    });
    expect(result("column_sum_to_be_between", {}, [null])).toMatchObject({
      success: true,
      result: { observed_value: 0 },
    });
  });

  test("one row has no stdev, two have the sample's", () => {
    expect(result("column_stdev_to_be_between", { min_value: 0 }, [3]).result).toEqual({ observed_value: null });
    expect(result("column_stdev_to_be_between", { min_value: 0 }, [1, 3]).result).toEqual({
      observed_value: Math.SQRT2,
    });
  });

  test("the quantile .5 is the nearest value, a half to the even place", () => {
    const quantile = (values: number[]) => {
      const ranges = { quantiles: [0.5], value_ranges: [[null, null]] };
      return result("column_quantile_values_to_be_between", { quantile_ranges: ranges }, values).result;
    };
    expect(quantile([1, 2, 3, 4])).toMatchObject({ observed_value: { values: [3] } });
    expect(quantile([1, 2, 3, 4, 5, 6])).toMatchObject({ observed_value: { values: [3] } });
  });

  test("an infinite divergence is null and fails, but not without a threshold", () => {
    const partition = { partition_object: { bins: [0, 1], weights: [1] } };
    const limited = result("column_kl_divergence_to_be_less_than", { ...partition, threshold: 9 }, [0.5, 2]);
    expect(limited).toMatchObject({ success: false, result: { observed_value: null } });
    expect(result("column_kl_divergence_to_be_less_than", partition, [0.5, 2]).success).toBe(true);
  });

  test("integers past 2^53 are exact", () => {
    const values = [2n ** 53n + 1n, 2 ** 53 - 1, 2n ** 53n + 1n, 2n ** 53n + 3n];
    const { result: told } = result("column_values_to_be_unique", {}, values, int64());
    expect(told.partial_unexpected_list).toEqual([2n ** 53n + 1n, 2n ** 53n + 1n]);
    const sum = result("column_sum_to_be_between", {}, values, int64());
    expect(sum.result).toEqual({ observed_value: 4n * 2n ** 53n + 4n });
  });

  test("integers past 2^53 increase by what they are", () => {
    const increasing = (values: readonly bigint[], strictly = false) =>
      result("column_values_to_be_increasing", { strictly }, values, int64()).success;
    const past = 2n ** 53n;
    expect(increasing([past + 1n, past + 2n, past + 3n], true)).toBe(true);
    expect(increasing([past + 1n, past])).toBe(false);
    expect(increasing([-(2n ** 62n), 2n ** 62n, 2n ** 62n + 1n], true)).toBe(true);
    expect(increasing([past + 1n, past + 1n], true)).toBe(false);
  });

  test("sums of integers over columns are exact", () => {
    const columns = {
      a: [int64(), [2n ** 53n + 1n, 2 ** 53 - 1, 2 ** 53 - 1, null, 3]],
      b: [int64(), [-(2n ** 53n), 2, -(2 ** 53 - 2), 1, -2]],
    } as const;
    const sum = (sum_total: JsonValue) =>
      results(columns, [["multicolumn_sum_to_equal", { column_list: ["a", "b"], sum_total }]]).results[0]!.result;
    expect(sum(1)).toMatchObject({ partial_unexpected_index_list: [1, 3] });
  });

  test("a column's own bins are bounded, and infinities have none", () => {
    const own = (values: number[]) => result("column_kl_divergence_to_be_less_than", {}, values);
    const near = Array.from({ length: 1_000 }, (_, at) => at / 1_000);
    for (const far of [2e5, 1e300]) {
      const told = own([...near, far]);
      expect(JSON.stringify(told.exception_info)).toContain("10000 are the most. Give a partition_object.");
    }
    for (const values of [
      [1, 2, 3, Number.POSITIVE_INFINITY],
      [Number.NEGATIVE_INFINITY, 1, Number.POSITIVE_INFINITY],
    ])
      expect(own(values)).toMatchObject({ success: false, result: {} });
    expect(own([Number.NaN]).success).toBe(true);
  });

  test("a partition's tails are two or none", () => {
    const partition = { bins: [0, 1], weights: [1] };
    const told = (tail_weights: number[]) =>
      result("column_kl_divergence_to_be_less_than", { partition_object: { ...partition, tail_weights } }, [0.5]);
    expect(JSON.stringify(told([]).exception_info)).toContain("Invalid partition_object provided");
    expect(told([0, 0]).result).toMatchObject({ observed_value: 0 });
  });

  test("a condition on a boolean column with a null is the fault of all who look through it", () => {
    const condition = { row_condition: "b", condition_parser: "pandas" };
    const told = results({ b: [bool(), [true, null]] }, [
      ["table_row_count_to_equal", { value: 1, ...condition }],
      ["column_values_to_be_null", { column: "b", ...condition }],
      ["table_row_count_to_equal", { value: 2 }],
    ]).results;
    expect(told.map(({ success }) => success)).toEqual([false, false, true]);
    expect(JSON.stringify(told[0]!.exception_info)).toContain("it has a null");
  });

  test("z-scores: a spread of 0 passes all", () => {
    const kwargs = { threshold: 0.1, double_sided: true };
    expect(result("column_value_z_scores_to_be_less_than", kwargs, [2, 2, 2]).success).toBe(true);
  });

  test("the index list counts rows of the table, also under a row condition", () => {
    const kwargs = { value_set: [1], row_condition: "x > 2", condition_parser: "pandas" };
    const { result: told } = result("column_values_to_be_in_set", kwargs, [1, 3, 1, 4]);
    expect(told).toMatchObject({ element_count: 2, partial_unexpected_index_list: [1, 3] });
  });

  test("a date without a zone is UTC", () => {
    const at = Date.UTC(2026, 0, 1) * 1_000;
    const bounds = { min_value: "2026-01-01", max_value: "2026-01-01T00:00:00" };
    expect(result("column_values_to_be_between", bounds, [at, at - 1], timestamp()).result).toMatchObject({
      partial_unexpected_list: ["2025-12-31T23:59:59.999999+00:00"],
    });
  });
});

test("results that raised come first, then by column in order of first appearance", () => {
  const told = results({ a: [int64(), [1]], b: [int64(), [1]] }, [
    ["column_values_to_be_unique", { column: "b" }],
    ["table_row_count_to_equal", { value: 1 }],
    ["column_values_to_be_unique", { column: "a" }],
    ["column_values_to_be_null", { column: "b" }],
    ["column_values_to_be_null", { column: "nobody" }],
    ["table_column_count_to_equal", { value: 2 }],
  ]);
  const order = told.results.map(({ expectation_config: { type, kwargs } }) => `${type} ${kwargs.column ?? ""}`.trim());
  expect(order).toEqual([
    "expect_column_values_to_be_null nobody",
    "expect_column_values_to_be_unique b",
    "expect_column_values_to_be_null b",
    "expect_table_row_count_to_equal",
    "expect_table_column_count_to_equal",
    "expect_column_values_to_be_unique a",
  ]);
  expect(told.statistics).toEqual({
    evaluated_expectations: 6,
    successful_expectations: 4,
    unsuccessful_expectations: 2,
    success_percent: (4 / 6) * 100,
  });
});

test("time, ids and names are the caller's", () => {
  const names = { runName: "nightly", validationId: "v1", datasourceName: "churn", assetName: "customer_30d" };
  const { meta, results: told } = results({ a: [int64(), [1]] }, [["column_to_exist", { column: "a" }]], names);
  expect(meta).toMatchObject({
    validation_id: "v1",
    run_id: { run_name: "nightly", run_time: RUN.runTime },
    active_batch_definition: { datasource_name: "churn", data_asset_name: "customer_30d" },
  });
  expect(told[0]!.expectation_config.kwargs.batch_id).toBe("churn-customer_30d");
});

test("a suite without expectations and without rows succeeds", () => {
  const told = results({ a: [int64(), []] }, []);
  expect(told).toMatchObject({ success: true, statistics: { success_percent: null } });
});

test("typed arrays are taken as they are", () => {
  const columns = {
    x: [float64(), Float64Array.of(1, Number.NaN)],
    n: [int64(), BigInt64Array.of(1n, 2n ** 60n)],
  } as const;
  const told = results(columns, [
    ["column_values_to_be_null", { column: "x" }],
    ["column_max_to_be_between", { column: "n" }],
  ]);
  expect(told.results[0]!.result).toMatchObject({ partial_unexpected_list: [1] });
  expect(told.results[1]!.result).toEqual({ observed_value: 2n ** 60n });
});

test("lists have no distinct values", () => {
  const told = result("column_values_to_be_unique", {}, [[1], [1]] as FeatureValue[], array(int64()));
  expect(told).toMatchObject({ success: false, result: {} });
  expect(JSON.stringify(told.exception_info)).toContain("unhashable type");
});
