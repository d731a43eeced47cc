import { afterEach, expect, test } from "vitest";
import { readMaterialized } from "../features/materialized-view.ts";
import { openMemoryStore } from "../features/store/memory.ts";
import type { OnlineStore } from "../features/store/online-store.ts";
import { readCheckpoint } from "./checkpoint.ts";
import {
  hours,
  NOW_MS,
  openScoreProject,
  type RunOptions,
  type ScoreProject,
  type StoredScore,
  snapshot,
} from "./fixtures/score-project.ts";
import { takeLease } from "./lease.ts";

const ALL = { incremental: true, endUs: hours(100) } as const;
const FILES = { "data/a.parquet": 1, "data/b.parquet": 3, "data/c.parquet": 2 };

let project: ScoreProject;
afterEach(() => project.close());

async function open(): Promise<void> {
  project = await openScoreProject(() => openMemoryStore());
  for (const [path, hour] of Object.entries(FILES)) project.write(path, snapshot(hour, 40 * hour), 7);
}

const runShard = (index: number, of: number, more: Partial<RunOptions> = {}) =>
  project.runView({ range: ALL, shard: { index, of }, ...more });

const checkpointOf = async (store: OnlineStore) => (await readCheckpoint(store.control, "scores")).checkpoint;

/** What one process alone ends with. */
async function unbroken(): Promise<{ readonly stored: Record<string, StoredScore>; readonly checkpoint: unknown }> {
  await open();
  await project.runView({ range: ALL });
  const ended = { stored: await project.stored(), checkpoint: await checkpointOf(project.store) };
  await project.close();
  return ended;
}

const ORDERS = [
  [1, 2, 3],
  [3, 1, 2],
];

test.each(ORDERS)(
  "shards in the order %i, %i, %i end as one process does, and the last moves the checkpoint",
  async (...order) => {
    const alone = await unbroken();
    await open();
    const reports = [];
    for (const index of order) {
      expect(await checkpointOf(project.store)).toBeUndefined();
      reports.push(await runShard(index, 3));
    }
    expect(reports.map(({ status, shard }) => [status, shard?.done])).toEqual([
      ["done", 1],
      ["done", 2],
      ["done", 3],
    ]);
    expect(reports.reduce((sum, { rows_read }) => sum + rows_read, 0)).toBe(240);
    const written = reports.reduce((sum, { rows_written }) => sum + rows_written, 0);
    const recorded = (await readMaterialized(project.store.control, ["scores"])).get("scores");
    expect(recorded).toMatchObject({ success: { end_us: ALL.endUs, rows_written: written } });
    for (const { rows_read } of reports) expect(Math.abs(rows_read - 80)).toBeLessThanOrEqual(7);
    expect(await project.stored()).toEqual(alone.stored);
    expect(await project.store.control.list("plan/")).toEqual(["plan/scores"]);
    expect(await project.store.control.list("lease/")).toEqual([]);
    const { files } = (await checkpointOf(project.store))!;
    expect(Object.keys(files)).toEqual(Object.keys(FILES));
    expect(await project.runView({ range: ALL })).toMatchObject({ status: "done", files: 0, files_skipped: 3 });
    expect((await project.store.control.list("origin/")).length).toBe(1);
  },
);

test("a shard that is run again after all are done finds that, and loads nothing", async () => {
  await open();
  for (const index of [1, 2]) await runShard(index, 2);
  const before = await checkpointOf(project.store);
  expect(await runShard(2, 2)).toMatchObject({
    status: "done",
    files: 0,
    rows_read: 0,
    shard: { index: 2, of: 2, done: 2 },
  });
  expect(await checkpointOf(project.store)).toEqual(before);
});

test("a shard that was stopped half way is run again and the rest is as if nothing had been", async () => {
  const alone = await unbroken();
  await open();
  await runShard(1, 3);
  const controller = new AbortController();
  const onProgress: RunOptions["onProgress"] = ({ rowsRead }) => rowsRead >= 14 && controller.abort();
  expect(await runShard(2, 3, { signal: controller.signal, onProgress, writeRows: 5 })).toMatchObject({
    status: "aborted",
  });
  expect(await runShard(3, 3)).toMatchObject({ shard: { done: 2 } });
  expect(await checkpointOf(project.store)).toBeUndefined();
  expect(await runShard(2, 3)).toMatchObject({ status: "done", shard: { done: 3 } });
  expect(await project.stored()).toEqual(alone.stored);
});

test("a shard that is run again hours later still follows the plan, and one that is run again long after finds it done", async () => {
  await open();
  await runShard(1, 2);
  const later = () => NOW_MS + 5 * 3_600_000;
  expect(await runShard(2, 2, { now: later })).toMatchObject({ status: "done", shard: { done: 2 } });
  expect(await runShard(2, 2, { now: later })).toMatchObject({ rows_read: 0, shard: { done: 2 } });
  const muchLater = () => NOW_MS + 9 * 3_600_000;
  expect(await runShard(2, 2, { now: muchLater })).toMatchObject({ rows_read: 0, shard: { done: 2 } });
});

test("shards that come at once agree on one plan", async () => {
  const alone = await unbroken();
  await open();
  const reports = await Promise.all([1, 2, 3, 4, 5].map((index) => runShard(index, 5)));
  expect(reports.map(({ status, error }) => [status, error])).toEqual(reports.map(() => ["done", undefined]));
  expect(Math.max(...reports.map(({ shard }) => shard!.done))).toBe(5);
  expect(await project.stored()).toEqual(alone.stored);
  expect((await checkpointOf(project.store))!.end_us).toBe(ALL.endUs);
});

test("what comes after the plan's making is left to the next run", async () => {
  await open();
  await runShard(1, 2);
  project.write("data/d.parquet", [{ id: 999, at: hours(1), score: 1 }]);
  await runShard(2, 2);
  expect((await project.stored())["customer_id=999"]).toBeUndefined();
  expect(await project.runView({ range: ALL })).toMatchObject({ files: 1, rows_written: 1 });
});

test("a file that changed since the plan is refused by name, and --restart begins anew", async () => {
  await open();
  await runShard(1, 2);
  project.write("data/b.parquet", snapshot(4, 120), 7);
  const { status, error } = await runShard(2, 2);
  expect(status).toBe("failed");
  expect(error).toMatchObject({
    code: "SOURCE_CHANGED",
    detail: expect.stringMatching(/^data\/b\.parquet changed since the shards' plan .* --restart to one shard/),
  });
  expect(await runShard(2, 2, { restart: true })).toMatchObject({ status: "done", shard: { done: 1 } });
  expect(await runShard(1, 2)).toMatchObject({ status: "done", shard: { done: 2 } });
  expect((await project.stored())["customer_id=7"]).toMatchObject({ at: hours(4) });
});

test.each<[string, Partial<RunOptions>]>([
  ["another end", { range: { incremental: true, endUs: hours(101) } }],
  ["an interval", { range: { startUs: hours(0), endUs: hours(100) } }],
  ["another number of shards", { shard: { index: 2, of: 4 } }],
])("%s is refused while a plan is open, and taken once nobody works on it", async (_, other) => {
  await open();
  await runShard(1, 2);
  const { status, error } = await runShard(2, 2, other);
  expect([status, error?.code]).toEqual(["failed", "MATERIALIZE_RUNNING"]);
  expect(error!.detail).toMatch(
    /unfinished plan .*: what is new to 2026-01-05T04:00:00\.000Z in 2 shards \(materialize .*--restart/,
  );
  const later = () => NOW_MS + 30 * 60_000 + 1;
  expect(await runShard(2, 2, { ...other, now: later })).toMatchObject({ status: "done", shard: { done: 1 } });
});

test("a shard and the view as a whole exclude one another; other shards do not", async () => {
  await open();
  const hold = (shard?: { index: number; of: number }) =>
    takeLease({
      control: project.store.control,
      view: "scores",
      shard,
      holder: { host: "elsewhere", pid: 7 },
      ttlMs: 60_000,
      now: () => NOW_MS,
    });
  const ofShard = await hold({ index: 2, of: 3 });
  const refused = {
    status: "failed",
    error: { code: "MATERIALIZE_RUNNING", detail: expect.stringMatching(/^Shard 2 of feature view "scores" is being/) },
  };
  expect(await project.runView({ range: ALL })).toMatchObject(refused);
  const wait = async () => {};
  expect(await runShard(2, 3, { wait })).toMatchObject(refused);
  expect(await project.store.control.list("lease/")).toEqual(["lease/scores/2"]);
  expect(await runShard(1, 3)).toMatchObject({ status: "done" });
  expect(await runShard(1, 3, { restart: true })).toMatchObject({ shard: { done: 1 } });
  await ofShard.release();
  const whole = await hold();
  expect(await runShard(2, 3)).toMatchObject({
    status: "failed",
    error: { detail: expect.stringMatching(/^Feature view "scores" is being/) },
  });
  await whole.release();
});

test("bad rows are judged over all shards, by the last, and too many drop the plan", async () => {
  await open();
  // Ten of 250 rows, all of them in the first shard's part.
  const bad = Array.from({ length: 10 }, () => ({ id: null, at: hours(1), score: 1 }));
  project.write("data/0.parquet", bad, 10);
  const settings = { maxBadRows: 0.02 };
  expect(await runShard(1, 2, { settings })).toMatchObject({ status: "failed", error: { code: "TOO_MANY_BAD_ROWS" } });
  project.write("data/0.parquet", bad.slice(0, 4), 10);
  expect(await runShard(1, 2, { settings })).toMatchObject({ status: "done", rows_bad: 4, shard: { done: 1 } });
  const strict = await runShard(2, 2, { settings: { maxBadRows: 0.001 } });
  expect(strict).toMatchObject({ status: "failed", rows_bad: 0, error: { code: "TOO_MANY_BAD_ROWS" } });
  expect(strict.error!.detail).toMatch(/^4 of 244 rows .* of data\/0\.parquet/);
  expect(await checkpointOf(project.store)).toBeUndefined();
  expect(await project.store.control.list("plan/")).toEqual([]);
  project.write("data/0.parquet", bad.slice(0, 0), 10);
  for (const index of [2, 1]) expect(await runShard(index, 2)).toMatchObject({ status: "done" });
  expect((await checkpointOf(project.store))!.end_us).toBe(ALL.endUs);
});

test("more shards than ranges: those without a part are done at once", async () => {
  await open();
  for (let index = 1; index <= 50; index++)
    expect(await runShard(index, 50)).toMatchObject({ status: "done", shard: { done: index } });
  expect((await checkpointOf(project.store))!.end_us).toBe(ALL.endUs);
});

test("an interval in shards ends as one process does", async () => {
  await open();
  const range = { startUs: hours(2), endUs: hours(3) };
  await project.runView({ range });
  const alone = { stored: await project.stored(), checkpoint: await checkpointOf(project.store) };
  await project.close();
  await open();
  for (const index of [2, 1]) await runShard(index, 2, { range });
  expect(await project.stored()).toEqual(alone.stored);
  // The files' ETags are of their own folders.
  expect(Object.keys((await checkpointOf(project.store))!.files)).toEqual(
    Object.keys((alone.checkpoint as { files: object }).files),
  );
});
