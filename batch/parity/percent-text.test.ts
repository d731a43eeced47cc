import { expect, test } from "vitest";
import { percentNumber } from "./percent-text.ts";

test.each([
  [0, 0, "0"],
  [1, 0, "100"],
  [0.5, 0, "50"],
  [4 / 199, 0, "2.01"],
  [1e-6, 0, "0.0001"],
  [1 - 1e-6, 0, "99.9999"],
  [1_001 / 100_000, 0.01, "1.001"],
  [999 / 100_000, 0.01, "0.999"],
  [0.01, 0.01, "1"],
  [0.75, 0.5, "75"],
  [2 / 3, 0.5, "66.67"],
  [1e-300, 0, "0"],
])("%d beside %d is %s", (share, limit, text) => {
  expect(percentNumber(share, limit)).toBe(text);
});
