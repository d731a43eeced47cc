import { expect, test } from "vitest";
import { shown } from "./shown.ts";

let nested: unknown = [];
for (let depth = 0; depth < 100_000; depth++) nested = [nested];

test.each([
  [null, "null"],
  [undefined, "undefined"],
  ["17", '"17"'],
  [17, "17"],
  [Number.NaN, "NaN"],
  [2n ** 63n, "9223372036854775808"],
  [1n << 4_000_000n, "an integer beyond 64 bits"],
  ["a".repeat(10_000_000), `"${"a".repeat(60)}"…`],
  [new Uint8Array(10_000_000), "10000000 bytes"],
  [nested, "a list of 1"],
  [[1n], "a list of 1"],
  [Object.create(null), "an object"],
  [{ toJSON: () => undefined }, "an object"],
  [Symbol("s"), "a symbol"],
  [() => 1, "a function"],
])("a refusal shows a value shortly and never throws (%#)", (value, text) => {
  expect(shown(value)).toBe(text);
});
