import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { histogramOf, scoreDrift, sharedEdges } from "./score-drift.ts";

/** The same numbers as in the Python that gave the expected values: x ← (1103515245 x + 12345) mod 2^31. */
function uniform(count: number, seed: number): number[] {
  let x = BigInt(seed);
  return Array.from({ length: count }, () => {
    x = (x * 1_103_515_245n + 12_345n) % 2_147_483_648n;
    return Number(x) / 2 ** 31;
  });
}
const sorted = (scores: readonly number[]) => Float64Array.from(scores).sort();

describe("the two-sample test", () => {
  // scipy 1.17.1: scipy.stats.ks_2samp(a, b, method="asymp")
  test.each([
    ["the same", (x: number) => x, 0.0245, 0.67297],
    ["hardly different", (x: number) => x ** 1.05, 0.0286667, 0.4732],
    ["different", (x: number) => x ** 1.2, 0.0726667, 0.00022166],
    ["wholly different", (x: number) => x * 0.5, 0.5036667, 0],
  ])("of samples that are %s is what scipy has", (_, change, statistic, pValue) => {
    const drift = scoreDrift(sorted(uniform(2_000, 1)), sorted(uniform(1_500, 7).map(change)))!;
    expect(drift.ksStatistic).toBeCloseTo(statistic, 6);
    expect(Math.abs(drift.ksPValue - pValue)).toBeLessThan(0.02);
    if (pValue < 0.001) expect(drift.ksPValue).toBeLessThan(0.001);
  });

  test("counts equal scores once", () => {
    const tenths = (scores: readonly number[]) => sorted(scores.map((score) => Math.round(score * 10) / 10));
    const drift = scoreDrift(tenths(uniform(500, 3)), tenths(uniform(400, 9).map((score) => score ** 1.3)))!;
    expect(drift.ksStatistic).toBeCloseTo(0.104, 6);
    expect(drift.ksPValue).toBeGreaterThan(0.01);
    expect(drift.ksPValue).toBeLessThan(0.02);
  });

  test("has the distance that comparing at every score has", () => {
    const scores = fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(scores, scores, (a, b) => {
        const share = (of: readonly number[], limit: number) => of.filter((one) => one <= limit).length / of.length;
        const naive = Math.max(...[...a, ...b].map((limit) => Math.abs(share(a, limit) - share(b, limit))));
        expect(scoreDrift(sorted(a), sorted(b))!.ksStatistic).toBeCloseTo(naive, 12);
      }),
    );
  });
});

describe("the stability index", () => {
  test("is nothing for one and the same sample, small for alike ones and large for different ones", () => {
    const a = sorted(uniform(2_000, 1));
    expect(scoreDrift(a, a)!.psi).toBe(0);
    expect(scoreDrift(a, sorted(uniform(2_000, 7)))!.psi).toBeLessThan(0.02);
    expect(scoreDrift(a, sorted(uniform(2_000, 7).map((x) => x * 0.5)))!.psi).toBeGreaterThan(0.25);
  });

  test("of shares 50:50 against 60:40 is what the formula gives by hand", () => {
    const half = sorted([...Array(50).fill(0), ...Array(50).fill(1)]);
    const more = sorted([...Array(60).fill(0), ...Array(40).fill(1)]);
    expect(scoreDrift(half, more)!.psi).toBeCloseTo(0.1 * Math.log(0.6 / 0.5) - 0.1 * Math.log(0.4 / 0.5), 12);
  });

  test("stands for models that answer with few values or one", () => {
    const one = sorted(Array(100).fill(0.5));
    expect(scoreDrift(one, one)!.psi).toBe(0);
    expect(scoreDrift(one, sorted(Array(100).fill(0.7)))!.psi).toBeGreaterThan(1);
  });
});

test("nothing is compared with nothing", () => {
  expect(scoreDrift(sorted([]), sorted([1]))).toBeUndefined();
});

test("a histogram holds every score, the greatest too, and samples share their edges", () => {
  const [a, b] = [sorted([0, 0.1, 0.5, 1]), sorted([0.2, 2])];
  expect(sharedEdges([a], 2)).toEqual([0, 0.5, 1]);
  expect(histogramOf(a, sharedEdges([a], 2))).toEqual([2, 2]);
  expect(sharedEdges([a, sorted([]), b], 2)).toEqual([0, 1, 2]);
  expect(histogramOf(b, sharedEdges([a, b], 2))).toEqual([1, 1]);
  expect(histogramOf(sorted([3, 3]), sharedEdges([sorted([3, 3])], 2))).toEqual([2, 0]);
  expect(histogramOf(sorted([]), sharedEdges([], 2))).toEqual([0]);
});
