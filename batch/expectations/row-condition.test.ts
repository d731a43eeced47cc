import { describe, expect, test } from "vitest";
import { bool, type FeatureValue, float64, int64, string, timestamp } from "../../features/field.ts";
import type { JsonValue } from "../../features/json-value.ts";
import { compileCondition } from "./condition-marks.ts";
import { parseCondition } from "./row-condition.ts";
import { domainOf, type TableColumn } from "./table-chunk.ts";

const COLUMNS: readonly TableColumn[] = [
  { name: "age", type: int64() },
  { name: "home country", type: string() },
  { name: "flag", type: bool() },
  { name: "at", type: timestamp() },
  { name: "share", type: float64() },
];
const VALUES: readonly (readonly FeatureValue[])[] = [
  [10, 20, null, 2n ** 53n + 1n],
  ["CH", null, "DE", "C'H"],
  [true, false, null, true],
  [Date.UTC(2026, 0, 1) * 1_000, null, Date.UTC(2026, 5, 1) * 1_000, 0],
  [0.5, Number.NaN, -1, 10],
];

function rowsOf(condition: JsonValue): readonly number[] {
  const chunk = domainOf({ rowCount: 4, columns: VALUES }, COLUMNS, 0);
  const marks = compileCondition(parseCondition(condition), COLUMNS)(chunk);
  return [...marks].flatMap((mark, row) => (mark === 1 ? [row] : []));
}

describe("a condition lets pass the rows that pandas' query does", () => {
  test.each<[string, number[]]>([
    ["age > 10", [1, 3]],
    ["age == 9007199254740993", [3]],
    ["10 <= age < 30", [0, 1]],
    ["age != 10", [1, 2, 3]],
    ["not age > 10", [0, 2]],
    ["`home country` == 'CH' or flag", [0, 3]],
    ['`home country` == "C\'H"', [3]],
    ["`home country` in ['CH', \"DE\"]", [0, 2]],
    ["`home country` not in ('CH',)", [1, 2, 3]],
    ["age == [10, 20]", [0, 1]],
    ["share.isnull() | age.isna()", [1, 2]],
    ["share.notnull() & ~flag", [2]],
    ["flag == False", [1]],
    ["at >= '2026-01-01' and at < '2026-02-01T00:00:00Z'", [0]],
    ["share < age", [0, 3]],
    ["-1 == share", [2]],
    ['col("age").notNull()', [0, 1, 3]],
    ["age == 'ten'", []],
  ])("%s", (condition, rows) => {
    expect(rowsOf(condition)).toEqual(rows);
  });
});

test("saved condition objects", () => {
  const comparison = { type: "comparison", column: { name: "age" }, operator: "IN", parameter: [10, 20] };
  const nullity = { type: "nullity", column: { name: "share" }, is_null: false };
  expect(rowsOf({ type: "and", conditions: [comparison, nullity] })).toEqual([0]);
  expect(rowsOf({ type: "or", conditions: [comparison, nullity] })).toEqual([0, 1, 2, 3]);
  expect(rowsOf({ type: "pass_through", pass_through_filter: "age > 10" })).toEqual([1, 3]);
});

describe("what can't be translated is a fault that says so", () => {
  test.each([
    ["age >", /ends too early/],
    ["age > 1 1", /not understood there/],
    ["age + 1 > 2", /"\+ 1 > 2" is not understood/],
    ["age.mean() > 2", /\.mean is not supported/],
    ["nobody > 1", /name 'nobody' is not defined/],
    ["`home country` > 1", /'>' not supported between instances of 'str' and 'int'/],
    ["age", /no boolean column/],
    ["@limit > 1", /not understood/],
  ])("%s", (condition, detail) => {
    expect(() => rowsOf(condition)).toThrow(detail);
  });
});
