import { expect, it } from "vitest";
import { dueTimesMs, steppedTimesMs } from "./arrivals.ts";

it("spaces a constant rate evenly", () => {
  expect([...dueTimesMs("constant", 4, 1.5, 0)]).toEqual([0, 250, 500, 750, 1_000, 1_250]);
});

it("draws Poisson arrivals of the same mean, whose gaps vary as much as they last", () => {
  const dueMs = dueTimesMs("poisson", 1_000, 100, 7);
  const gaps = Array.from(dueMs.subarray(1), (due, i) => due - dueMs[i]!);
  const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
  const deviation = Math.sqrt(gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length);
  expect(gaps.every((gap) => gap >= 0)).toBe(true);
  expect(mean).toBeCloseTo(1, 1);
  expect(deviation / mean).toBeCloseTo(1, 1);
});

it("draws the same arrivals from the same seed", () => {
  expect(dueTimesMs("poisson", 100, 1, 3)).toEqual(dueTimesMs("poisson", 100, 1, 3));
  expect(dueTimesMs("poisson", 100, 1, 3)).not.toEqual(dueTimesMs("poisson", 100, 1, 4));
});

it("follows one rate by another, at its own time", () => {
  const steps = [
    { perSecond: 2, seconds: 1 },
    { perSecond: 4, seconds: 0.5 },
  ];
  expect([...steppedTimesMs("constant", steps, 0)]).toEqual([0, 500, 1_000, 1_250]);
  const poisson = [...steppedTimesMs("poisson", steps, 1)];
  expect(poisson).toEqual([...poisson].sort((one, other) => one - other));
});
