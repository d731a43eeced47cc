import fc from "fast-check";
import { expect, it } from "vitest";
import { linearScale, logarithmicScale } from "./chart-scale.ts";

it("marks a linear axis from 0 with round numbers", () => {
  expect(linearScale([3.1, 23.4]).ticks).toEqual([0, 5, 10, 15, 20, 25]);
  expect(linearScale([0.7]).ticks).toEqual([0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]);
  expect(linearScale([3.1, 23.4]).place(12.5)).toBe(0.5);
});

it("marks a logarithmic axis with 1, 2 and 5", () => {
  expect(logarithmicScale([0.3, 12]).ticks).toEqual([0.2, 0.5, 1, 2, 5, 10, 20]);
  expect(logarithmicScale([0.1, 10]).place(1)).toBeCloseTo(0.5, 9);
  expect(logarithmicScale([1, Number.POSITIVE_INFINITY]).ticks).toEqual([1, 2]);
  expect(logarithmicScale([999_999_999.999_997_9]).ticks).toEqual([5e8, 1e9]);
});

it("marks an axis without values too", () => {
  expect(linearScale([]).ticks.at(-1)).toBe(1);
  expect(linearScale([0, Number.POSITIVE_INFINITY]).ticks[0]).toBe(0);
  expect(logarithmicScale([]).ticks).toEqual([1, 2, 5, 10]);
});

it("holds every value between its first mark and its last", () => {
  const values = fc.array(fc.double({ min: 1e-6, max: 1e9, noNaN: true }), { minLength: 1 });
  fc.assert(
    fc.property(values, (some) => {
      for (const scale of [linearScale(some), logarithmicScale(some)]) {
        for (const value of some) {
          expect(scale.place(value)).toBeGreaterThanOrEqual(-1e-9);
          expect(scale.place(value)).toBeLessThanOrEqual(1 + 1e-9);
        }
        expect(scale.ticks.length).toBeGreaterThanOrEqual(2);
      }
    }),
  );
});
