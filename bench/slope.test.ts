import { expect, test } from "vitest";
import { slopeOf, spanMeans } from "./slope.ts";
import { seededRandom } from "./statistics.ts";

test("a line has its slope, without doubt", () => {
  const samples = Array.from({ length: 10 }, (_, i) => ({ at: i, value: 3 + 2 * i }));
  const { slope, least, most } = slopeOf(samples)!;
  expect([slope, least, most].map((value) => value.toFixed(9))).toEqual(["2.000000000", "2.000000000", "2.000000000"]);
});

test("the bound is Student’s", () => {
  const samples = [2, 4, 3, 6, 8, 7].map((value, i) => ({ at: i + 1, value }));
  const { slope, least, most } = slopeOf(samples)!;
  expect(slope).toBeCloseTo(1.142857, 5);
  expect(most - slope).toBeCloseTo(slope - least, 9);
  // By hand: residuals' squares 4.8571 over 4 degrees and 17.5, times t = 2.7764.
  const squares = samples.reduce((sum, { at, value }) => sum + (value - 5 - slope * (at - 3.5)) ** 2, 0);
  expect(most - slope).toBeCloseTo(2.7764 * Math.sqrt(squares / 4 / 17.5), 2);
});

test("the interval has the true slope nineteen times in twenty", () => {
  const random = seededRandom(7);
  let held = 0;
  for (let run = 0; run < 1_000; run++) {
    const noise = () => random() + random() + random() - 1.5;
    const samples = Array.from({ length: 25 }, (_, i) => ({ at: i, value: 0.1 * i + noise() }));
    const { least, most } = slopeOf(samples)!;
    if (least <= 0.1 && 0.1 <= most) held++;
  }
  expect(held).toBeGreaterThan(930);
  expect(held).toBeLessThan(970);
});

test("samples of a span are one, and two are no line", () => {
  const samples = [0, 0.4, 0.8, 1, 1.5].map((at) => ({ at, value: at * 10 }));
  expect(spanMeans(samples, 1).map(({ value }) => value)).toEqual([4, 12.5]);
  expect(slopeOf(spanMeans(samples, 1))).toBeUndefined();
});
