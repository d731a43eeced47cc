import { expect, test } from "vitest";
import {
  type MaterializedView,
  materializedReader,
  materializedUpToMs,
  readMaterialized,
  recordMaterialized,
} from "./materialized-view.ts";
import { openMemoryStore } from "./store/memory.ts";
import type { ControlStore } from "./store/online-store.ts";

const success = (at_ms: number, end_us: number) => ({
  ...{ run: `run at ${at_ms}`, started_at_ms: at_ms - 10, at_ms, end_us, rows_written: 5 },
  definition: "one",
});
const failure = { run: "run", at_ms: 300, code: "SOURCE_UNREACHABLE" };

test("the last success and the last failure stay side by side", async () => {
  const { control } = openMemoryStore();
  await recordMaterialized(control, "scores", { success: success(100, 90_000) });
  await recordMaterialized(control, "scores", { failure });
  const views = await readMaterialized(control, ["scores", "never"]);
  expect(Object.fromEntries(views)).toEqual({ scores: { success: success(100, 90_000), failure }, never: {} });
});

test("a load of an old interval is the last success but does not take the end back", async () => {
  const { control } = openMemoryStore();
  await recordMaterialized(control, "scores", { success: success(100, 90_000) });
  await recordMaterialized(control, "scores", { success: success(200, 10) });
  expect((await readMaterialized(control, ["scores"])).get("scores")).toEqual({ success: success(200, 90_000) });
});

test("a load by another definition says anew how far the view is loaded", async () => {
  const { control } = openMemoryStore();
  await recordMaterialized(control, "scores", { success: success(100, 90_000) });
  const other = { ...success(200, 10), definition: "other" };
  await recordMaterialized(control, "scores", { success: other });
  expect((await readMaterialized(control, ["scores"])).get("scores")).toEqual({ success: other });
});

test("views are loaded up to where the last of them is, by their present definitions", () => {
  const views = new Map<string, MaterializedView>([
    ["a", { success: success(100, 90_000) }],
    ["b", { success: success(80, 95_000), failure }],
  ]);
  expect(materializedUpToMs(views, () => "one")).toBe(80);
  expect(materializedUpToMs(new Map([["a", views.get("a")!]]), () => "one")).toBe(90);
  expect(materializedUpToMs(views, (view) => (view === "b" ? "two" : "one"))).toBeUndefined();
  expect(materializedUpToMs(views, () => undefined)).toBeUndefined();
  expect(
    materializedUpToMs(new Map([...views, ["never", { failure } as MaterializedView]]), () => "one"),
  ).toBeUndefined();
});

test("a record that another process changed first is read and put again", async () => {
  const { control } = openMemoryStore();
  let races = 1;
  const raced: ControlStore = {
    ...control,
    get: control.get.bind(control),
    compareAndSet: async (name, expected, next) => {
      if (races-- > 0) await recordMaterialized(control, "scores", { failure });
      return control.compareAndSet(name, expected, next);
    },
  };
  await recordMaterialized(raced, "scores", { success: success(100, 90_000) });
  expect((await readMaterialized(control, ["scores"])).get("scores")).toEqual({
    success: success(100, 90_000),
    failure,
  });
});

test("a store that is away fails no load", async () => {
  const away = { ...openMemoryStore().control, get: () => Promise.reject(new Error("away")) };
  await expect(recordMaterialized(away, "scores", { failure })).resolves.toBeUndefined();
});

test("a reader asks once in keepMs, however many ask it", async () => {
  const { control } = openMemoryStore();
  await recordMaterialized(control, "scores", { failure });
  let asked = 0;
  let nowMs = 0;
  const counted: ControlStore = {
    ...control,
    get: (name) => {
      asked++;
      return control.get(name);
    },
  };
  const read = materializedReader({ control: counted, views: ["scores"], now: () => nowMs, keepMs: 1_000 });
  const both = await Promise.all([read(), read()]);
  expect(both.map((views) => views.get("scores"))).toEqual([{ failure }, { failure }]);
  nowMs = 999;
  await read();
  expect(asked).toBe(1);
  await recordMaterialized(control, "scores", { success: success(1, 1) });
  nowMs = 1_000;
  expect((await read()).get("scores")).toEqual({ failure, success: success(1, 1) });
});

test("a store that never answers holds nobody, and what was known stays", async () => {
  const { control } = openMemoryStore();
  await recordMaterialized(control, "scores", { failure });
  let answers = true;
  let asked = 0;
  let nowMs = 0;
  const stuck: ControlStore = {
    ...control,
    get: (name) => {
      asked++;
      return answers ? control.get(name) : new Promise(() => {});
    },
  };
  const read = materializedReader({ control: stuck, views: ["scores"], now: () => nowMs, keepMs: 1, waitMs: 1 });
  await read();
  answers = false;
  for (nowMs = 10; nowMs < 50; nowMs += 10) expect((await read()).get("scores")).toEqual({ failure });
  expect(asked).toBe(2);
});

test("before the store's first answer no view is known, not even as never loaded", async () => {
  const away = { ...openMemoryStore().control, get: () => Promise.reject(new Error("away")) };
  expect((await materializedReader({ control: away, views: ["scores"], now: () => 0 })()).size).toBe(0);
});
