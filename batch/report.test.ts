import { expect, test } from "vitest";
import { emptyCounts, formatViewReport, type ViewReport } from "./report.ts";

const report = (more: Partial<ViewReport>): ViewReport => ({
  ...emptyCounts(),
  view: "scores",
  status: "done",
  seconds: 6.04,
  rows_per_second: 165_563,
  checkpoint: "2026-11-22T02:00:00.000Z",
  ...more,
});

test("one line says what became of every row", () => {
  expect(formatViewReport(report({ files: 1, rows_read: 1_000_000, rows_written: 1_000_000 }))).toBe(
    "scores: 1,000,000 rows of 1 file (1,000,000 written) in 6.0 s, 165,563 rows/s; materialized to 2026-11-22T02:00:00.000Z.",
  );
  const mixed = { rows_written: 3, rows_equal: 2, rows_stale: 1, rows_superseded: 4, rows_outside: 5, rows_bad: 1 };
  expect(formatViewReport(report({ files: 2, rows_read: 16, ...mixed }))).toContain(
    "16 rows of 2 files (3 written, 2 there already, 1 older than the store's, 4 superseded, 5 outside the interval, 1 bad)",
  );
});

test("rows of row groups that were not read are outside too", () => {
  const report1 = report({ files: 1, rows_read: 3, rows_written: 2, rows_outside: 1, rows_skipped: 4 });
  expect(formatViewReport(report1)).toContain("scores: 7 rows of 1 file (2 written, 5 outside the interval) in");
});

test("nothing new, a failure and an abort are told as such", () => {
  expect(formatViewReport(report({ files_skipped: 3 }))).toBe(
    "scores: nothing new; materialized to 2026-11-22T02:00:00.000Z.",
  );
  const error = { code: "SOURCE_NOT_FOUND" as const, detail: "No file is there." };
  expect(formatViewReport(report({ status: "failed", error }))).toBe(
    "scores: failed. No file is there. [SOURCE_NOT_FOUND]",
  );
  expect(formatViewReport(report({ status: "aborted", rows_read: 1 }))).toBe(
    "scores: stopped after 1 row; the checkpoint has not moved.",
  );
});

test("warnings and the first bad rows follow", () => {
  const bad = [1, 2, 3, 4].map((row) => ({ file: "a.parquet", row, reason: "no" }));
  const text = formatViewReport(report({ files: 1, rows_bad: 4, bad_samples: bad, warnings: ["Large."] }));
  expect(text.split("\n").slice(1)).toEqual(["  Large.", ...[1, 2, 3].map((row) => `  row ${row} of a.parquet: no`)]);
});

test("a shard says how many are to come, and the last how far the view is", () => {
  const shard = { index: 2, of: 3, done: 2 };
  expect(formatViewReport(report({ files: 1, rows_read: 3, rows_written: 3, shard }))).toMatch(
    /; shard 2 of 3 done, 1 to come\.$/,
  );
  expect(formatViewReport(report({ shard: { ...shard, done: 3 } }))).toBe(
    "scores: nothing to load; materialized to 2026-11-22T02:00:00.000Z.",
  );
});
