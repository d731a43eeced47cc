import { afterEach, expect, test } from "vitest";
import { HeadgateError } from "../errors.ts";
import { entity } from "../features/entity.ts";
import { featureView } from "../features/feature-view.ts";
import { float32, int64, string } from "../features/field.ts";
import { compileDecodeValues } from "../features/row-codec.ts";
import { readRowOrder } from "../features/row-order.ts";
import { fileSource } from "../features/source.ts";
import { openMemoryStore } from "../features/store/memory.ts";
import type { OnlineStore } from "../features/store/online-store.ts";
import {
  hours,
  NOW_MS,
  openScoreProject,
  type ScoreProject,
  scoreView,
  snapshot,
  T0,
} from "./fixtures/score-project.ts";

const ALL = { incremental: true, endUs: hours(100) } as const;

let project: ScoreProject;
afterEach(() => project.close());
const open = async (views: Parameters<typeof openScoreProject>[1]) => {
  project = await openScoreProject(() => openMemoryStore(), views);
};

test("a table partitioned as Spark does: keys, fields and the time are taken from the folders", async () => {
  const shopper = entity("shopper", { joinKeys: { region: string(), customer_id: int64() } });
  const hourly = featureView("scores", {
    entities: [shopper],
    schema: { score: float32(), hour: int64(), plan: string() },
    source: fileSource({ path: "table", timestampField: "dt", columns: { plan: "tariff" } }),
  });
  await open([shopper, hourly]);
  const partition = (dt: string, more: string) => `table/dt=${dt}/${more}`;
  project.write(partition("2026-01-01", "hour=05/region=M%C3%BCnchen/tariff=a/part-0.snappy.parquet"), snapshot(1, 2));
  project.write(
    partition("2026-01-02", "hour=06/region=eu/tariff=__HIVE_DEFAULT_PARTITION__/part-0.parquet"),
    snapshot(1, 3),
  );
  project.write(partition("2026-01-02", "hour=06/region=eu/tariff=b/_temporary/part-1.parquet"), snapshot(1, 9));
  const report = await project.runView({ range: ALL });
  expect(report).toMatchObject({ status: "done", files: 2, rows_read: 5, rows_written: 5 });
  const rows = (await project.store.scan("scores", 100)).rows;
  const decode = compileDecodeValues([float32(), int64(), string()]);
  expect(rows.map(({ key, bytes }) => [key, readRowOrder(bytes).eventTimestampUs, ...decode(bytes)]).sort()).toEqual([
    ["customer_id=0&region=M%C3%BCnchen", T0, Math.fround(0.1), 5, "a"],
    ["customer_id=0&region=eu", hours(24), Math.fround(0.1), 6, null],
    ["customer_id=1&region=M%C3%BCnchen", T0, Math.fround(1.1), 5, "a"],
    ["customer_id=1&region=eu", hours(24), Math.fround(1.1), 6, null],
    ["customer_id=2&region=eu", hours(24), Math.fround(2.1), 6, null],
  ]);
  // Whole folders are outside of an interval by their names, and nothing of them is read but the footers.
  const day = await project.runView({ range: { startUs: hours(24), endUs: hours(48) } });
  expect(day).toMatchObject({ rows_read: 3, rows_skipped: 2, rows_equal: 3 });
  project.write(partition("yesterday", "hour=1/region=eu/tariff=b/part-0.parquet"), snapshot(1, 1));
  const { error } = await project.runView({ range: ALL });
  expect(error).toMatchObject({
    code: "PARQUET_COLUMN_TYPE",
    detail: expect.stringMatching(/gives "dt" the value "yesterday"/),
  });
});

test("what a file has itself is not taken from its folder", async () => {
  await open([scoreView("scores", "table/**/*.parquet")]);
  project.write("table/score=99/customer_id=99/part-0.parquet", snapshot(1, 1));
  await project.runView({ range: ALL });
  expect(await project.stored()).toMatchObject({ "customer_id=0": { score: Math.fround(0.1) } });
});

test("a rate holds writes back, in pieces, and a store that is away for a moment is waited for", async () => {
  let nowMs = NOW_MS;
  let failures = 3;
  const waits: number[] = [];
  const flaky = (): OnlineStore => {
    const store = openMemoryStore();
    const write = store.write.bind(store);
    store.write = async (rows) => {
      if (failures-- > 0) throw new HeadgateError("STORE_UNREACHABLE", "It is away.");
      return write(rows);
    };
    return store;
  };
  project = await openScoreProject(flaky);
  project.write("data/a.parquet", snapshot(1, 500));
  const wait = async (ms: number) => {
    waits.push(ms);
    nowMs += ms;
  };
  const report = await project.runView({ range: ALL, now: () => nowMs, wait, settings: { materializeRate: 100 } });
  expect(report).toMatchObject({ status: "done", rows_written: 500 });
  expect(waits.slice(0, 3)).toEqual([100, 200, 400]);
  expect(nowMs - NOW_MS).toBeGreaterThan(4_000);
});
