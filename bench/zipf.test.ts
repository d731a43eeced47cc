import { expect, it } from "vitest";
import { seededRandom } from "./statistics.ts";
import { rankBuckets, zipfRanks } from "./zipf.ts";

const exponents = [0, 0.8, 1, 1.1, 2];

it.each(exponents)("sums all ranks to one in 100,000, exponent %f", (exponent) => {
  const count = 200_000;
  let exact = 0;
  for (let rank = 1; rank <= count; rank++) exact += rank ** -exponent;
  const buckets = rankBuckets({ count, exponent });
  expect(buckets.reduce((sum, { ranks }) => sum + ranks, 0)).toBe(count);
  expect(buckets.reduce((sum, { ranks, weight }) => sum + ranks * weight, 0) / exact).toBeCloseTo(1, 5);
});

it("takes few buckets for many ranks", () => {
  expect(rankBuckets({ count: 1e9, exponent: 1 }).length).toBeLessThan(5_000);
});

it.each(exponents)("draws each rank as often as it should, exponent %f", (exponent) => {
  const [count, draws] = [20, 200_000];
  const draw = zipfRanks({ count, exponent }, seededRandom(11));
  const seen = new Float64Array(count + 1);
  for (let i = 0; i < draws; i++) seen[draw()]!++;
  let total = 0;
  for (let rank = 1; rank <= count; rank++) total += rank ** -exponent;
  for (let rank = 1; rank <= count; rank++) {
    const share = rank ** -exponent / total;
    // Five standard deviations of a count.
    const tolerance = 5 * Math.sqrt((share * (1 - share)) / draws);
    expect(Math.abs(seen[rank]! / draws - share)).toBeLessThan(tolerance);
  }
});
