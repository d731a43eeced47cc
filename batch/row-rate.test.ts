import { expect, test } from "vitest";
import { createRowRate } from "./row-rate.ts";

/** A clock that waiting moves on. */
function clock() {
  let nowMs = 1_000;
  return {
    now: () => nowMs,
    pass: (ms: number) => {
      nowMs += ms;
    },
    wait: async (ms: number) => {
      nowMs += ms;
    },
  };
}

test("rows are written no faster than the rate, in pieces of a tenth of a second", async () => {
  const { now, wait } = clock();
  const rate = createRowRate(5_000, now, wait);
  expect(rate.pieceRows).toBe(500);
  for (let rows = 0; rows < 20_000; rows += rate.pieceRows) await rate.take(rate.pieceRows, undefined);
  // The last piece need not have been waited for.
  expect(now() - 1_000).toBeGreaterThanOrEqual(3_800);
  expect(now() - 1_000).toBeLessThanOrEqual(4_000);
});

test("time that went by unused is made up for by one piece only", async () => {
  const { now, wait, pass } = clock();
  const rate = createRowRate(100, now, wait);
  pass(60_000);
  const startMs = now();
  for (let i = 0; i < 10; i++) await rate.take(rate.pieceRows, undefined);
  expect(now() - startMs).toBeGreaterThanOrEqual(700);
});

test("a rate of less than a piece is one row at a time, and none does not wait", async () => {
  const { now, wait } = clock();
  const slow = createRowRate(2, now, wait);
  expect(slow.pieceRows).toBe(1);
  for (let i = 0; i < 5; i++) await slow.take(1, undefined);
  expect(now()).toBeGreaterThanOrEqual(1_000 + 1_900);
  const before = now();
  const none = createRowRate(0, now, wait);
  for (let i = 0; i < 1_000; i++) await none.take(1e6, undefined);
  expect(now()).toBe(before);
});
