import { expect, test } from "vitest";
import { quantile, RecentValues } from "./recent-values.ts";

test("a ring keeps the latest values and no others", () => {
  const scores = new RecentValues(3);
  for (const score of [5, Number.NaN, 1, Number.POSITIVE_INFINITY, 4, 2]) scores.record(score);
  expect([...scores.sorted()]).toEqual([1, 2, 4]);
  expect([...scores.sorted(2)]).toEqual([2, 4]);
  expect([...new RecentValues(3).sorted()]).toEqual([]);
});

test("a quantile is the value of its nearest rank", () => {
  const hundred = Float64Array.from({ length: 100 }, (_, i) => i + 1);
  expect([0, 0.5, 0.95, 0.99, 1].map((share) => quantile(hundred, share))).toEqual([1, 50, 95, 99, 100]);
  expect(quantile(Float64Array.of(7), 0.5)).toBe(7);
  expect(quantile(Float64Array.of(), 0.5)).toBeUndefined();
});
