/** What a suite keeps of its columns: how much at most, and that it is the suite's own. */

import { describe, expect, test } from "vitest";
import { array, bytes, type FeatureValue, type FieldType, float64, int64, string } from "../../features/field.ts";
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

describe("what is kept is bounded", () => {
  const expectations = [
    ["column_median_to_be_between", { column: "x", min_value: 0 }],
    ["column_mean_to_be_between", { column: "x", min_value: 0 }],
    ["column_unique_value_count_to_be_between", { column: "s", min_value: 0 }],
  ] as const;
  const columns = { x: [float64(), [1, 2, 3]], s: [string(), ["a", "b", "c"] as FeatureValue[]] } as const;

  test("past the rows, what needs them is an exception result and the rest goes on", () => {
    const told = results(columns, expectations, { keptRowsMax: 2 });
    const messages = told.results.map(
      ({ exception_info: info }) => (info as { exception_message: string }).exception_message,
    );
    expect(messages).toEqual([expect.stringContaining("more than 2 rows"), null, expect.stringContaining("2 rows")]);
  });

  test("past the bytes of all columns together, conditions' rows among them", () => {
    const median = (column: string, more: Kwargs = {}) =>
      ["column_median_to_be_between", { column, min_value: 0, ...more }] as const;
    const two = { x: [float64(), [1, 2, 3]], y: [float64(), [1, 2, 3]] } as const;
    const room = 65_536 * 8 + 24;
    const told = results(two, [median("x"), median("y")], { keptBytesMax: room });
    expect(told.results.map(({ success }) => success).sort()).toEqual([false, true]);
    expect(JSON.stringify(told.results)).toContain(`would keep more than ${room} bytes of its columns`);
    const where = { row_condition: "x > 1", condition_parser: "pandas" };
    const unique = ["column_values_to_be_unique", { column: "x", ...where }] as const;
    expect(results(two, [unique], { keptBytesMax: room + 8 }).results[0]!.success).toBe(true);
    const mode = ["column_most_common_value_to_be_in_set", { column: "x", value_set: [1], ties_okay: true }] as const;
    expect(results(two, [mode], { keptBytesMax: room + 299 }).results[0]!.success).toBe(false);
    expect(results(two, [mode], { keptBytesMax: room + 300 }).results[0]!.success).toBe(true);
  });

  test("what was kept is given back with the column that had no room", () => {
    const columns = {
      a: [string(), Array.from({ length: 1_000 }, (_, at) => `text ${at}`)],
      b: [string(), new Array(1_000).fill("x")],
    } as const;
    const count = (column: string) =>
      ["column_unique_value_count_to_be_between", { column, max_value: 1_000 }] as const;
    const told = results(columns, [count("a"), count("b")], { keptBytesMax: 65_536 * 4 + 102 });
    expect(told.results.map(({ success }) => success)).toEqual([false, true]);
  });

  test("past the different texts", () => {
    const told = results(columns, expectations, { distinctTextsMax: 2 });
    expect(told.results.map(({ success }) => success)).toEqual([true, true, false]);
  });
});

test("bytes and lists are kept as they were, whatever becomes of the chunk", () => {
  const given = [new Uint8Array([97]), new Uint8Array([98])];
  const list = [1, 2];
  const column = { column: "x" };
  const listed = [
    ["column_most_common_value_to_be_in_set", { ...column, value_set: [], ties_okay: true }],
    ["column_max_to_be_between", column],
    ["column_values_to_be_null", column],
    ["column_values_to_be_null", { column: "l" }],
  ].map(([type, kwargs]) => ({ type: `expect_${type}`, kwargs }));
  const suite = parseSuite(JSON.stringify({ name: "s", expectations: listed, meta: {} }), "s.json");
  const columns = [
    { name: "x", type: bytes() },
    { name: "l", type: array(int64()) },
  ];
  const run = startSuite(suite, columns, RUN);
  run.take({ rowCount: 2, columns: [given, [list, null]] });
  for (const one of given) one[0] = 122;
  list[0] = 9;
  const told = run
    .finish()
    .results.map(({ result: { observed_value: value, partial_unexpected_list: some } }) => value ?? some);
  expect(told).toEqual([["b'a'", "b'b'"], "b'b'", ["b'a'", "b'b'"], [[1, 2]]]);
});
