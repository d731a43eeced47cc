import { beforeEach, expect, test } from "vitest";
import { applyRegistry, readAppliedRegistry } from "../../features/applied-registry.ts";
import { entity } from "../../features/entity.ts";
import { type FeatureView, featureView } from "../../features/feature-view.ts";
import {
  array,
  bool,
  bytes,
  type FeatureValue,
  float32,
  float64,
  int32,
  int64,
  type Schema,
  string,
  timestamp,
} from "../../features/field.ts";
import { parseJson } from "../../features/json-text.ts";
import { toJson } from "../../features/json-value.ts";
import { createRegistry } from "../../features/registry.ts";
import { inspectRow } from "../../features/row-inspection.ts";
import { fileSource } from "../../features/source.ts";
import { openMemoryStore } from "../../features/store/memory.ts";
import type { OnlineStore } from "../../features/store/online-store.ts";
import { StoredSchemas } from "../../features/stored-schema.ts";
import { createRowWrite } from "../row-write.ts";
import { compileFeastText } from "./feast-json.ts";
import { createFeastWrite, type FeastWrite } from "./feast-write.ts";
import { parsePushSources } from "./push-sources.ts";

const NOW_MS = Date.UTC(2026, 10, 23);
const driver = entity("driver", { joinKeys: { driver_id: int64() } });
const stats = featureView("stats", {
  entities: [driver],
  schema: { trips: int64(), seen: timestamp(), times: array(timestamp()) },
  source: fileSource({ path: "stats.parquet", timestampField: "event_ts", createdField: "made" }),
});
const names = featureView("names", { entities: [driver], schema: { name: string() } });
const odd = featureView("odd", { entities: [driver], schema: { created: float64() } });
const every = featureView("every", {
  entities: [driver],
  schema: {
    ...{ small: int32(), big: int64(), single: float32(), double: float64(), least: float64(), flag: bool() },
    ...{ name: string(), blob: bytes(), seen: timestamp(), none: float64() },
    ...{ doubles: array(float64()), blobs: array(bytes()), times: array(timestamp()), names: array(string()) },
  },
});
const moment = entity("moment", { joinKeys: { at: timestamp() } });
const moments = featureView("moments", { entities: [moment], schema: { x: int64() } });
const definitions = [driver, stats, names, odd, every, moment, moments];
const registry = createRegistry(definitions.map((definition) => ({ definition, file: "drivers.ts" })));

let store: OnlineStore;
let feast: FeastWrite;
beforeEach(async () => {
  store = openMemoryStore();
  await applyRegistry(store.control, registry, { gitCommit: undefined, nowMs: NOW_MS });
  const applied = await readAppliedRegistry(store.control);
  const limits = { maxEntities: 3, maxFutureMs: 300_000, expiryGraceMs: 1_000, onlineStoreLayout: "feast" as const };
  feast = createFeastWrite({
    registry,
    writeRows: createRowWrite({ store, registry, applied, now: () => NOW_MS, ...limits }),
    viewsOfPushSource: parsePushSources("both=stats+names, other=stats", registry),
  });
});

const frame = {
  driver_id: [1],
  trips: [5],
  seen: [1795341600],
  times: [[1795341600, null]],
  event_timestamp: ["2026-11-22T10:00:00"],
};
const write = (df: unknown, view: unknown = "stats") => feast.write({ feature_view_name: view, df });
const stored = async (view: FeatureView = stats, id: unknown = 1) =>
  (await inspectRow(store, new StoredSchemas(store.control), view, { driver_id: id }, NOW_MS)).tiers[0]!;

test("what Feast's client sends is a row: seconds are timestamps, times without a zone are UTC", async () => {
  const body =
    '{"driver_id":[9007199254740993],"trips":[9007199254740993],"seen":[-9223372036854775808],"times":[[1795341600]],"event_timestamp":["2026-11-22T10:00:00.123456"],"created":[null]}';
  await write(parseJson(body));
  expect(await stored(stats, 9_007_199_254_740_993n)).toMatchObject({
    values: { trips: 9_007_199_254_740_993n, seen: null, times: ["2026-11-22T10:00:00.000Z"] },
    event_timestamp: "2026-11-22T10:00:00.123456Z",
    origin: { http: "POST /write-to-online-store" },
  });
  await write({ ...frame, driver_id: ["1"], seen: ["2026-11-22T10:00:00.5Z"] });
  expect(await stored()).toMatchObject({
    values: { seen: "2026-11-22T10:00:00.500Z", times: ["2026-11-22T10:00:00.000Z", null] },
  });
});

test("what the read route answers is taken as it is, of every type", async () => {
  const types: Schema = every.schema;
  const values: Readonly<Record<string, FeatureValue>> = {
    ...{ small: -5, big: 9_007_199_254_740_993n, single: 0.10000000149011612, flag: true, name: "NaN" },
    ...{
      double: Number.NaN,
      least: Number.NEGATIVE_INFINITY,
      blob: new Uint8Array([0, 1]),
      seen: 1_795_341_600_000_000,
    },
    ...{ doubles: [1, null, Number.POSITIVE_INFINITY], blobs: [new Uint8Array([2])], times: [null, -1_000_000] },
    ...{ names: ["a", null], none: null },
  };
  const columns = Object.entries(values).map(
    ([name, value]) => `${JSON.stringify(name)}:[${compileFeastText(types[name]!)(value)}]`,
  );
  expect(Object.keys(values).sort()).toEqual(Object.keys(types).sort());
  const frame = `{"driver_id":[1],"event_timestamp":["2026-11-22T10:00:00Z"],${columns.join(",")}}`;
  await write(parseJson(frame), "every");
  expect((await stored(every)).values).toEqual(
    Object.fromEntries(Object.entries(values).map(([name, value]) => [name, toJson(types[name]!, value)])),
  );
});

test.each([
  ["seconds past what microseconds hold", { seen: [1_795_341_600_000_000_000n] }, "df.seen[0] is 1795341600000000000"],
  ["seconds with a fraction", { seen: [1.5] }, "df.seen[0] is 1.5"],
  ["such seconds in a list", { times: [[1_795_341_600, 10_000_000_000_000]] }, "df.times[0] is a list of 2"],
  ["such a join key", { at: [1_795_341_600_000_000] }, "df.at[0] is 1795341600000000"],
])("%s are refused, never taken as microseconds", async (_, wrong, sentence) => {
  const view = "at" in wrong ? "moments" : "stats";
  const df = view === "stats" ? { ...frame, ...wrong } : { ...wrong, x: [1], event_timestamp: frame.event_timestamp };
  await expect(write(df, view)).rejects.toMatchObject({
    code: "REQUEST_INVALID",
    message: expect.stringContaining(sentence),
  });
  expect((await stored()).values ?? null).toBeNull();
});

test("times may have the names of the view's source", async () => {
  const { event_timestamp: eventTimes, ...rest } = frame;
  await write({ ...rest, event_ts: eventTimes, made: ["2026-11-22T11:00:00"] });
  await write({ ...frame, trips: [6], created: ["2026-11-22T12:00:00"] });
  expect(await stored()).toMatchObject({ values: { trips: 6 } });
  await write({ ...frame, trips: [7], created: ["2026-11-22T11:30:00"] });
  expect(await stored()).toMatchObject({ values: { trips: 6 } });
});

test("a push source feeds its views, each with its columns; a view is one of its own name", async () => {
  const df = { ...frame, name: ["a"], created: ["2026-11-22T11:00:00"] };
  await feast.push({ push_source_name: "both", df });
  expect(await stored(names)).toMatchObject({ values: { name: "a" } });
  expect(await stored()).toMatchObject({ values: { trips: 5 } });
  await feast.push({
    push_source_name: "names",
    to: "online",
    df: { driver_id: [1], name: ["b"], event_timestamp: ["2026-11-22T11:00:00Z"] },
  });
  expect(await stored(names)).toMatchObject({ values: { name: "b" } });
});

test("a feature that is called as a time is a feature", async () => {
  await write({ driver_id: [1], created: [1.5], event_timestamp: ["2026-11-22T11:00:00Z"] }, "odd");
  expect(await stored(odd)).toMatchObject({ values: { created: 1.5 }, event_timestamp: "2026-11-22T11:00:00.000Z" });
});

const without = (name: string) => Object.fromEntries(Object.entries(frame).filter(([column]) => column !== name));
test.each([
  ["no view", () => write(frame, null), "REQUEST_INVALID", '"feature_view_name" must be a text, not null'],
  ["an unknown view", () => write(frame, "x"), "VIEW_NOT_FOUND", 'no feature view "x"'],
  ["no frame", () => write(undefined), "REQUEST_INVALID", '"df" must be columns'],
  ["rows in place of columns", () => write([{ driver_id: 1 }]), "REQUEST_INVALID", '"df" must be columns'],
  ["a column that is none", () => write({ ...frame, trips: { 0: 1 } }), "REQUEST_INVALID", "df.trips is an object"],
  ["unequal lengths", () => write({ ...frame, trips: [1, 2] }), "REQUEST_INVALID", "df.trips has 2 values"],
  ["no column", () => write({}), "REQUEST_INVALID", "has no row"],
  ["no row", () => write({ driver_id: [] }), "REQUEST_INVALID", "has no row"],
  ["a missing feature", () => write(without("trips")), "REQUEST_INVALID", 'lacks the column "trips"'],
  ["a missing join key", () => write(without("driver_id")), "REQUEST_INVALID", 'lacks the column "driver_id"'],
  ["no event time", () => write(without("event_timestamp")), "REQUEST_INVALID", 'lacks "event_timestamp"'],
  [
    "an unknown column",
    () => write({ ...frame, x: [1] }),
    "REQUEST_INVALID",
    'a column "x", which stats does not take',
  ],
  ["a wrong value", () => write({ ...frame, trips: [1.5] }), "ROWS_INVALID", "rows[0].values.trips is 1.5, not int64"],
  [
    "a key that Feast's layout has not",
    () => write({ at: ["2026-11-22T10:00:00.5Z"], x: [1], event_timestamp: frame.event_timestamp }, "moments"),
    "ROWS_INVALID",
    'rows[0]: join key "at" is 2026-11-22T10:00:00.500Z, and in Feast\'s layout',
  ],
  ["a null key", () => write({ ...frame, driver_id: [null] }), "ROWS_INVALID", 'lacks join key "driver_id"'],
  [
    "a null time",
    () => write({ ...frame, event_timestamp: [null] }),
    "ROWS_INVALID",
    "rows[0].event_timestamp is null",
  ],
  ["a time of tomorrow", () => write({ ...frame, event_timestamp: ["2026-11-24"] }), "ROWS_INVALID", "ahead of now"],
  ["no body", () => feast.write(null), "REQUEST_INVALID", "must be an object, not null"],
  [
    "an unknown source",
    () => feast.push({ push_source_name: "x", df: frame }),
    "PUSH_SOURCE_NOT_FOUND",
    "push source 'x'",
  ],
  ["no source", () => feast.push({ df: frame }), "REQUEST_INVALID", '"push_source_name" must be a text'],
  [
    "the offline store",
    () => feast.push({ push_source_name: "stats", df: frame, to: "offline" }),
    "REQUEST_INVALID",
    '"to" is "offline"',
  ],
])("%s is refused with a sentence, and nothing is written", async (_, send, code, sentence) => {
  await expect(send()).rejects.toMatchObject({ code, message: expect.stringContaining(sentence) });
  expect((await stored()).values ?? null).toBeNull();
});

test("too many rows are refused", async () => {
  const df = Object.fromEntries(Object.entries(frame).map(([name, [value]]) => [name, [value, value, value, value]]));
  await expect(write(df)).rejects.toMatchObject({ code: "TOO_MANY_ENTITIES" });
});

test.each([
  ["a", "write source=view"],
  ["a=b=c", "write source=view"],
  ["a=x", 'feeds "x", which is no feature view'],
])("the setting %s is refused", (setting, sentence) => {
  expect(() => parsePushSources(setting, registry)).toThrow(sentence);
});
