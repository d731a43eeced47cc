import { expect, test } from "vitest";
import { array, float64, int64, string } from "../../features/field.ts";
import { writeJson } from "../../features/json-value.ts";
import { datatypeNamed } from "./datatype.ts";
import { entityRows } from "./entity-rows.ts";
import type { EntityInput, InferPlan } from "./infer-plan.ts";
import { createInferParser } from "./infer-request.ts";

const entityInput = (name: string, type: EntityInput["type"], isJoinKey: boolean): [string, EntityInput] => [
  name,
  { name, type, isJoinKey, datatype: datatypeNamed("FP64")! },
];
const PLAN = {
  entityInputs: new Map([
    entityInput("customer_id", int64(), true),
    entityInput("shop", string(), true),
    entityInput("basket_value", float64(), false),
    entityInput("items", array(int64()), false),
  ]),
} as unknown as InferPlan;

type Input = readonly [
  name: string,
  datatype: string,
  shape: readonly number[],
  data: readonly (number | bigint | string)[],
];

function rowsOf(...inputs: readonly Input[]) {
  const json = inputs.map(([name, datatype, shape, data]) => ({ name, datatype, shape, data }));
  return entityRows(PLAN, createInferParser()(Buffer.from(writeJson({ inputs: json })), undefined), 10);
}

test("columns become entities, integers exact and texts as they are", () => {
  const rows = rowsOf(["customer_id", "INT64", [2], [17, 2n ** 62n + 1n]], ["shop", "BYTES", [2, 1], ["Łódź", ""]]);
  expect(rows).toEqual({
    entities: [
      { customer_id: 17, shop: "Łódź" },
      { customer_id: 2n ** 62n + 1n, shop: "" },
    ],
    contexts: undefined,
  });
});

test("rows that share their request features share one context, and NaN is told from its text nowhere", () => {
  const { contexts, entities } = rowsOf(
    ["customer_id", "UINT32", [4], [1, 2, 3, 4]],
    ["basket_value", "FP64", [4], [0.5, "NaN", 0.5, "-Infinity"]],
    ["items", "INT32", [4, 2], [1, 2, 1, 2, 1, 2, 3, 4]],
  );
  expect(contexts).toEqual([
    { basket_value: 0.5, items: [1, 2] },
    { basket_value: "NaN", items: [1, 2] },
    { basket_value: 0.5, items: [1, 2] },
    { basket_value: "-Infinity", items: [3, 4] },
  ]);
  expect(contexts![2]).toBe(contexts![0]);
  expect(entities).toEqual([1, 2, 3, 4].map((customer_id) => ({ customer_id })));
});

test.each<[string, RegExp, readonly Input[]]>([
  ["a matrix", /\[2\] or \[2, 1\]/, [["customer_id", "INT64", [2, 2], [1, 2, 3, 4]]]],
  ["floats for an integer key", /is int64, which FP32 does not hold/, [["customer_id", "FP32", [1], [16_777_216]]]],
  ["no axis", /no row/, [["customer_id", "INT64", [], [1]]]],
  [
    "a flat list",
    /\[1, elements\]/,
    [
      ["customer_id", "INT64", [1], [1]],
      ["items", "INT64", [1], [1]],
    ],
  ],
  [
    "columns of different lengths",
    /has 1 rows, but the request's first input has 2/,
    [
      ["customer_id", "INT64", [2], [1, 2]],
      ["shop", "BYTES", [1], ["a"]],
    ],
  ],
])("%s is refused", (_, sentence, inputs) => {
  expect(() => rowsOf(...inputs)).toThrow(sentence);
});
