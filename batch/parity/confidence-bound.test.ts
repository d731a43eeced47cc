import { expect, test } from "vitest";
import { upperRateBound } from "./confidence-bound.ts";

test("without a mismatch it is 1 − 0.05^(1/n)", () => {
  for (const checked of [1, 10, 300, 10_000, 5_000_000]) {
    const exact = -Math.expm1(Math.log(0.05) / checked);
    expect(Math.abs(upperRateBound(0, checked) / exact - 1)).toBeLessThan(1e-7);
  }
});

// SciPy 1.17.1: scipy.stats.beta.ppf(0.95, x + 1, n - x).
test.each([
  [1, 10, 0.39416330243650466],
  [3, 100, 0.07571079374983004],
  [50, 100, 0.5863782853690882],
  [99, 100, 0.9994871985837377],
  [17, 2500, 0.010182346562284223],
  [4000, 1000000, 0.0041053910843645205],
  [999999, 1000000, 0.9999999487067069],
  [1, 5000000, 9.487725484035199e-7],
])("of %d in %d it is what SciPy's beta quantile says", (mismatches, checked, expected) => {
  expect(Math.abs(upperRateBound(mismatches, checked) / expected - 1)).toBeLessThan(1e-7);
});

test("nothing checked bounds nothing, and all that differ may be all", () => {
  expect(upperRateBound(0, 0)).toBe(1);
  expect(upperRateBound(7, 7)).toBe(1);
});
