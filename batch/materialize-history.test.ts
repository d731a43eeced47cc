import { afterEach, beforeEach, expect, test } from "vitest";
import { HeadgateError } from "../errors.ts";
import { readMaterialized } from "../features/materialized-view.ts";
import { openMemoryStore } from "../features/store/memory.ts";
import type { OnlineStore } from "../features/store/online-store.ts";
import { readCheckpoint } from "./checkpoint.ts";
import { hours, openScoreProject, type RunOptions, type ScoreProject, snapshot } from "./fixtures/score-project.ts";

let project: ScoreProject;
/** The store's history. */
let history: string;
let store: OnlineStore;
beforeEach(async () => {
  history = "first";
  store = Object.assign(openMemoryStore(), { history: async () => history });
  project = await openScoreProject(() => store);
});
afterEach(() => project.close());

const incremental = (hour: number, more: Partial<RunOptions> = {}) =>
  project.runView({ range: { incremental: true, endUs: hours(hour) }, ...more });
const checkpoint = async () => (await readCheckpoint(store.control, "scores")).checkpoint;

/** Takes rows away as a failover does that loses them. */
async function lose(ids: readonly number[]): Promise<void> {
  for (const id of ids) {
    const key = `customer_id=${id}`;
    const [stored] = (await store.read([{ key, fields: ["scores"] }]))[0]!.rows;
    const row = { key, field: "scores", bytes: stored!.bytes.subarray(0, 1), expireAtMs: 0 };
    expect(await store.replace(row, stored!.bytes)).toBe(true);
  }
  await store.sweep(1);
}

test("a store that fails over in mid-load is loaded again, and the report says so", async () => {
  project.write("data/a.parquet", snapshot(1, 20), 5);
  let hasFailedOver = false;
  const onProgress = () => {
    if (!hasFailedOver) history = "second";
    hasFailedOver = true;
  };
  const report = await incremental(100, { onProgress });
  expect(report).toMatchObject({ status: "done", rows_read: 20, rows_equal: 20, rows_written: 0, files: 1 });
  expect(report.warnings).toEqual([expect.stringMatching(/failed over meanwhile; the view was loaded again/)]);
  expect(await checkpoint()).toMatchObject({ history: "second", end_us: hours(100) });
});

test("a store that fails over every time fails the load with its checkpoint unmoved", async () => {
  project.write("data/a.parquet", snapshot(1, 20), 5);
  let reads = 0;
  store.history = async () => `run ${reads++}`;
  const report = await incremental(100);
  expect(report).toMatchObject({ status: "failed", error: { code: "STORE_UNREACHABLE" } });
  expect(report.error!.detail).toMatch(/"scores" was loaded, so rows .* may be lost; the checkpoint has not moved/);
  expect(reads).toBe(6);
  expect(await checkpoint()).toBeUndefined();
});

test("what a store lost after a load is loaded again by the next incremental one, within the lookback", async () => {
  // The view's ttl, which is its lookback, is two days.
  project.write("data/old.parquet", snapshot(1, 10));
  project.write(
    "data/new.parquet",
    snapshot(90, 10).map((row) => ({ ...row, id: Number(row.id) + 10 })),
  );
  await incremental(100);
  await lose([3, 13, 14]);
  expect(Object.keys(await project.stored()).length).toBe(17);
  expect(await incremental(101)).toMatchObject({ files: 0, files_skipped: 2 });
  history = "second";
  expect(await incremental(102)).toMatchObject({ files: 1, files_skipped: 1, rows_written: 2, rows_equal: 8 });
  expect(Object.keys(await project.stored()).length).toBe(19);
  expect(await incremental(103)).toMatchObject({ files: 0 });
  // What is older than the lookback is loaded by its interval.
  const older = { startUs: hours(0), endUs: hours(50) };
  expect(await project.runView({ range: older })).toMatchObject({ rows_written: 1 });
});

test("an interval of another history leaves it to the next incremental load to look for what was lost", async () => {
  project.write("data/a.parquet", snapshot(90, 10));
  await incremental(100);
  history = "second";
  await project.runView({ range: { startUs: hours(0), endUs: hours(1) } });
  expect(await checkpoint()).toMatchObject({ history: "first" });
  expect(await incremental(100)).toMatchObject({ files: 1, rows_equal: 10 });
  expect(await checkpoint()).toMatchObject({ history: "second" });
});

test("every control record that a load reads or writes is waited for when the store is away for a moment", async () => {
  project.write("data/a.parquet", snapshot(1, 10));
  const { control } = store;
  const away = () => new HeadgateError("STORE_UNREACHABLE", "The store is away.");
  // The first call for each kind of record is refused, or done and its answer lost.
  const seen = new Set<string>();
  const isFirst = (call: string) => seen.size < seen.add(call.replace(/[/][0-9]+$/, "/i")).size;
  Object.assign(store, {
    control: {
      get: async (name: string) => {
        if (isFirst(`get ${name}`)) throw away();
        return control.get(name);
      },
      list: async (prefix: string) => {
        if (isFirst(`list ${prefix}`)) throw away();
        return control.list(prefix);
      },
      compareAndSet: async (name: string, ...values: [Uint8Array | undefined, Uint8Array | undefined]) => {
        const isSet = await control.compareAndSet(name, ...values);
        if (isFirst(`set ${name}`)) throw away();
        return isSet;
      },
    },
  });
  const waited = { wait: async () => {} };
  for (const index of [1, 2])
    expect(await incremental(100, { ...waited, shard: { index, of: 2 } })).toMatchObject({ status: "done" });
  project.write("data/b.parquet", snapshot(2, 10));
  expect(await incremental(101, waited)).toMatchObject({ status: "done", checkpoint: "2026-01-05T05:00:00.000Z" });
  expect(seen.size).toBeGreaterThan(10);
});

test("whatever an abort makes the store throw, nothing has failed", async () => {
  project.write("data/a.parquet", snapshot(1, 10));
  const controller = new AbortController();
  store.write = async () => {
    controller.abort();
    throw new Error("The connection was closed.");
  };
  const report = await incremental(100, { signal: controller.signal });
  expect(report).toMatchObject({ status: "aborted" });
  expect(report.error).toBeUndefined();
  expect((await readMaterialized(store.control, ["scores"])).get("scores")).toEqual({});
});
