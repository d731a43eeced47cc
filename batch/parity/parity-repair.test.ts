import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openMemoryStore } from "../../features/store/memory.ts";
import type { OnlineStore } from "../../features/store/online-store.ts";
import {
  hoursAgo,
  LOADED_AT_MS,
  openParityProject,
  type ParityProject,
  WIDE,
  type WideRow,
  wideValues,
} from "./fixtures/parity-project.ts";
import { plant, streamedWrite } from "./fixtures/planted.ts";
import { over, racing } from "./fixtures/racing-store.ts";

let project: ParityProject;
beforeEach(async () => {
  project = await openParityProject(() => openMemoryStore());
});
afterEach(() => project.close());

const LATE_MS = LOADED_AT_MS + 60_000;
const row = (id: number, hours: number, value = id): WideRow => ({
  ...{ id, at: hoursAgo(hours), created: hoursAgo(hours) + 1_000 },
  values: wideValues(value),
});
const storedEvent = async (id: number) => {
  const { rows } = (await project.store.read([{ key: `customer_id=${id}`, fields: [WIDE] }]))[0]!;
  return rows[0] && Buffer.from(rows[0].bytes).toString("hex");
};

function expectValues(kwargs: object, severity = "critical"): void {
  mkdirSync(join(project.directory, "expectations"));
  const expectations = [{ type: "expect_column_values_to_be_between", kwargs, severity }];
  writeFileSync(join(project.directory, `expectations/${WIDE}.json`), JSON.stringify({ name: "rows", expectations }));
}

test.each(["plan", "write"] as const)(
  "files that a suite refuses to a load are refused to a repair (%s)",
  async (repair) => {
    project.write("data/base.parquet", [row(1, 20), row(2, 20)]);
    await project.materialize();
    expectValues({ column: "i32", max_value: 0 });
    project.write("data/late.parquet", [row(1, 8, 3_000)], LATE_MS);
    await expect(project.materialize()).rejects.toThrow("EXPECTATIONS_FAILED");
    const before = await storedEvent(1);
    const view = await project.runView({ repair });
    expect(view).toMatchObject({ verdict: "fail", outcomes: { stale: 1 } });
    expect(view.repair).toBeUndefined();
    expect(view.reason).toContain("Nothing is repaired");
    expect(view.reason).toContain('Suite "rows" is not met: expect_column_values_to_be_between of i32 (1 of 1 rows');
    expect(await storedEvent(1)).toBe(before);
  },
);

test("what is not critical, or was loaded before the suite was there, keeps no repair from its work", async () => {
  project.write("data/base.parquet", [row(1, 20, 3_000)]);
  await project.materialize();
  expectValues({ column: "i32", max_value: 0 });
  project.write("data/late.parquet", [row(1, 8)], LATE_MS);
  expect((await project.runView({ repair: "write" })).repair).toMatchObject({ written: 1 });
});

test("more bad rows than a load takes are refused to a repair", async () => {
  project.write(
    "data/base.parquet",
    Array.from({ length: 50 }, (_, i) => row(i + 1, 20)),
  );
  await project.materialize();
  const bad = [3, 4].map((id) => ({ ...row(id, 8), at: Number.MAX_SAFE_INTEGER }));
  project.write("data/late.parquet", [row(1, 8), ...bad], LATE_MS);
  await expect(project.materialize()).rejects.toThrow("TOO_MANY_BAD_ROWS");
  const before = await storedEvent(1);
  const view = await project.runView({ repair: "write" });
  expect(view).toMatchObject({ verdict: "fail", rows_bad: 2 });
  expect(view.reason).toContain("2 rows of the files could not be taken.");
  // The share is of the files that a load would read, not of all.
  expect(view.reason).toContain("2 of 3 rows");
  expect(await storedEvent(1)).toBe(before);
  const allowed = await project.runView({ repair: "write", settings: { maxBadRows: 0.7 } });
  expect(allowed.repair).toMatchObject({ written: 1 });
});

test("a row, or a delete, that is dated ahead of the clock gives way to the files' row", async () => {
  await plant(project, ["skewed", "skewed_delete", "same"]);
  const found = await project.runView({ repair: "write" });
  expect(found).toMatchObject({
    outcomes: { different: 1, missing: 1 },
    causes: [{ cause: "clock_skew", entities: 2 }],
  });
  expect(found.repair).toMatchObject({ replaced: 2, left_newer: 0 });
  expect(await project.runView()).toMatchObject({ verdict: "pass", compared: 3 });
});

test("what is streamed between the judgement and the repair is left alone, and counted", async () => {
  await plant(project, ["late_stale", "late_missing", "value", "tie_older", "value"]);
  const raced = racing(project.store, async () => {
    for (const id of [1, 3, 4]) await project.store.write([streamedWrite(project, id, id)]);
  });
  const { repair } = await project.runView({ repair: "write", store: raced });
  expect(repair).toMatchObject({ written: 1, replaced: 1, overtaken: 3 });
  expect(await project.runView()).toMatchObject({ verdict: "pass", outcomes: { match: 2, newer: 3 } });
});

test("repairs are written at the rate of a load, many at once", async () => {
  await plant(project, new Array(40).fill("value"));
  let [nowMs, atOnce, most] = [0, 0, 0];
  const counted = over(project.store, {
    replace: async (...args: Parameters<OnlineStore["replace"]>) => {
      most = Math.max(most, ++atOnce);
      await new Promise(setImmediate);
      atOnce--;
      return project.store.replace(...args);
    },
  });
  const startMs = hoursAgo(0) / 1_000;
  const report = await project.runView({
    ...{ repair: "write", store: counted, settings: { materializeRate: 200 } },
    now: () => startMs + nowMs,
    wait: async (ms) => {
      nowMs += ms;
    },
  });
  expect(report.repair).toMatchObject({ replaced: 40 });
  expect(most).toBe(16);
  // The last piece waits for the two before it.
  expect(nowMs).toBeGreaterThanOrEqual(60);
});
