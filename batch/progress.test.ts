import { expect, test } from "vitest";
import { progressWriter } from "./progress.ts";

function lines(
  isTTY: boolean,
  steps: readonly (readonly [atMs: number, rowsRead: number, ended?: boolean])[],
): string[] {
  const written: string[] = [];
  let nowMs = 1_000;
  const write = progressWriter({ isTTY, columns: 60, write: (text: string) => written.push(text) }, () => nowMs);
  for (const [atMs, rowsRead, ended = false] of steps) {
    nowMs = 1_000 + atMs;
    write({ view: "customer_30d", rowsRead, rowsTotal: 1_000_000, startMs: 1_000, ended });
  }
  return written;
}

test("a terminal's line is rewritten, at most every 100 ms, and kept at the end", () => {
  expect(
    lines(true, [
      [50, 1_000],
      [2_500, 400_000],
      [2_550, 410_000],
      [6_000, 1_000_000, true],
    ]),
  ).toEqual([
    "\r\u001b[2Kcustomer_30d: 400,000 of 1,000,000 rows (40%), 160,000 rows",
    "\r\u001b[2Kcustomer_30d: 1,000,000 rows in 6.0 s, 166,667 rows/s\n",
  ]);
});

test("elsewhere a plain line comes every five seconds and at the end", () => {
  expect(
    lines(false, [
      [4_999, 400_000],
      [5_000, 500_000],
      [9_999, 900_000],
      [10_000, 1_000_000, true],
    ]),
  ).toEqual([
    "customer_30d: 500,000 of 1,000,000 rows (50%), 100,000 rows/s, 5 s left\n",
    "customer_30d: 1,000,000 rows in 10.0 s, 100,000 rows/s\n",
  ]);
});

test("long waits are told in minutes and hours", () => {
  expect(lines(false, [[60_000, 200_000]])[0]).toMatch(/4 min left/);
  expect(lines(false, [[600_000, 50_000]])[0]).toMatch(/3\.2 h left/);
});

test("nothing is written for machines", () => {
  expect(() =>
    progressWriter("silent", () => 0)({ view: "v", rowsRead: 1, rowsTotal: 1, startMs: 0, ended: true }),
  ).not.toThrow();
});
