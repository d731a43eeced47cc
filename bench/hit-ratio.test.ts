import fc from "fast-check";
import { expect, it } from "vitest";
import { cheHitRatio, simulatedHitRatio } from "./hit-ratio.ts";

it.each([
  [0.8, 200],
  [1, 200],
  [1.1, 2_000],
])("approximates what the LRU does: exponent %f, %i of 20,000 kept", (exponent, kept) => {
  const zipf = { count: 20_000, exponent };
  expect(Math.abs(cheHitRatio(zipf, kept) - simulatedHitRatio(zipf, kept, 200_000, 5))).toBeLessThan(0.01);
});

it("is the kept share when all entities are alike", () => {
  expect(cheHitRatio({ count: 1e6, exponent: 0 }, 250_000)).toBeCloseTo(0.25, 4);
});

it("answers everything when everything fits, and nothing when nothing does", () => {
  expect(cheHitRatio({ count: 1_000, exponent: 1 }, 1_000)).toBe(1);
  expect(cheHitRatio({ count: 1_000, exponent: 1 }, 0)).toBe(0);
});

it("grows with the cache and with the exponent", () => {
  const count = fc.integer({ min: 100, max: 1_000_000_000 });
  const share = fc.double({ min: 0.001, max: 0.5, noNaN: true });
  fc.assert(
    fc.property(count, share, (entities, of) => {
      const kept = Math.ceil(of * entities);
      const at = (exponent: number, size: number) => cheHitRatio({ count: entities, exponent }, size);
      expect(at(1, kept)).toBeGreaterThan(0);
      expect(at(1, Math.min(entities, 2 * kept))).toBeGreaterThanOrEqual(at(1, kept) - 1e-9);
      expect(at(1.1, kept)).toBeGreaterThanOrEqual(at(0.8, kept) - 1e-9);
    }),
    { numRuns: 30 },
  );
});
