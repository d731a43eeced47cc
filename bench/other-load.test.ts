import { expect, it } from "vitest";
import { othersShare, processMicros, waitForQuiet } from "./other-load.ts";

const reading = (all: number, own: number, at: number) => ({ all, own, at });

it("tells what others used of all cores", () => {
  // Two cores for a second; 1.5 seconds used, one of them by the bench.
  expect(othersShare(reading(0, 0, 0), reading(1_500_000, 1_000_000, 1_000_000), 2)).toBe(0.25);
});

it("stays between nothing and everything where the readings are of different ticks", () => {
  expect(othersShare(reading(0, 0, 0), reading(10_000, 20_000, 20_000), 2)).toBe(0);
  expect(othersShare(reading(0, 0, 0), reading(50_000, 0, 20_000), 2)).toBe(1);
});

it("counts processes and what the host took, not interrupts, idling or waiting", () => {
  const stat = "cpu  100 20 30 4000 500 60 70 8 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n";
  expect(processMicros(stat)).toBe(158 * 10_000);
});

it("tells how long others made it wait, without the look that found them quiet", async () => {
  const wait = (...shares: readonly (number | undefined)[]) => {
    let looks = 0;
    return waitForQuiet(1_000, { look: async () => shares[looks++], now: () => looks * 200 });
  };
  expect(await wait(0)).toBe(0);
  expect(await wait(undefined)).toBe(0);
  expect(await wait(0.5, 0.2, 0.05)).toBe(400);
  expect(await wait(1, 1, 1, 1, 1, 1)).toBe(1_000);
});
