import { describe, expect, test } from "vitest";
import { HeadgateError } from "../../errors.ts";
import { parseSuite } from "./suite.ts";
import { KWARGS } from "./suite-kwargs.ts";

const suiteOf = (...expectations: unknown[]) => JSON.stringify({ name: "churn", expectations, meta: {} });

function refusal(text: string): string {
  try {
    parseSuite(text, "expectations/churn.json");
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(HeadgateError);
    expect((thrown as HeadgateError).code).toBe("SUITE_INVALID");
    return (thrown as HeadgateError).message;
  }
  throw new Error("It was taken.");
}

test("all 43 types are known", () => {
  expect(Object.keys(KWARGS)).toHaveLength(43);
});

test("a suite as Great Expectations exports it", () => {
  const text = JSON.stringify({
    name: "churn",
    id: "39b922e4-419a-4c57-b589-4b422c861015",
    expectations: [
      {
        type: "expect_column_values_to_be_between",
        kwargs: {
          column: "age",
          min_value: 18,
          mostly: 1,
          row_condition: { pass_through_filter: 'country=="CH"', type: "pass_through" },
          condition_parser: "pandas",
        },
        meta: { owner: "risk" },
        severity: "warning",
        id: "205dc9f7-4e75-40a7-bf1c-13165150d9f9",
      },
      { type: "expect_table_row_count_to_equal", kwargs: { value: 5 } },
    ],
    meta: { great_expectations_version: "1.24.1" },
    notes: null,
  });
  const { name, expectations } = parseSuite(text, "churn.json");
  expect(name).toBe("churn");
  expect(expectations[0]).toMatchObject({ severity: "warning", meta: { owner: "risk" } });
  expect(expectations[0]!.kwargs, "defaults are left out, as in results").not.toHaveProperty("mostly");
  expect(expectations[1]).toMatchObject({ severity: "critical", meta: {}, id: null });
});

describe("a wrong suite is refused, with the file, the expectation and the next step", () => {
  test.each([
    ["no JSON", "{", /^expectations\/churn\.json is not JSON: .*Export the suite again\.$/],
    ["no suite", "[]", /needs a "name" and a list "expectations"\. Export it/],
    [
      "an unknown type",
      suiteOf({ type: "expect_magic", kwargs: {} }),
      /expectations\[0\] has the type "expect_magic".*docs\/expectations\.md/,
    ],
    [
      "a missing kwarg",
      suiteOf({ type: "expect_column_values_to_be_null", kwargs: {} }),
      /\(expect_column_values_to_be_null\) has wrong kwargs; kwargs\.column: /,
    ],
    ["an unknown kwarg", suiteOf({ type: "expect_column_to_exist", kwargs: { column: "a", colour: 1 } }), /colour/],
    [
      "a share past 1",
      suiteOf({ type: "expect_column_values_to_be_null", kwargs: { column: "a", mostly: 2 } }),
      /kwargs\.mostly/,
    ],
    [
      "a text as a bound",
      suiteOf({ type: "expect_column_min_to_be_between", kwargs: { column: "a", min_value: "low" } }),
      /kwargs\.min_value/,
    ],
    [
      "no bound",
      suiteOf({ type: "expect_column_values_to_be_between", kwargs: { column: "a" } }),
      /needs min_value, max_value or both/,
    ],
    [
      "a suite parameter",
      suiteOf({ type: "expect_table_row_count_to_equal", kwargs: { value: { $PARAMETER: "rows" } } }),
      /suite parameter in kwargs\.value\. Write its value/,
    ],
    [
      "a wrong severity",
      suiteOf({ type: "expect_table_row_count_to_equal", kwargs: { value: 1 }, severity: "fatal" }),
      /severity "fatal"/,
    ],
    [
      "a condition that is nested too deeply",
      suiteOf({
        type: "expect_table_row_count_to_equal",
        kwargs: {
          value: 1,
          row_condition: Array.from({ length: 1_000 }).reduce((one) => ({ type: "and", conditions: [one] }), {}),
        },
      }),
      /kwargs: nested more than 220 deep/,
    ],
  ])("%s", (_, text, detail) => {
    expect(refusal(text)).toMatch(detail);
  });
});
