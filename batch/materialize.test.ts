import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { featureView } from "../features/feature-view.ts";
import { float32, float64, int32, int64 } from "../features/field.ts";
import { kafkaSource } from "../features/source.ts";
import { openLmdbStore } from "../features/store/lmdb.ts";
import { openMemoryStore } from "../features/store/memory.ts";
import type { OnlineStore } from "../features/store/online-store.ts";
import { readCheckpoint } from "./checkpoint.ts";
import {
  customer,
  HOUR,
  NOW_MS,
  openScoreProject,
  type ScoreProject,
  type ScoreRow,
  scoreView,
  T0,
} from "./fixtures/score-project.ts";
import { takeLease } from "./lease.ts";
import type { ViewProgress } from "./view-load.ts";

const STORES: Readonly<Record<string, (directory: string) => OnlineStore>> = {
  memory: () => openMemoryStore(),
  lmdb: (directory) => openLmdbStore({ directory }),
};
const ALL = { incremental: true, endUs: T0 + 100 * HOUR } as const;
const hours = (n: number) => T0 + n * HOUR;
/** `count` customers at one hour, whose score is their number plus a tenth of the hour. */
const snapshot = (hour: number, count: number): ScoreRow[] =>
  Array.from({ length: count }, (_, i) => ({ id: i, at: hours(hour), score: i + hour / 10 }));
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
    expect(first).toMatchObject({ rows_read: 12, rows_outside: 0 });
    // 30 h less the ttl of 5 h: the row groups of 0, 10 and 20 h are skipped by their statistics.
    const second = await project.runView({ range: { incremental: true, endUs: hours(35) } });
    expect(second).toMatchObject({ rows_read: 4, rows_written: 4 });
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

  test("bad rows are counted and sampled with file and row number, and the good ones land", async () => {
    await open();
    const rows: ScoreRow[] = snapshot(1, 30);
    rows[4] = { id: null, at: hours(1), score: 1 };
    rows[5] = { id: 5, at: null, score: 1 };
    rows[6] = { id: 6, at: -9e15, score: 1 };
    rows[7] = { id: 7, at: hours(90), created: hours(1), score: 1 };
    project.write("data/a.parquet", rows);
    const report = await project.runView({ range: ALL, settings: { maxBadRows: 0.2 } });
    expect(report).toMatchObject({ status: "done", rows_bad: 4, rows_written: 26 });
    expect(report.bad_samples.map(({ file, row }) => [file, row])).toEqual(
      [4, 5, 6, 7].map((row) => ["data/a.parquet", row]),
    );
    expect(report.bad_samples.map(({ reason }) => reason)).toEqual([
      expect.stringContaining('"customer_id" must be an int64, not null'),
      expect.stringContaining("the timestamp is null"),
      expect.stringContaining("between 1900 and 2150"),
      expect.stringContaining("maxFuture"),
    ]);
  });

  test("at most ten bad rows are told, of however many", async () => {
    await open();
    project.write(
      "data/a.parquet",
      Array.from({ length: 50 }, () => ({ id: null, at: hours(1), score: 1 })),
      20,
    );
    const report = await project.runView({ range: ALL, settings: { maxBadRows: 1 } });
    expect(report).toMatchObject({ rows_bad: 50 });
    expect(report.bad_samples.length).toBe(10);
  });

  test("too many bad rows fail the view before its checkpoint moves", async () => {
    await open();
    project.write("data/a.parquet", [...snapshot(1, 98), { id: null, at: hours(1), score: 1 }]);
    const report = await project.run({ range: ALL, settings: { maxBadRows: 0.01 } });
    expect(report.ok).toBe(false);
    expect(report.views[0]).toMatchObject({ status: "failed", checkpoint: null, error: { code: "TOO_MANY_BAD_ROWS" } });
    expect(report.views[0]!.error!.detail).toMatch(/^1 of 99 rows .* row 98 of data\/a\.parquet: Join key/);
    expect(await project.store.control.list("checkpoint/")).toEqual([]);
    expect((await project.run({ range: ALL, settings: { maxBadRows: 0.02 } })).ok).toBe(true);
  });

  test("so many bad rows that the rest can't make up for them stop the run at once", async () => {
    await open();
    project.write(
      "data/a.parquet",
      Array.from({ length: 10 }, () => ({ id: null, at: hours(1), score: 1 })),
    );
    project.write("data/b.parquet", snapshot(1, 10));
    const report = await project.runView({ range: ALL, settings: { maxBadRows: 0.4 } });
    expect(report).toMatchObject({ status: "failed", rows_read: 10, rows_written: 0 });
  });

  test("a second materialization of the view says who has it and until when, and leaves", async () => {
    await open();
    project.write("data/a.parquet", snapshot(1, 3));
    const lease = await takeLease({
      control: project.store.control,
      view: "scores",
      holder: { host: "elsewhere", pid: 7 },
      ttlMs: 60_000,
      now: () => NOW_MS,
    });
    const report = await project.runView({ range: ALL });
    expect(report).toMatchObject({ status: "failed", rows_read: 0, error: { code: "MATERIALIZE_RUNNING" } });
    expect(report.error!.detail).toMatch(/by process 7 on elsewhere\. Its lease runs until 2026-01-11T00:01:00\.000Z/);
    // A dead holder's lease runs out.
    expect(await project.runView({ range: ALL, now: () => NOW_MS + 60_001 })).toMatchObject({ status: "done" });
    await lease.release();
  });

  test("a lease that was lost does not move the checkpoint", async () => {
    await open();
    project.write("data/a.parquet", snapshot(1, 30), 10);
    const report = await project.runView({
      range: ALL,
      onProgress: ({ rowsRead }) => {
        if (rowsRead === 20) void overwriteLease(project.store);
      },
    });
    expect(report).toMatchObject({ status: "failed", checkpoint: null, error: { code: "MATERIALIZE_RUNNING" } });
  });

  test.each([
    ["float32 column as int64", { score: int64() }, "PARQUET_COLUMN_TYPE", /column "score" is FLOAT, which int64/],
    ["a field without a column", { score: float32(), extra: int32() }, "PARQUET_COLUMN_MISSING", /no column "extra"/],
  ])("%s is refused before anything is written", async (_, schema, code, sentence) => {
    await open([scoreView("scores", "data/*.parquet", { schema })]);
    project.write("data/a.parquet", snapshot(1, 3));
    const before = await project.store.control.list("");
    const report = await project.runView({ range: ALL });
    expect(report).toMatchObject({ status: "failed", error: { code, detail: expect.stringMatching(sentence) } });
    expect(await project.store.control.list("")).toEqual(before);
    expect(await project.stored()).toEqual({});
  });

  test("one unreadable file among many stops the view before a row is written", async () => {
    await open();
    project.write("data/a.parquet", snapshot(1, 3));
    writeFileSync(join(project.directory, "data/z.parquet"), "id,score\n1,2\n");
    const report = await project.runView({ range: ALL });
    expect(report).toMatchObject({ status: "failed", rows_read: 0, error: { code: "PARQUET_INVALID" } });
    expect(report.error!.detail).toMatch(/^data\/z\.parquet/);
    expect(await project.stored()).toEqual({});
  });

  test("a file that is replaced while it is read is noticed", async () => {
    await open();
    project.write("data/a.parquet", snapshot(1, 30), 10);
    const report = await project.runView({
      range: ALL,
      onProgress: ({ rowsRead, ended }) => {
        if (rowsRead === 10 && !ended) project.write("data/a.parquet", snapshot(2, 30), 10);
      },
    });
    expect(report).toMatchObject({
      status: "failed",
      rows_read: 10,
      checkpoint: null,
      error: { code: "SOURCE_CHANGED" },
    });
    expect(await project.runView({ range: ALL })).toMatchObject({ status: "done", rows_written: 30 });
  });

  test("a view that fails does not keep the others from loading", async () => {
    const broken = scoreView("broken", "nowhere/*.parquet");
    await open([broken, scoreView("scores", "data/*.parquet")]);
    project.write("data/a.parquet", snapshot(1, 3));
    const report = await project.run({ range: ALL });
    expect(report.ok).toBe(false);
    expect(report.views.map(({ view, status, error }) => [view, status, error?.code])).toEqual([
      ["broken", "failed", "SOURCE_NOT_FOUND"],
      ["scores", "done", undefined],
    ]);
  });

  test("views are chosen by name; unknown ones and those without files are refused", async () => {
    const streamed = featureView("streamed", {
      entities: [customer],
      schema: { score: float64() },
      stream: kafkaSource({ topic: "t", timestampField: "at" }),
    });
    await open([streamed, scoreView("scores", "data/*.parquet"), scoreView("others", "data/*.parquet")]);
    project.write("data/a.parquet", snapshot(1, 3));
    expect((await project.run({ range: ALL })).views.map(({ view }) => view)).toEqual(["others", "scores"]);
    expect((await project.run({ range: ALL, views: ["scores", "scores"] })).views.map(({ view }) => view)).toEqual([
      "scores",
    ]);
    await expect(project.run({ range: ALL, views: ["score"] })).rejects.toThrow(
      'There is no feature view "score"; there are others, scores, streamed.',
    );
    await expect(project.run({ range: ALL, views: ["streamed"] })).rejects.toMatchObject({ code: "SOURCE_NOT_FOUND" });
    await expect(project.run({ range: ALL, applied: undefined as never })).rejects.toMatchObject({
      code: "REGISTRY_NOT_APPLIED",
    });
  });

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

async function overwriteLease({ control }: OnlineStore): Promise<void> {
  const stolen = Buffer.from(JSON.stringify({ host: "other", pid: 1, token: "x", expires_at_ms: NOW_MS + 1 }));
  await control.compareAndSet("lease/scores", await control.get("lease/scores"), stolen);
}
