import { afterEach, beforeEach, expect, test } from "vitest";
import { readMaterialized } from "../features/materialized-view.ts";
import { openMemoryStore } from "../features/store/memory.ts";
import { readCheckpoint } from "./checkpoint.ts";
import {
  hours,
  NOW_MS,
  openScoreProject,
  type RunOptions,
  type ScoreProject,
  snapshot,
} from "./fixtures/score-project.ts";
import { takeLease } from "./lease.ts";
import type { ViewReport } from "./report.ts";
import { recordDone } from "./shard-plan.ts";

const RANGE = { startUs: hours(0), endUs: hours(100) };
const NEXT_DAY_MS = NOW_MS + 86_400_000;

let project: ScoreProject;
/** The store's history. */
let history: string;
beforeEach(async () => {
  history = "first";
  project = await openScoreProject(() => Object.assign(openMemoryStore(), { history: async () => history }));
  project.write("data/a.parquet", snapshot(1, 100), 7);
});
afterEach(() => project.close());

const runShard = (index: number, more: Partial<RunOptions> = {}) =>
  project.runView({ range: RANGE, shard: { index, of: 3 }, holder: { host: `h${index}`, pid: 1 }, ...more });
const nextDay = { now: () => NEXT_DAY_MS };

const statuses = (reports: readonly ViewReport[]) => reports.map(({ status, error }) => [status, error?.code]);
const ALL_DONE = [1, 2, 3].map(() => ["done", undefined]);
const planNames = () => project.store.control.list("plan/");

/** How many rows are of an hour. */
async function rowsOf(hour: number): Promise<number> {
  return Object.values(await project.stored()).filter(({ at }) => at === hours(hour)).length;
}

/** Shards that hold their leases before any looks for a plan. */
const together = (more: Partial<RunOptions>) => Promise.all([1, 2, 3].map((index) => runShard(index, more)));

/** Shards one after another, the first two at once. */
async function staggered(more: Partial<RunOptions>): Promise<ViewReport[]> {
  const first = await Promise.all([1, 2].map((index) => runShard(index, more)));
  return [...first, await runShard(3, more)];
}

test.each([
  ["together", together],
  ["staggered", staggered],
])("run again the next day with a mended file, %s, all of it is loaded", async (_, load) => {
  await together({});
  project.write("data/a.parquet", snapshot(2, 100), 7);
  const reports = await load(nextDay);
  expect(statuses(reports)).toEqual(ALL_DONE);
  expect(Math.max(...reports.map(({ shard }) => shard!.done))).toBe(3);
  expect(await rowsOf(2)).toBe(100);
  expect(await planNames()).toEqual(["plan/scores"]);
  const another = { range: { startUs: hours(0), endUs: hours(101) }, now: () => NEXT_DAY_MS + 60_000 };
  expect(await runShard(1, another)).toMatchObject({ status: "done", shard: { done: 1 } });
});

test.each([
  ["together", together],
  ["staggered", staggered],
])("a plan of another request that was given up gives way to shards that start %s", async (_, load) => {
  await runShard(1);
  const reports = await load({ ...nextDay, range: { startUs: hours(0), endUs: hours(50) } });
  expect(statuses(reports)).toEqual(ALL_DONE);
  expect((await readCheckpoint(project.store.control, "scores")).checkpoint).toMatchObject({ end_us: hours(50) });
});

test("an unfinished plan that was given up gives way to the same request when its files have changed, not before", async () => {
  await runShard(1);
  expect(await runShard(2, nextDay)).toMatchObject({ status: "done", shard: { done: 2 } });
  project.write("data/a.parquet", snapshot(2, 100), 7);
  expect(await runShard(3, nextDay)).toMatchObject({ status: "failed", error: { code: "SOURCE_CHANGED" } });
  const dayAfter = { now: () => NEXT_DAY_MS + 86_400_000 };
  expect(statuses(await together(dayAfter))).toEqual(ALL_DONE);
  expect(await rowsOf(2)).toBe(100);
});

test("a plan that a shard is at work on is kept, however old, also from --restart", async () => {
  await runShard(1);
  const { plan } = JSON.parse(`{"plan":${Buffer.from((await project.store.control.get("plan/scores"))!)}}`);
  const { control } = project.store;
  const holder = { host: "elsewhere", pid: 7 };
  const shard = { index: 2, of: 3 };
  const lease = await takeLease({ control, view: "scores", shard, holder, ttlMs: 60_000, now: () => NEXT_DAY_MS });
  await lease.follow(plan.run);
  const other = { ...nextDay, range: { startUs: hours(0), endUs: hours(50) }, restart: true };
  expect(await runShard(1, other)).toMatchObject({ status: "failed", error: { code: "MATERIALIZE_RUNNING" } });
  expect(await runShard(3, { ...nextDay, restart: true })).toMatchObject({ shard: { done: 2 } });
  await lease.release();
  expect(await runShard(1, other)).toMatchObject({ status: "done", shard: { done: 1 } });
});

test("a shard whose plan was replaced does not speak for the new one's", async () => {
  await runShard(1);
  const { control } = project.store;
  const record = JSON.parse(Buffer.from((await control.get("plan/scores/1"))!).toString());
  const stale = { ...record, run: "another" };
  const shard = { index: 1, of: 3 };
  await expect(recordDone(control, "scores", shard, stale)).rejects.toMatchObject({ code: "CONTROL_CONFLICT" });
  expect(JSON.parse(Buffer.from((await control.get("plan/scores/1"))!).toString())).toEqual(record);
});

test("after too many bad rows over all shards a repaired file loads", async () => {
  const isBad = (i: number) => i % 10 === 0;
  project.write(
    "data/a.parquet",
    snapshot(1, 100).map((row, i) => (isBad(i) ? { ...row, id: null } : row)),
    7,
  );
  const settings = { maxBadRows: 0.06 };
  const first = [];
  for (const index of [1, 2, 3]) first.push(await runShard(index, { settings }));
  expect(statuses(first).at(-1)).toEqual(["failed", "TOO_MANY_BAD_ROWS"]);
  expect(await planNames()).toEqual([]);
  project.write("data/a.parquet", snapshot(1, 100), 7);
  for (const index of [1, 2, 3]) expect(await runShard(index, { settings })).toMatchObject({ status: "done" });
  expect(await rowsOf(1)).toBe(100);
});

test("a store that failed over while shards load fails the last of them, drops the plan, and then all of it loads", async () => {
  await runShard(1);
  const onProgress = () => {
    history = "second";
  };
  const failed = await runShard(2, { onProgress });
  expect(failed).toMatchObject({ status: "failed", error: { code: "STORE_UNREACHABLE" } });
  expect(failed.error!.detail).toMatch(/failed over while feature view "scores" was loaded.*all of its shards again/);
  expect(await planNames()).toEqual([]);
  expect(statuses(await together({}))).toEqual(ALL_DONE);
  const recorded = (await readMaterialized(project.store.control, ["scores"])).get("scores");
  expect(recorded).toMatchObject({ success: { end_us: RANGE.endUs } });
});

test("a plan, or the stub of one, of another history gives way", async () => {
  await runShard(1);
  history = "second";
  expect(statuses(await together({}))).toEqual(ALL_DONE);
  expect(await runShard(2)).toMatchObject({ rows_read: 0, shard: { done: 3 } });
  history = "third";
  expect(await runShard(2)).toMatchObject({ shard: { done: 1 } });
  expect(await runShard(1)).toMatchObject({ shard: { done: 2 } });
});

test("a shard waits for the lease of its dead self, and says so once", async () => {
  const { control } = project.store;
  let nowMs = NOW_MS;
  const now = () => nowMs;
  const shard = { index: 1, of: 3 };
  // Held by a process that is no more, on a host that can't be asked.
  await takeLease({ control, view: "scores", shard, holder: { host: "gone", pid: 7 }, ttlMs: 60_000, now });
  const told: string[] = [];
  const wait = async (waitMs: number) => {
    nowMs += waitMs;
  };
  const onWait = (sentence: string) => told.push(sentence);
  expect(await runShard(1, { now, wait, onWait })).toMatchObject({ status: "done", shard: { done: 1 } });
  expect(nowMs - NOW_MS).toBe(60_000);
  expect(told).toEqual([expect.stringMatching(/^Shard 1 of feature view "scores" waits for .* process 7 on gone/)]);
});

test("a shard that waits leaves as soon as the holder renews, or when it is aborted", async () => {
  const { control } = project.store;
  const shard = { index: 1, of: 3 };
  const holder = { host: "alive", pid: 7 };
  let nowMs = NOW_MS;
  const now = () => nowMs;
  const lease = await takeLease({ control, view: "scores", shard, holder, ttlMs: 60_000, now });
  const wait = async () => {
    nowMs += 1_000;
    await lease.renew();
  };
  const report = await runShard(1, { now, wait });
  expect(report).toMatchObject({ status: "failed", error: { code: "MATERIALIZE_RUNNING" } });
  expect(nowMs - NOW_MS).toBe(1_000);
  const controller = new AbortController();
  const abort = async () => {
    controller.abort();
    throw controller.signal.reason;
  };
  expect(await runShard(1, { now, wait: abort, signal: controller.signal })).toMatchObject({ status: "aborted" });
  await lease.release();
});
