import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeFloat16, encodeFloat16 } from "./float16.ts";

test("every half comes back as its own bits", () => {
  for (let bits = 0; bits < 0x10000; bits++) {
    const value = decodeFloat16(bits);
    if (Number.isNaN(value)) expect(encodeFloat16(value)).toBe(0x7e00);
    else if (encodeFloat16(value) !== bits) expect.fail(`0x${bits.toString(16)} = ${value}`);
  }
});

test.each([
  [1, 0x3c00],
  [-2, 0xc000],
  [65_504, 0x7bff],
  [65_519.99, 0x7bff],
  [65_520, 0x7c00],
  [Number.NEGATIVE_INFINITY, 0xfc00],
  [-0, 0x8000],
  [2 ** -24, 0x0001],
  [2 ** -25, 0x0000],
  [2 ** -25 * 1.001, 0x0001],
  [2 ** -14 - 2 ** -26, 0x0400],
  [1 + 2 ** -11, 0x3c00],
  // Rounded to a single first, this would be a tie and go to the even neighbour below.
  [1 + 2 ** -11 + 2 ** -40, 0x3c01],
  [1 + 3 * 2 ** -11, 0x3c02],
  [2 - 2 ** -12, 0x4000],
])("%d is %d", (value, bits) => {
  expect(encodeFloat16(value)).toBe(bits);
});

test("no half is nearer than the one chosen, and of two equally near it is the even one", () => {
  fc.assert(
    fc.property(fc.double({ min: -65_519, max: 65_519, noNaN: true }), (value) => {
      const bits = encodeFloat16(value);
      const chosen = Math.abs(decodeFloat16(bits) - value);
      for (const neighbour of [bits - 1, bits + 1]) {
        if ((neighbour & 0x7fff) >= 0x7c00) continue;
        const other = Math.abs(decodeFloat16(neighbour & 0xffff) - value);
        expect(other > chosen || (other === chosen && bits % 2 === 0) || (bits & 0x7fff) === 0).toBe(true);
      }
    }),
    { numRuns: 2_000 },
  );
});
