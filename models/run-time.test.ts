import { expect, test } from "vitest";
import { RunTime } from "./run-time.ts";

test("begins with what the warm-up took", () => {
  const time = new RunTime({ rows: 1, ms: 20 }, { rows: 64, ms: 83 });
  expect(time.expectedMs(1)).toBeCloseTo(20);
  expect(time.expectedMs(11)).toBeCloseTo(30);
});

test("follows the runs, and keeps the slope while all are alike", () => {
  const time = new RunTime({ rows: 1, ms: 20 }, { rows: 64, ms: 83 });
  for (let i = 0; i < 500; i++) time.took(1, 40);
  expect(time.expectedMs(1)).toBeCloseTo(40, 1);
  expect(time.expectedMs(11)).toBeCloseTo(50, 1);
  for (let i = 0; i < 500; i++) time.took(1 + (i % 20), 5 + 3 * (1 + (i % 20)));
  expect(time.expectedMs(10)).toBeCloseTo(35, 0);
  expect(time.expectedMs(100)).toBeGreaterThan(280);
});

test("a batch that was no slower than a row costs nothing more", () => {
  const time = new RunTime({ rows: 1, ms: 2 }, { rows: 64, ms: 1 });
  expect(time.expectedMs(1_000)).toBeCloseTo(2);
});
