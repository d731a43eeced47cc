import { expect, test } from "vitest";
import {
  array,
  bool,
  bytes,
  compileAccept,
  type FieldType,
  float32,
  float64,
  int32,
  int64,
  REFUSED,
  string,
  timestamp,
  typeName,
} from "./field.ts";

test.each([
  [int32(), 1.7],
  [int32(), 2 ** 31],
  [int32(), "1"],
  [int32(), Number.NaN],
  [int64(), 2 ** 53],
  [int64(), 0.5],
  [int64(), true],
  [int64(), -(2n ** 63n) - 1n],
  [float32(), "1"],
  [float32(), 1e300],
  [float32(), 1n],
  [float64(), false],
  [string(), 1],
  [string(), undefined],
  [bool(), 0],
  [bytes(), "abc"],
  [timestamp(), "2026-01-01"],
  [array(int64()), [1, "2"]],
  [array(int64()), 1],
] as [FieldType, unknown][])("%j refuses %s", (type, value) => {
  expect(compileAccept(type)(value)).toBe(REFUSED);
});

test.each([
  [int32(), -(2 ** 31), -(2 ** 31)],
  [int64(), 5n, 5],
  [int64(), 2n ** 53n, 2n ** 53n],
  [int64(), -0, 0],
  [float32(), 0.1, Math.fround(0.1)],
  [float32(), Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
  [float32(), -0, -0],
  [float64(), Number.NaN, Number.NaN],
  [array(float32()), [0.1, null, Number.NaN], [Math.fround(0.1), null, Number.NaN]],
  [array(string()), [], []],
  [string(), null, null],
] as [FieldType, unknown, unknown][])("%j takes %s", (type, value, taken) => {
  expect(compileAccept(type)(value)).toEqual(taken);
});

test("a type is named as it is declared", () => {
  expect([int64(), array(float32())].map(typeName)).toEqual(["int64", "array(float32)"]);
  expect(() => array(array(int64()))).toThrow(/scalar/);
});
