import fc from "fast-check";
import { expect, test } from "vitest";
import { keySequence } from "./key-sequence.ts";

const sorted = (keys: readonly string[]) =>
  keys.map((_, place) => place).sort((a, b) => (keys[a]! < keys[b]! ? -1 : keys[a]! > keys[b]! ? 1 : a - b));

test("keys come in the order of their texts, equal ones in the order of their places", () => {
  const text = fc.oneof(
    fc.string({ maxLength: 9 }),
    fc.string({ unit: "binary", maxLength: 9 }),
    fc.integer().map(String),
    fc.constantFrom("", "a", "ab", "\u007e", "\u007f", "\u0080", "\ud800"),
  );
  fc.assert(
    fc.property(fc.constantFrom("", "customer_id=", "é"), fc.array(text, { maxLength: 60 }), (head, texts) => {
      const keys = texts.map((one) => head + one);
      expect([...keySequence(keys)]).toEqual(sorted(keys));
    }),
    { numRuns: 1_000 },
  );
});

test("more keys than a number has room for are sorted as well", () => {
  const keys = Array.from({ length: 2 ** 18 + 1 }, (_, i) => `id=${(i * 7_919) % 300_007}`);
  const sequence = keySequence(keys);
  expect(sequence.length).toBe(keys.length);
  for (let i = 1; i < sequence.length; i++) {
    if (keys[sequence[i - 1]!]! > keys[sequence[i]!]!) throw new Error(`out of order at ${i}`);
  }
});
