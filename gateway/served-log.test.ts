/** The served log on a store that a test can make fail or wait: what is in the files, what is dropped, each counted. */

import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { gunzipSync } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import { HeadgateError } from "../errors.ts";
import { entity } from "../features/entity.ts";
import { featureService } from "../features/feature-service.ts";
import { STATUS } from "../features/feature-status.ts";
import type { FeatureVector } from "../features/feature-vector.ts";
import { featureView } from "../features/feature-view.ts";
import { array, bytes, float32, float64, int64, string, timestamp } from "../features/field.ts";
import { onDemandFeatureView } from "../features/on-demand-view.ts";
import { compileReadPlan } from "../features/read-plan.ts";
import { requestSource } from "../features/source.ts";
import type { PredictionEvent } from "./part-answer.ts";
import {
  openServedLog,
  type ServedLog,
  type ServedLogEvent,
  type ServedLogOptions,
  type ServedVectors,
} from "./served-log.ts";
import { compileServedLine, type ServedBy } from "./served-log-line.ts";
import { compileSample } from "./served-log-sample.ts";

const NOW_MS = Date.UTC(2026, 10, 23, 6, 30);
const HOUR_MS = 3_600_000;

const customer = entity("customer", { joinKeys: { customer_id: int64() } });
const scores = featureView("scores", { entities: [customer], schema: { score: float32() }, ttl: "2d" });
const churn: ServedBy = {
  model: { name: "churn", version: 3 },
  reader: { plan: compileReadPlan(featureService("churn_v1", [scores])) },
};

const vector = (score: number): FeatureVector => ({
  values: [score],
  statuses: [STATUS.PRESENT],
  views: [{ status: STATUS.PRESENT, eventTimestampUs: (NOW_MS - HOUR_MS) * 1_000, tier: "memory" }],
});
/** A request for the customers `from` … `from + count − 1`. */
const request = (from: number, count = 1, nowMs = NOW_MS): ServedVectors => {
  const ids = Array.from({ length: count }, (_, i) => from + i);
  const entities = ids.map((customer_id) => ({ customer_id }));
  return { joined: churn, requestId: `r${from}`, nowMs, entities, vectors: ids.map(vector) };
};
// What predictions publish is what the log takes.
const fits = (event: PredictionEvent): ServedVectors => event;

let events: ServedLogEvent[];
let log: ServedLog | undefined;
const listener = (event: unknown) => void events.push(event as ServedLogEvent);
beforeEach(() => {
  events = [];
  subscribe("headgate:served-log", listener);
});
afterEach(async () => {
  await log?.close();
  unsubscribe("headgate:served-log", listener);
});

const files = new Map<string, Uint8Array>();
function openLog(more: Partial<ServedLogOptions> = {}): ServedLog {
  files.clear();
  log = openServedLog({
    objects: { put: async (path, content) => String(files.set(path, content).size), close: async () => {} },
    folder: "served/",
    gatewayId: "gw",
    share: 1,
    queueRows: 1_000,
    batchRows: 10,
    maxWaitMs: 3_600_000,
    compression: "none",
    backoffMs: 1,
    ...more,
  });
  return log;
}
const linesOf = (path: string) =>
  Buffer.from(files.get(path) ?? [])
    .toString()
    .split("\n")
    .filter((line) => line !== "");
const counted = (kind: ServedLogEvent["kind"]) =>
  events.filter((event) => event.kind === kind).reduce((sum, { rows }) => sum + rows, 0);
const eventually = async (isSo: () => boolean) => {
  while (!isSo()) await new Promise((turn) => setImmediate(turn));
};

test("a file's worth is written whole, what is left when the log is closed", async () => {
  const opened = openLog();
  for (let i = 0; i < 25; i++) opened.offer(request(i));
  await eventually(() => files.size === 2);
  expect(counted("written")).toBe(20);
  await opened.close();
  expect([...files.keys()]).toEqual([0, 1, 2].map((n) => `served/2026-11-23/06/gw-${n}.ndjson`));
  const ids = [...files.keys()].flatMap(linesOf).map((line) => JSON.parse(line).entity.customer_id);
  expect(ids).toEqual(Array.from({ length: 25 }, (_, i) => i));
  expect([counted("written"), counted("dropped")]).toEqual([25, 0]);
});

test("a line tells who was served what, when, and how old it could be", async () => {
  const opened = openLog();
  opened.offer(request(17));
  await opened.close();
  expect(linesOf("served/2026-11-23/06/gw-0.ndjson")).toEqual([
    '{"request_id":"r17","served_at":"2026-11-23T06:30:00.000Z","model":"churn","version":3,"feature_service":"churn_v1",' +
      '"entity":{"customer_id":17},"views":{"scores":{"status":"PRESENT","event_timestamp":"2026-11-23T05:30:00.000Z","max_age_ms":172800000}},' +
      '"features":{"scores:score":{"value":17,"status":"PRESENT"}}}',
  ]);
});

test("few vectors do not wait longer than they may", async () => {
  const opened = openLog({ maxWaitMs: 1 });
  opened.offer(request(1));
  await eventually(() => files.size === 1);
  opened.offer(request(2));
  await eventually(() => files.size === 2);
});

test("a request's entities stay in one file, and each hour has its own", async () => {
  const opened = openLog();
  opened.offer(request(0, 70, NOW_MS - HOUR_MS));
  opened.offer(request(70, 3));
  await opened.close();
  expect(linesOf("served/2026-11-23/05/gw-0.ndjson")).toHaveLength(70);
  expect(linesOf("served/2026-11-23/06/gw-1.ndjson")).toHaveLength(3);
});

test("gzip packs the same lines", async () => {
  const opened = openLog({ compression: "gzip" });
  opened.offer(request(0, 40));
  await opened.close();
  const text = gunzipSync(files.get("served/2026-11-23/06/gw-0.ndjson.gz")!).toString();
  expect(
    text
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line).features["scores:score"].value),
  ).toHaveLength(40);
});

test("beyond the queue everything is dropped and counted, what is being written included", async () => {
  let release = () => {};
  const held = new Promise<void>((open) => {
    release = open;
  });
  const objects = {
    put: async (path: string, content: Uint8Array) => {
      await held;
      files.set(path, content);
      return "";
    },
    close: async () => {},
  };
  const opened = openLog({ objects, queueRows: 30 });
  for (let i = 0; i < 30; i++) opened.offer(request(i));
  await new Promise((turn) => setImmediate(turn));
  for (let i = 30; i < 42; i++) opened.offer(request(i));
  expect(events).toEqual(Array.from({ length: 12 }, () => ({ kind: "dropped", rows: 1, reason: "queue_full" })));
  release();
  await eventually(() => files.size === 3);
  opened.offer(request(50, 30));
  opened.offer(request(50, 31));
  await opened.close();
  expect([counted("written"), counted("dropped")]).toEqual([60, 12 + 31]);
});

test("a store that fails is tried again, then its rows are dropped and the next are taken", async () => {
  let puts = 0;
  const away = new HeadgateError("SOURCE_UNREACHABLE", "S3 does not answer.");
  const put = async (path: string, content: Uint8Array) => {
    puts++;
    // The first file never gets through, the second at its last try.
    if (path.endsWith("gw-0.ndjson") || puts < 6) throw away;
    files.set(path, content);
    return "";
  };
  const opened = openLog({ objects: { put, close: async () => {} } });
  for (let i = 0; i < 20; i++) opened.offer(request(i));
  await eventually(() => counted("dropped") + counted("written") === 20);
  expect(events).toEqual([
    { kind: "dropped", rows: 10, reason: "not_written", cause: away },
    { kind: "written", rows: 10, path: "served/2026-11-23/06/gw-1.ndjson", bytes: expect.any(Number) },
  ]);
  expect(puts).toBe(6);
});

test("what is refused for good is not tried again", async () => {
  let puts = 0;
  const put = async () => {
    puts++;
    throw new HeadgateError("SOURCE_DENIED", "no");
  };
  const opened = openLog({ objects: { put, close: async () => {} } });
  opened.offer(request(0, 4));
  await opened.close();
  expect([puts, counted("dropped")]).toEqual([1, 4]);
});

test("closing has an end: what can't be written by then is dropped, once", async () => {
  let isClosed = false;
  const close = async () => {
    isClosed = true;
  };
  const opened = openLog({ objects: { put: () => new Promise(() => {}), close }, closeTimeoutMs: 20 });
  for (let i = 0; i < 25; i++) opened.offer(request(i));
  await Promise.all([opened.close(), opened.close()]);
  expect(isClosed).toBe(true);
  expect(events).toEqual([{ kind: "dropped", rows: 25, reason: "closed" }]);
  opened.offer(request(99));
  expect(counted("dropped")).toBe(25);
});

test("a vector that no line can be made of takes nothing else down", async () => {
  const opened = openLog({ batchRows: 1 });
  opened.offer({ ...request(1), vectors: [{ values: [1], statuses: [STATUS.PRESENT], views: [] }] });
  opened.offer(request(2));
  await eventually(() => files.size === 1);
  await opened.close();
  expect(events.map(({ kind, rows }) => [kind, rows])).toEqual([
    ["dropped", 1],
    ["written", 1],
  ]);
});

test("values are exact, and everything that was read is told, inputs of on-demand views too", () => {
  const wide = featureView("wide", {
    entities: [customer],
    schema: {
      id: int64(),
      x: float64(),
      f: float32(),
      t: timestamp(),
      b: bytes(),
      l: array(float32()),
      unused: string(),
    },
  });
  const cart = requestSource("cart", { basket: float64() });
  const ratios = onDemandFeatureView("ratios", {
    inputs: [scores, cart],
    schema: { ratio: float64() },
    transform: () => ({ ratio: 0 }),
  });
  const plan = compileReadPlan(featureService("all", [wide.select("id", "x", "f", "t", "b", "l"), ratios, cart]));
  const values = [
    2n ** 63n - 1n,
    -0,
    Math.fround(0.1),
    1_700_000_000_123_456,
    new Uint8Array([1, 2]),
    [Number.NaN, null],
    0.5,
    12.5,
    null,
  ];
  const statuses = values.map((value) => (value === null ? STATUS.NULL_VALUE : STATUS.PRESENT));
  const views = [
    { status: STATUS.PRESENT, eventTimestampUs: 1_700_000_000_123_456, tier: "memory" },
    { status: STATUS.NOT_FOUND, eventTimestampUs: undefined, tier: "memory" },
  ];
  const line = compileServedLine({ model: { name: "m", version: 1 }, reader: { plan } });
  const text = line("r", NOW_MS, { customer_id: 9_007_199_254_740_993n }, { values, statuses, views });
  expect(text).toContain('"entity":{"customer_id":9007199254740993}');
  expect(text).toContain(
    '"wide":{"status":"PRESENT","event_timestamp":"2023-11-14T22:13:20.123456Z","max_age_ms":null}',
  );
  expect(text).toContain('"scores":{"status":"NOT_FOUND","event_timestamp":null,"max_age_ms":172800000}');
  expect(text.slice(text.indexOf('"features":'))).toBe(
    '"features":{"wide:id":{"value":9223372036854775807,"status":"PRESENT"},"wide:x":{"value":-0,"status":"PRESENT"},' +
      '"wide:f":{"value":0.10000000149011612,"status":"PRESENT"},"wide:t":{"value":"2023-11-14T22:13:20.123456Z","status":"PRESENT"},' +
      '"wide:b":{"value":"AQI=","status":"PRESENT"},"wide:l":{"value":["NaN",null],"status":"PRESENT"},' +
      '"ratios:ratio":{"value":0.5,"status":"PRESENT"},"cart:basket":{"value":12.5,"status":"PRESENT"},' +
      '"scores:score":{"value":null,"status":"NULL_VALUE"}}}\n',
  );
});

test("the sample is a share of the ids, the same ones every time", () => {
  const ids = Array.from({ length: 100_000 }, (_, i) => `request-${i}`);
  for (const share of [0, 0.01, 0.5, 1]) {
    const isSampled = compileSample(share);
    const kept = ids.filter(isSampled);
    // Six standard deviations of a fair draw.
    expect(Math.abs(kept.length / ids.length - share)).toBeLessThanOrEqual(
      6 * Math.sqrt((share * (1 - share)) / ids.length),
    );
    expect(kept.every(compileSample(share))).toBe(true);
    expect(kept.every(compileSample(Math.min(1, share * 2)))).toBe(true);
  }
});

test("predictions that are published are taken", async () => {
  const { channel } = await import("node:diagnostics_channel");
  const opened = openLog();
  channel("headgate:prediction").publish(fits(request(5, 2) as PredictionEvent));
  await opened.close();
  expect(counted("written")).toBe(2);
});
