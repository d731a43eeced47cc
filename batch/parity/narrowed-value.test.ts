import { expect, test } from "vitest";
import { isNarrowed } from "./narrowed-value.ts";

test.each([
  ["a double through float32", Math.fround(0.1), 0.1],
  ["a double through int32", 1, 1.7],
  ["−0 through int32", 0, -0],
  ["an int64 through a double", 2n ** 53n, 2n ** 53n + 1n],
  ["an int64 through float32", 16_777_216, 16_777_217],
  ["an int64 past 2^53 through float32", 2n ** 60n, 2n ** 60n + 5n],
  ["an int64 through int32", -1, 2 ** 32 - 1],
  ["a large int64 through int32", 7, 2n ** 60n + 7n],
  ["a list with an element through float32", [1.5, Math.fround(0.3), null], [1.5, 0.3, null]],
])("%s is told", (_, online, offline) => {
  expect(isNarrowed(online, offline)).toBe(true);
});

test.each([
  ["the same value", 0.5, 0.5],
  ["NaN", Number.NaN, Number.NaN],
  ["another value", 0.2, 0.1],
  ["null", null, 0.1],
  ["a text", "0.1", 0.1],
  ["the wider one", 0.1, Math.fround(0.1)],
  ["a list of another length", [1], [1, 2]],
  ["a list with another element as well", [Math.fround(0.1), 3], [0.1, 4]],
  ["the same list", [1.5], [1.5]],
])("%s is not", (_, online, offline) => {
  expect(isNarrowed(online, offline)).toBe(false);
});
