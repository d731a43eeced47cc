import { describe, expect, test } from "vitest";
import { bool, bytes, type FeatureValue, float64, int64, string, timestamp } from "../../features/field.ts";
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
  { name: "b", type: bool() },
  { name: "raw", type: bytes() },
];
const VALUES: readonly (readonly FeatureValue[])[] = [
  [10, 20, null, 2n ** 53n + 1n],
  ["CH", null, "DE", "C'H"],
  [true, false, null, true],
  [Date.UTC(2026, 0, 1) * 1_000, null, Date.UTC(2026, 5, 1) * 1_000, 0],
  [0.5, Number.NaN, -1, 10],
  [true, false, true, false],
  [new Uint8Array([97]), null, new Uint8Array([98]), new Uint8Array([97])],
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
    ["`home country` == 'CH' or b", [0, 2]],
    ['`home country` == "C\'H"', [3]],
    ["`home country` in ['CH', \"DE\"]", [0, 2]],
    ["`home country` not in ('CH',)", [1, 2, 3]],
    ["age == [10, 20]", [0, 1]],
    ["share.isnull() | age.isna()", [1, 2]],
    ["share.notnull() & ~b", [3]],
    ["flag == False", [1]],
    ["at >= '2026-01-01' and at < '2026-02-01T00:00:00Z'", [0]],
    ["share < age", [0, 3]],
    ["-1 == share", [2]],
    ['col("age").notNull()', [0, 1, 3]],
    ["age == 'ten'", []],
    ["~b", [1, 3]],
    ["~~b", [0, 2]],
    ["~(age > 15)", [0, 2]],
    ["~age.isnull()", [0, 1, 3]],
    ["~b & age > 15", [1, 3]],
    ["not b and age > 15", [1, 3]],
    ["flag == True", [0, 3]],
    ["`home country` in 'CH'", [0]],
    ["`home country` in ('CH')", [0]],
    ["`home country` in ['CH', None]", [0, 1]],
    ["`home country` == ['CH', None]", [0, 1]],
    ["`home country` not in ['CH', None]", [2, 3]],
    ["`home country` != ['CH', None]", [2, 3]],
    ["`home country` == None", []],
    ["flag in [True, None]", [0, 2, 3]],
    ["raw in [None]", [1]],
    ["age in [10, None]", [0]],
    ["share not in [0.5, None]", [1, 2, 3]],
    ["`home country` == 'C\\'H'", [3]],
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
    ["age in 10", /in is between a column to the left and a list to the right, like \["a", "b"\]\./],
    ["age in (10)", /a list to the right/],
    ["age not in share", /not in is between a column/],
    ["'CH' in `home country`", /a column to the left/],
    ["10 in age", /a column to the left/],
    ["1 in [1]", /a column to the left/],
    ["[10, 20] == age", /a list has no ==|a column to the left/],
    ["age > [10]", /a list has no >/],
    ["1 < 2", /a comparison needs a column/],
    ["~age > 15", /~ is before ">", which it binds more tightly than/],
    ["~b == True", /~ is before "=="/],
    ["~(b) == True", /~ is before "=="/],
    ["~age.isnull() == False", /~ is before "=="/],
    ["~`home country` == 'CH'", /~ is before "=="/],
    ["~b not in [True]", /~ is before "not"/],
    ["~10 > age", /~ is before a value/],
    ["~age", /names "age" alone, which is no boolean column. Compare it/],
    ["flag", /names "flag" alone, and it has a null. Write flag == True/],
    ["not flag", /it has a null/],
    ["~flag", /it has a null/],
    ["`home country` == 'a\\x41b'", /the escape \\x; write the character itself/],
    ["`home country` == 'a\\d'", /the escape \\d/],
    [`${"(".repeat(101)}age > 1${")".repeat(101)}`, /nested more than 100 deep/],
    [`${"not ".repeat(20_000)}b`, /nested more than 100 deep/],
    [`${"~".repeat(20_000)}b`, /nested more than 100 deep/],
  ])("%s", (condition, detail) => {
    expect(() => rowsOf(condition)).toThrow(detail);
  });
});

test("a saved condition has bounds and a list where one belongs", () => {
  const within = (depth: number): JsonValue =>
    depth === 0
      ? { type: "nullity", column: { name: "b" }, is_null: false }
      : { type: "and", conditions: [within(depth - 1)] };
  expect(rowsOf(within(99))).toEqual([0, 1, 2, 3]);
  expect(() => rowsOf(within(100))).toThrow(/nested more than 100 deep/);
  const comparison = { type: "comparison", column: { name: "age" } };
  expect(() => rowsOf({ ...comparison, operator: "IN", parameter: 10 })).toThrow(/a list to the right/);
  expect(() => rowsOf({ ...comparison, operator: "<", parameter: [10] })).toThrow(/a list has no </);
});

test("a fault names the condition and where to read on", () => {
  expect(() => rowsOf("age >")).toThrow(
    'The row_condition "age >" can\'t be applied: it ends too early. docs/expectations.md says what it may hold.',
  );
});
