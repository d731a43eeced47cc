import fc from "fast-check";
import { expect, test } from "vitest";
import { bool, float64, int64, string } from "../../features/field.ts";
import type { JsonValue } from "../../features/json-value.ts";
import type { ResultFormat } from "./result-format.ts";
import { parseSuite } from "./suite.ts";
import { startSuite } from "./suite-run.ts";
import type { TableColumn } from "./table-chunk.ts";

interface Row {
  readonly a: number | bigint | null;
  readonly x: number | null;
  readonly s: string | null;
  readonly b: boolean | null;
}

const COLUMNS: readonly TableColumn[] = [
  { name: "a", type: int64() },
  { name: "x", type: float64() },
  { name: "s", type: string() },
  { name: "b", type: bool() },
];

const ROW: fc.Arbitrary<Row> = fc.record({
  a: fc.option(fc.oneof(fc.integer({ min: -3, max: 3 }), fc.constantFrom(2n ** 53n + 1n, 2n ** 53n + 3n))),
  x: fc.option(fc.oneof(fc.constantFrom(0, -0, 1.5, Number.NaN), fc.double({ min: -1e6, max: 1e6, noNaN: true }))),
  s: fc.option(fc.constantFrom("", "a", "b", "ab", "é", "😀")),
  b: fc.option(fc.boolean()),
});
const ROWS = fc.array(ROW, { maxLength: 40 });

const on = (type: string, kwargs: Record<string, JsonValue>) => ({ type: `expect_${type}`, kwargs, meta: {} });
const POSITIVE = { row_condition: "x > 0 or s == 'a'", condition_parser: "pandas" };
const EXPECTATIONS = [
  on("table_row_count_to_equal", { value: 7 }),
  on("column_values_to_not_be_null", { column: "s" }),
  on("column_values_to_be_between", { column: "x", min_value: 0, max_value: 1000, strict_min: true }),
  on("column_values_to_be_unique", { column: "a" }),
  on("column_values_to_be_unique", { column: "s", ...POSITIVE }),
  on("column_values_to_be_increasing", { column: "x" }),
  on("column_values_to_match_regex", { column: "a", regex: "^[12]$" }),
  on("column_value_lengths_to_equal", { column: "s", value: 1 }),
  on("column_value_z_scores_to_be_less_than", { column: "x", threshold: 1, double_sided: true }),
  on("column_values_to_be_in_set", { column: "a", value_set: [1, 2, 3] }),
  on("column_mean_to_be_between", { column: "x", min_value: 0 }),
  on("column_sum_to_be_between", { column: "a", min_value: 0, ...POSITIVE }),
  on("column_stdev_to_be_between", { column: "x", min_value: 0 }),
  on("column_median_to_be_between", { column: "x", min_value: 0 }),
  on("column_min_to_be_between", { column: "a", min_value: 0 }),
  on("column_unique_value_count_to_be_between", { column: "a", min_value: 2 }),
  on("column_distinct_values_to_be_in_set", { column: "s", value_set: ["a", "b"] }),
  on("column_most_common_value_to_be_in_set", { column: "a", value_set: [1] }),
  on("column_quantile_values_to_be_between", {
    column: "x",
    quantile_ranges: {
      quantiles: [0, 0.3, 1],
      value_ranges: [
        [null, null],
        [0, 1],
        [null, 5],
      ],
    },
  }),
  on("column_kl_divergence_to_be_less_than", {
    column: "x",
    partition_object: { bins: [-10, 0, 10], weights: [0.5, 0.5] },
    threshold: 1,
    tail_weight_holdout: 0.1,
  }),
  on("column_values_to_be_of_type", { column: "b", type_: "bool" }),
  on("column_pair_values_to_be_equal", { column_A: "a", column_B: "x" }),
  on("compound_columns_to_be_unique", { column_list: ["a", "s"] }),
  on("select_column_values_to_be_unique_within_record", { column_list: ["a", "x", "b"], ...POSITIVE }),
  on("multicolumn_sum_to_equal", { column_list: ["a", "x"], sum_total: 1 }),
];
const SUITE = parseSuite(JSON.stringify({ name: "s", expectations: EXPECTATIONS, meta: {} }), "s.json");

function run(rows: readonly Row[], sizes: readonly number[], resultFormat: ResultFormat) {
  const started = startSuite(SUITE, COLUMNS, { resultFormat, runTime: "2026-11-23T00:00:00Z" });
  let at = 0;
  for (const size of [...sizes, rows.length]) {
    const part = rows.slice(at, at + size);
    started.take({
      rowCount: part.length,
      columns: COLUMNS.map(({ name }) => part.map((row) => row[name as keyof Row])),
    });
    at += part.length;
  }
  return started.finish();
}

test("any chunking of the rows gives the same result, to the last bit", () => {
  const format = fc.constantFrom<ResultFormat>("BASIC", "SUMMARY", "COMPLETE");
  fc.assert(
    fc.property(
      ROWS,
      fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 8 }),
      format,
      (rows, sizes, resultFormat) => {
        expect(run(rows, sizes, resultFormat)).toEqual(run(rows, [], resultFormat));
      },
    ),
    { numRuns: 120 },
  );
});

/** Obvious code over whole columns: what is unexpected, by the row's number, or what is observed. */
const isNull = (value: unknown) => value === null || Number.isNaN(value);
const present = <Value>(values: readonly Value[]) => values.filter((value) => !isNull(value));
const passes = ({ x, s }: Row) => (x !== null && x > 0) || s === "a";
const copies = (values: readonly unknown[], value: unknown) => values.filter((one) => Object.is(one, value)).length;

function unexpectedRows(rows: readonly Row[], isExpected: (row: Row, at: number) => boolean): readonly number[] {
  return rows.flatMap((row, at) => (isExpected(row, at) ? [] : [at]));
}

function oracle(rows: readonly Row[]): Readonly<Record<number, unknown>> {
  const a = rows.map((row) => row.a);
  const x = present(rows.map((row) => row.x)) as number[];
  const sorted = [...x].sort((one, other) => one - other);
  const middle = (sorted[Math.floor((x.length - 1) / 2)]! + sorted[Math.floor(x.length / 2)]!) / 2;
  const conditioned = rows.filter(passes);
  const before = (at: number) => present(rows.slice(0, at).map((row) => row.x)).at(-1);
  const integers = present(a) as (number | bigint)[];
  const keys = rows.map((row) => JSON.stringify([String(row.a), row.s]));
  return {
    1: unexpectedRows(rows, (row) => row.s !== null),
    2: unexpectedRows(rows, (row) => isNull(row.x) || (row.x! > 0 && row.x! <= 1000)),
    3: unexpectedRows(rows, (row) => row.a === null || copies(a, row.a) === 1),
    4: unexpectedRows(
      rows,
      (row) =>
        !passes(row) ||
        row.s === null ||
        copies(
          conditioned.map((one) => one.s),
          row.s,
        ) === 1,
    ),
    5: unexpectedRows(rows, (row, at) => isNull(row.x) || before(at) === undefined || row.x! >= before(at)!),
    7: unexpectedRows(rows, (row) => row.s === null || [...row.s].length === 1),
    9: unexpectedRows(rows, (row) => row.a === null || [1, 2, 3].includes(Number(row.a))),
    13: x.length === 0 ? null : middle + 0,
    15: new Set(integers).size,
    21: unexpectedRows(rows, (row) => (row.a === null && isNull(row.x)) || row.a === row.x),
    22: unexpectedRows(rows, (row, at) => (row.a === null && row.s === null) || copies(keys, keys[at]) === 1),
    24: unexpectedRows(
      rows,
      (row) => (row.a === null && isNull(row.x)) || Number(row.a ?? Number.NaN) + (row.x ?? Number.NaN) === 1,
    ),
  };
}

test("the result is what obvious code over the whole table says", () => {
  fc.assert(
    fc.property(ROWS, fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 8 }), (rows, sizes) => {
      const { results } = run(rows, sizes, "COMPLETE");
      const found = (place: number) => {
        const { type, kwargs } = SUITE.expectations[place]!;
        const { result } = results.find(({ expectation_config: config }) => {
          const { batch_id, ...own } = config.kwargs;
          return config.type === type && JSON.stringify(own) === JSON.stringify(kwargs);
        })!;
        return result.unexpected_index_list ?? result.observed_value;
      };
      for (const [place, told] of Object.entries(oracle(rows))) {
        expect([place, found(Number(place))]).toEqual([place, told]);
      }
    }),
    { numRuns: 300 },
  );
});
