/** The served log where it is tight: many features, one bad vector among good ones, closing while a file is put. */

import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { afterEach, beforeEach, expect, test } from "vitest";
import { entity } from "../features/entity.ts";
import { featureService } from "../features/feature-service.ts";
import { STATUS } from "../features/feature-status.ts";
import { featureView } from "../features/feature-view.ts";
import { int64, string } from "../features/field.ts";
import { compileReadPlan } from "../features/read-plan.ts";
import { openServedLog, type ServedLogEvent, type ServedLogOptions, type ServedVectors } from "./served-log.ts";
import type { ServedBy } from "./served-log-line.ts";

const NOW_MS = Date.UTC(2026, 10, 23, 6, 30);
const customer = entity("customer", { joinKeys: { customer_id: int64() } });
const notes = featureView("notes", { entities: [customer], schema: { note: string() } });
const joined: ServedBy = {
  model: { name: "churn", version: 3 },
  reader: { plan: compileReadPlan(featureService("churn_v1", [notes])) },
};

const request = (id: number, note = "", count = 1): ServedVectors => ({
  joined,
  requestId: `r${id}`,
  nowMs: NOW_MS,
  entities: Array.from({ length: count }, () => ({ customer_id: id })),
  vectors: Array.from({ length: count }, () => ({
    values: [note],
    statuses: [STATUS.PRESENT],
    views: [{ status: STATUS.PRESENT, eventTimestampUs: NOW_MS * 1_000, tier: "memory" }],
  })),
});
/** No line can be made of its last entity. */
const poison = (id: number, count: number): ServedVectors => {
  const { vectors, ...rest } = request(id, "", count);
  return { ...rest, vectors: [...vectors.slice(1), { ...vectors[0]!, views: [] }] };
};

let events: ServedLogEvent[];
const listener = (event: unknown) => void events.push(event as ServedLogEvent);
beforeEach(() => {
  events = [];
  subscribe("headgate:served-log", listener);
});
afterEach(() => unsubscribe("headgate:served-log", listener));

const open = (put: (path: string, content: Uint8Array) => Promise<string>, more: Partial<ServedLogOptions> = {}) =>
  openServedLog({
    ...{ objects: { put, close: async () => {} }, folder: "served", gatewayId: "gw", share: 1 },
    ...{ queueRows: 1_000, batchRows: 10, maxWaitMs: 3_600_000, compression: "none", backoffMs: 1 },
    ...more,
  });
const told = () => events.map(({ kind, rows }) => [kind, rows]);
const nextTurn = () => new Promise((turn) => setImmediate(turn));

test("a vector that no line can be made of takes its request out, and no other", async () => {
  let text = "";
  const log = open(async (_, content) => {
    text += Buffer.from(content).toString();
    return "";
  });
  for (let id = 0; id < 4; id++) log.offer(request(id));
  log.offer(poison(4, 40));
  for (let id = 5; id < 9; id++) log.offer(request(id));
  await log.close();
  expect(told()).toEqual([
    ["dropped", 40],
    ["written", 4],
    ["written", 4],
  ]);
  const ids = text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line).entity.customer_id);
  expect(ids).toEqual([0, 1, 2, 3, 5, 6, 7, 8]);
});

test("a file ends at its bytes, before it has its rows", async () => {
  const sizes: number[] = [];
  const put = async (_: string, content: Uint8Array) => String(sizes.push(content.length));
  const log = open(put, { fileBytesMax: 3_000 });
  for (let id = 0; id < 10; id++) log.offer(request(id, "x".repeat(1_000)));
  await log.close();
  expect(told()).toEqual([3, 3, 3, 1].map((rows) => ["written", rows]));
  expect(Math.max(...sizes)).toBeLessThan(4_500);
});

test("long lines end a turn of the event loop by their length", async () => {
  let turns = 0;
  let isPut = false;
  const log = open(async () => {
    isPut = true;
    return "";
  });
  for (let id = 0; id < 10; id++) log.offer(request(id, "x".repeat(20_000)));
  while (!isPut) {
    await nextTurn();
    turns++;
  }
  expect(turns).toBeGreaterThanOrEqual(10);
  await log.close();
});

test.each(Array.from({ length: 14 }, (_, depth) => depth))(
  "rows that came while a file was put are written, whenever it is closed (%d microtasks after)",
  async (depth) => {
    let finish: ((etag: string) => void) | undefined;
    const put = () => (finish === undefined ? new Promise<string>((put) => (finish = put)) : Promise.resolve(""));
    const log = open(put, { batchRows: 2, closeTimeoutMs: 60_000 });
    log.offer(request(1));
    log.offer(request(2));
    while (finish === undefined) await nextTurn();
    log.offer(request(3));
    finish("");
    for (let i = 0; i < depth; i++) await null;
    await log.close();
    expect(told()).toEqual([
      ["written", 2],
      ["written", 1],
    ]);
  },
);
