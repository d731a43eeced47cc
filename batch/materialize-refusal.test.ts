import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { featureView } from "../features/feature-view.ts";
import { float32, float64, int32, int64 } from "../features/field.ts";
import { kafkaSource } from "../features/source.ts";
import { openMemoryStore } from "../features/store/memory.ts";
import type { OnlineStore } from "../features/store/online-store.ts";
import {
  customer,
  hours,
  NOW_MS,
  openScoreProject,
  type RunOptions,
  type ScoreProject,
  type ScoreRow,
  scoreView,
  snapshot,
} from "./fixtures/score-project.ts";
import { takeLease } from "./lease.ts";

const ALL = { incremental: true, endUs: hours(100) } as const;

let project: ScoreProject;
afterEach(() => project.close());
const open = async (views?: Parameters<typeof openScoreProject>[1]) => {
  project = await openScoreProject(() => openMemoryStore(), views);
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

test("an end in the future is refused before anything is read, of an interval and of what is new", async () => {
  await open();
  const endUs = (NOW_MS + 300_001) * 1_000;
  for (const range of [
    { startUs: 0, endUs },
    { incremental: true as const, endUs },
  ])
    await expect(project.run({ range })).rejects.toMatchObject({ code: "INTERVAL_INVALID" });
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
  // That it failed is told; nothing else is left behind.
  expect(await project.store.control.list("")).toEqual([...before, "materialized/scores"].sort());
  expect(await project.stored()).toEqual({});
});

test.each(["score", "customer_id"])(
  "%s as the timestamp is to be cast: no type can be declared for it",
  async (column) => {
    await open([scoreView("scores", "data/*.parquet", { timestampField: column })]);
    project.write("data/a.parquet", snapshot(1, 3));
    const { error } = await project.runView({ range: ALL });
    expect(error).toMatchObject({
      code: "PARQUET_COLUMN_TYPE",
      detail: expect.stringMatching(/timestamp can't take without loss; cast the column to TIMESTAMP where/),
    });
  },
);

test("a null timestamp is told by its column, in whole sentences", async () => {
  await open();
  project.write("data/a.parquet", [{ id: 1, at: null, score: 1 }]);
  const { error } = await project.runView({ range: ALL });
  expect(error).toMatchObject({
    code: "TOO_MANY_BAD_ROWS",
    detail: expect.stringMatching(
      /^1 of 1 row of .* column "event_ts": the timestamp is null; .*[^.]\. Repair the files/,
    ),
  });
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

test.each(["replaced", "removed"])("a file that is %s while it is read is noticed", async (what) => {
  await open();
  project.write("data/a.parquet", snapshot(1, 40_000), 1_000);
  const report = await project.runView({
    range: ALL,
    onProgress: ({ rowsRead, ended }) => {
      if (rowsRead !== 1_000 || ended) return;
      if (what === "replaced") project.write("data/a.parquet", snapshot(2, 40_000), 1_000);
      else project.remove("data/a.parquet");
    },
  });
  expect(report).toMatchObject({ status: "failed", checkpoint: null, error: { code: "SOURCE_CHANGED" } });
  expect(report.error!.detail).toMatch(/^data\/a\.parquet/);
  expect(report.rows_read).toBeLessThan(40_000);
  if (what === "removed") project.write("data/a.parquet", snapshot(2, 40_000), 1_000);
  expect(await project.runView({ range: ALL })).toMatchObject({ status: "done", rows_written: 40_000 });
});

test("a small file that is replaced after it was read is loaded as it was, and is new to the next run", async () => {
  await open();
  project.write("data/a.parquet", snapshot(1, 30), 10);
  const onProgress: RunOptions["onProgress"] = ({ rowsRead, ended }) => {
    if (rowsRead === 10 && !ended) project.write("data/a.parquet", snapshot(2, 30), 10);
  };
  expect(await project.runView({ range: ALL, onProgress })).toMatchObject({ status: "done", rows_written: 30 });
  expect((await project.stored())["customer_id=7"]).toMatchObject({ at: hours(1) });
  expect(await project.runView({ range: ALL })).toMatchObject({ status: "done", files: 1, rows_written: 30 });
  expect((await project.stored())["customer_id=7"]).toMatchObject({ at: hours(2) });
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

async function overwriteLease({ control }: OnlineStore): Promise<void> {
  const stolen = Buffer.from(JSON.stringify({ host: "other", pid: 1, token: "x", expires_at_ms: NOW_MS + 1 }));
  await control.compareAndSet("lease/scores", await control.get("lease/scores"), stolen);
}
