import { expect, it } from "vitest";
import {
  medianText,
  percentile,
  seededRandom,
  shuffledIds,
  spreadOf,
  spreadText,
  uniformIds,
  zipfIds,
} from "./statistics.ts";

it("tells the middle and both ends, and keeps what was measured in its order", () => {
  expect(spreadOf([3, 1, 10])).toEqual({ median: 3, least: 1, most: 10, values: [3, 1, 10] });
  expect(spreadOf([4, 1, 10, 3])!.median).toBe(3.5);
  expect(spreadOf([3, undefined])).toBeUndefined();
  expect(spreadOf([])).toBeUndefined();
  expect(spreadOf([1, Number.POSITIVE_INFINITY, 2])!.most).toBe(Number.POSITIVE_INFINITY);
});

it("tells them as text, and that nothing was measured", () => {
  expect([medianText(spreadOf([3, 1, 10]), 1), medianText(undefined, 1)]).toEqual(["3.0", "–"]);
  expect([spreadText(spreadOf([3, 1, 10]), 0), spreadText(undefined, 1)]).toEqual(["3 (1–10)", "–"]);
});

it("takes a percentile that was really measured", () => {
  const sorted = Float64Array.from({ length: 1_000 }, (_, i) => i + 1);
  expect([0, 0.5, 0.99, 0.999, 1].map((share) => percentile(sorted, share))).toEqual([1, 500, 990, 999, 1_000]);
  expect(percentile(Float64Array.of(7), 0.99)).toBe(7);
});

it("draws the same from the same seed, and only ids that there are", () => {
  const [one, other] = [seededRandom(5), seededRandom(5)];
  expect(Array.from({ length: 5 }, one)).toEqual(Array.from({ length: 5 }, other));
  expect([...shuffledIds(100, 3)].sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
  for (const draw of [uniformIds(10, 1), zipfIds(10, 1)]) {
    const drawn = Array.from({ length: 1_000 }, draw);
    expect(new Set(drawn).size).toBe(10);
    expect(Math.min(...drawn) >= 1 && Math.max(...drawn) <= 10).toBe(true);
  }
});
