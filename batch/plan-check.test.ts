import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openMemoryStore } from "../features/store/memory.ts";
import { readCheckpoint } from "./checkpoint.ts";
import { hours, openScoreProject, type ScoreProject, snapshot } from "./fixtures/score-project.ts";

const ALL = { incremental: true, endUs: hours(100) } as const;
let project: ScoreProject;
beforeEach(async () => {
  project = await openScoreProject(() => openMemoryStore());
});
afterEach(() => project.close());

/** The project's suite: scores of at most `max`, in every row, whose number is told. */
function expectScores(max: number, severity: string, more: readonly object[] = []): void {
  const between = { type: "expect_column_values_to_be_between", kwargs: { column: "score", max_value: max }, severity };
  mkdirSync(join(project.directory, "expectations"), { recursive: true });
  const suite = { name: "score rows", expectations: [between, ...more] };
  writeFileSync(join(project.directory, "expectations/scores.json"), JSON.stringify(suite));
}
const rowCount = (rows: number) => ({ type: "expect_table_row_count_to_equal", kwargs: { value: rows } });

test("rows that are not what is critical of the suite stop the view before any is written", async () => {
  project.write("data/a.parquet", snapshot(1, 30));
  expectScores(20, "critical");
  const report = await project.runView({ range: ALL });
  expect(report).toMatchObject({ status: "failed", rows_written: 0, error: { code: "EXPECTATIONS_FAILED" } });
  expect(report.error!.detail).toContain(
    'Suite "score rows" is not met: expect_column_values_to_be_between of score (',
  );
  expect(await project.stored()).toEqual({});
  expect((await readCheckpoint(project.store.control, "scores")).checkpoint).toBeUndefined();

  expectScores(40, "critical");
  expect(await project.runView({ range: ALL })).toMatchObject({ status: "done", rows_written: 30, warnings: [] });
});

test("what is not critical is a warning", async () => {
  project.write("data/a.parquet", snapshot(1, 30));
  expectScores(20, "warning");
  const warnings = [
    'Suite "score rows": 1 of 1 expectations are not met, none of them critical; the first is expect_column_values_to_be_between of score (10 of 30 rows, such as 20.100000381469727).',
  ];
  expect(await project.runView({ range: ALL })).toMatchObject({ status: "done", rows_written: 30, warnings });
});

test("the suite sees every row of the interval, in files and ranges, superseded ones too, and no other", async () => {
  project.write("data/a.parquet", [...snapshot(1, 30), ...snapshot(2, 30)], 7);
  project.write("data/b.parquet", [...snapshot(3, 10), ...snapshot(200, 10)], 7);
  expectScores(100, "critical", [rowCount(70)]);
  expect(await project.runView({ range: ALL, rangeRows: 4 })).toMatchObject({ status: "done" });
  // What is known already is none of the batch; what comes late is.
  project.write("data/c.parquet", snapshot(4, 5));
  expectScores(100, "critical", [rowCount(5)]);
  expect(await project.runView({ range: ALL })).toMatchObject({ status: "done", files: 1 });
  expectScores(100, "critical", [rowCount(1)]);
  expect(await project.runView({ range: ALL })).toMatchObject({ status: "done", files: 0 });
});

test("a new file without a row is a batch of no rows", async () => {
  project.write("data/a.parquet", []);
  expectScores(20, "critical", [rowCount(3)]);
  const report = await project.runView({ range: ALL });
  expect(report).toMatchObject({ status: "failed", error: { code: "EXPECTATIONS_FAILED" } });
  expect(report.error!.detail).toContain("expect_table_row_count_to_equal (it is 0)");
});

test("a column that is not there is told as what was raised", async () => {
  project.write("data/a.parquet", snapshot(1, 3));
  const missing = { type: "expect_column_values_to_not_be_null", kwargs: { column: "scoer" } };
  expectScores(20, "critical", [missing]);
  expect((await project.runView({ range: ALL })).error!.detail).toMatch(/of scoer \(.*"scoer".* does not exist\)\./);
});

test("a suite that is none is the view's failure, and names the file", async () => {
  project.write("data/a.parquet", snapshot(1, 3));
  expectScores(20, "urgent");
  const report = await project.runView({ range: ALL });
  expect(report).toMatchObject({ status: "failed", rows_written: 0, error: { code: "SUITE_INVALID" } });
  expect(report.error!.detail).toContain("expectations/scores.json");
});

test("of shards, the one that plans runs the suite over all of the load", async () => {
  project.write("data/a.parquet", snapshot(1, 30), 7);
  const range = { startUs: hours(0), endUs: hours(100) };
  expectScores(100, "critical", [rowCount(31)]);
  const refused = await project.runView({ range, rangeRows: 4, shard: { index: 2, of: 2 } });
  expect(refused).toMatchObject({ status: "failed", error: { code: "EXPECTATIONS_FAILED" }, rows_written: 0 });
  expectScores(100, "critical", [rowCount(30)]);
  for (const index of [1, 2]) {
    expect(await project.runView({ range, rangeRows: 4, shard: { index, of: 2 } })).toMatchObject({ status: "done" });
  }
  expect(Object.keys(await project.stored()).length).toBe(30);
});
