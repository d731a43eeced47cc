import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { float32, int64 } from "../features/field.ts";
import { openLmdbStore } from "../features/store/lmdb.ts";
import { openMemoryStore } from "../features/store/memory.ts";
import type { OnlineStore } from "../features/store/online-store.ts";
import { readCheckpoint } from "./checkpoint.ts";
import {
  hours,
  NOW_MS,
  openScoreProject,
  type ScoreProject,
  scoreView,
  snapshot,
  T0,
} from "./fixtures/score-project.ts";
import type { ViewProgress } from "./view-run.ts";

const STORES: Readonly<Record<string, (directory: string) => OnlineStore>> = {
  memory: () => openMemoryStore(),
  lmdb: (directory) => openLmdbStore({ directory }),
};
const ALL = { incremental: true, endUs: hours(100) } as const;
/** Every one of rows_read is accounted for. */
const accounted = (report: Awaited<ReturnType<ScoreProject["runView"]>>) =>
  report.rows_written +
  report.rows_equal +
  report.rows_stale +
  report.rows_superseded +
  report.rows_outside +
  report.rows_bad;

let project: ScoreProject;
afterEach(() => project.close());

describe.each(Object.keys(STORES))("on %s", (kind) => {
  const open = async (...views: Parameters<typeof openScoreProject>[1][]) => {
    project = await openScoreProject(STORES[kind]!, views[0]);
  };

  test("the latest row of each entity of several files lands, and a second run changes nothing", async () => {
    await open();
    project.write("data/a.parquet", snapshot(1, 30), 7);
    project.write("data/b.parquet", [...snapshot(2, 20), ...snapshot(0, 20)], 9);
    const report = await project.runView({ range: ALL, rangeRows: 5 });
    expect(report).toMatchObject({ status: "done", files: 2, rows_read: 70, rows_bad: 0, rows_outside: 0 });
    expect(accounted(report)).toBe(70);
    const stored = await project.stored();
    expect(Object.keys(stored).length).toBe(30);
    const origins = await project.store.control.list("origin/");
    expect(origins.length).toBe(1);
    const origin = JSON.parse(Buffer.from((await project.store.control.get(origins[0]!))!).toString());
    expect(origin).toMatchObject({ view: "scores", files: ["data/a.parquet", "data/b.parquet"], file_count: 2 });
    expect(stored["customer_id=7"]).toStrictEqual({
      score: Math.fround(7.2),
      at: hours(2),
      created: hours(2),
      position: 7,
    });
    expect(stored["customer_id=25"]).toMatchObject({ score: Math.fround(25.1), at: hours(1), position: 25 });

    const again = await project.runView({ range: { startUs: T0, endUs: hours(100) } });
    expect(again).toMatchObject({ status: "done", rows_written: 0, rows_read: 70 });
    expect(accounted(again)).toBe(70);
    expect(await project.stored()).toStrictEqual(stored);
  });

  test("an incremental run over unchanged files reads no row", async () => {
    await open();
    project.write("data/a.parquet", snapshot(1, 50));
    await project.runView({ range: ALL });
    const again = await project.runView({ range: { ...ALL, endUs: hours(101) } });
    expect(again).toMatchObject({ status: "done", files: 0, files_skipped: 1, rows_read: 0, bytes_read: 0 });
    expect(again.checkpoint).toBe("2026-01-05T05:00:00.000Z");
  });

  test("late rows in a new file and in a new version of a known one are loaded", async () => {
    await open();
    project.write("data/a.parquet", snapshot(50, 3));
    await project.runView({ range: ALL });
    project.write("data/late.parquet", [{ id: 99, at: hours(1), score: 1 }]);
    expect(await project.runView({ range: ALL })).toMatchObject({ files: 1, files_skipped: 1, rows_written: 1 });
    project.write("data/a.parquet", [...snapshot(50, 3), { id: 77, at: hours(2), score: 2 }]);
    expect(await project.runView({ range: ALL })).toMatchObject({
      files: 1,
      files_skipped: 1,
      rows_written: 1,
      rows_equal: 3,
    });
    expect(Object.keys(await project.stored()).sort()).toEqual([0, 1, 2, 77, 99].map((id) => `customer_id=${id}`));
  });

  test("rows after the end wait for a later run, which reads the lookback and what follows", async () => {
    await open([scoreView("scores", "data/*.parquet", { ttl: "5h" })]);
    project.write(
      "data/a.parquet",
      [0, 10, 20, 30, 40].flatMap((hour) => snapshot(hour, 4)),
      4,
    );
    const first = await project.runView({ range: { incremental: true, endUs: hours(30) } });
    expect(first).toMatchObject({ rows_read: 12, rows_outside: 0, rows_skipped: 8 });
    // 30 h less the ttl of 5 h: the row groups of 0, 10 and 20 h are skipped by their statistics.
    const second = await project.runView({ range: { incremental: true, endUs: hours(35) } });
    expect(second).toMatchObject({ rows_read: 4, rows_skipped: 16, rows_written: 4 });
    const third = await project.runView({ range: ALL });
    expect(third).toMatchObject({ rows_read: 8, rows_written: 4, rows_equal: 4 });
    expect((await project.stored())["customer_id=0"]).toMatchObject({ at: hours(40) });
  });

  test("start is part of the interval and end is not", async () => {
    await open();
    project.write(
      "data/a.parquet",
      [1, 2, 3].map((hour) => ({ id: hour, at: hours(hour), score: hour })),
    );
    const report = await project.runView({ range: { startUs: hours(1), endUs: hours(3) } });
    expect(report).toMatchObject({ rows_read: 3, rows_written: 2, rows_outside: 1 });
    expect(Object.keys(await project.stored())).toEqual(["customer_id=1", "customer_id=2"]);
  });

  test("what an interval left out of a file is not taken for loaded", async () => {
    await open();
    project.write(
      "data/a.parquet",
      [1, 2, 3].map((hour) => ({ id: hour, at: hours(hour), score: hour })),
    );
    await project.runView({ range: { startUs: hours(2), endUs: hours(100) } });
    expect(await project.runView({ range: ALL })).toMatchObject({ files: 1, rows_written: 1, rows_equal: 2 });
    expect(Object.keys(await project.stored()).length).toBe(3);
  });

  test("ties in event time go to the later created, then to the later row", async () => {
    await open();
    const at = hours(5);
    project.write("data/a.parquet", [
      { id: 1, at, created: at + 2, score: 12 },
      { id: 1, at, created: at + 1, score: 11 },
      { id: 2, at, created: at + 1, score: 20 },
      { id: 2, at, created: at + 1, score: 21 },
      { id: 3, at, created: null, score: 30 },
      { id: 3, at, created: at, score: 31 },
    ]);
    await project.runView({ range: ALL });
    const stored = await project.stored();
    expect(stored["customer_id=1"]).toMatchObject({ score: 12, position: 0 });
    expect(stored["customer_id=2"]).toMatchObject({ score: 21, position: 3 });
    // Without a created of its own the row's is the file's time, which is later.
    expect(stored["customer_id=3"]).toMatchObject({ score: 30, created: NOW_MS * 1_000 });
    project.write("data/correction.parquet", [{ id: 2, at, created: at + 9, score: 22 }]);
    await project.runView({ range: ALL });
    expect((await project.stored())["customer_id=2"]).toMatchObject({ score: 22 });
  });

  test("a newer row that is stored already makes the file's row stale", async () => {
    await open();
    project.write("data/b.parquet", snapshot(9, 2));
    await project.runView({ range: ALL });
    project.write("data/c.parquet", snapshot(8, 3));
    expect(await project.runView({ range: ALL })).toMatchObject({ rows_stale: 2, rows_written: 1 });
  });

  test("an abort stops between batches: lease given up, checkpoint unmoved, and the next run ends the same", async () => {
    await open();
    project.write("data/a.parquet", snapshot(1, 40), 10);
    const controller = new AbortController();
    const seen: ViewProgress[] = [];
    const report = await project.run({
      range: ALL,
      writeRows: 10,
      signal: controller.signal,
      onProgress: (progress) => {
        seen.push(progress);
        if (progress.rowsRead === 20) controller.abort();
      },
    });
    expect(report.ok).toBe(false);
    expect(report.views[0]).toMatchObject({ status: "aborted", rows_read: 20, checkpoint: null });
    expect(seen.at(-1)).toMatchObject({ ended: true });
    expect(await project.store.control.list("lease/")).toEqual([]);
    expect(await project.runView({ range: ALL })).toMatchObject({ status: "done", rows_written: 20, rows_equal: 20 });
  });
});

describe("in memory", () => {
  const open = async (views?: Parameters<typeof openScoreProject>[1]) => {
    project = await openScoreProject(STORES.memory!, views);
  };

  test("files that are gone leave the checkpoint, and files without rows are known", async () => {
    await open();
    project.write("data/a.parquet", snapshot(1, 3));
    project.write("data/empty.parquet", []);
    await project.runView({ range: ALL });
    project.remove("data/a.parquet");
    expect(await project.runView({ range: ALL })).toMatchObject({ files: 0, files_skipped: 1 });
    const { checkpoint } = await readCheckpoint(project.store.control, "scores");
    expect(Object.keys(checkpoint!.files)).toEqual(["data/empty.parquet"]);
  });

  test("row groups larger than a range are read in ranges, with a warning", async () => {
    await open();
    project.write("data/a.parquet", snapshot(1, 1_000), 1_000);
    const report = await project.runView({ range: ALL, rangeRows: 300 });
    expect(report).toMatchObject({ rows_read: 1_000, rows_written: 1_000 });
    expect(report.warnings).toEqual([expect.stringMatching(/^data\/a\.parquet has row groups of 1,000 rows\./)]);
  });

  test("the churn example's snapshots load", async () => {
    const view = scoreView("customer_30d_features", join(import.meta.dirname, "../examples/churn/data/*.parquet"), {
      schema: { orders_30d: int64(), aov_30d: float32(), returns_rate_30d: float32(), time_since_last_d: float32() },
    });
    await open([view]);
    const report = await project.runView({ range: { incremental: true, endUs: NOW_MS * 1_000 } });
    expect(report).toMatchObject({
      status: "done",
      rows_read: 147_758,
      rows_bad: 0,
      checkpoint: "2026-01-11T00:00:00.000Z",
    });
    expect(accounted(report)).toBe(147_758);
    expect(Object.keys(await project.stored("customer_30d_features")).length).toBe(2_469);
  });
});
