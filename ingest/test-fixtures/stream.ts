/** Streams for tests without a broker: two views of one topic, records as Kafka has them, a store and its plan. */

import { applyRegistry, readAppliedRegistry, requireApplied } from "../../features/applied-registry.ts";
import { entity } from "../../features/entity.ts";
import { featureView } from "../../features/feature-view.ts";
import { float32, int64 } from "../../features/field.ts";
import { createRegistry } from "../../features/registry.ts";
import { isTombstone, readRowOrder } from "../../features/row-order.ts";
import { kafkaSource } from "../../features/source.ts";
import { openMemoryStore } from "../../features/store/memory.ts";
import type { OnlineStore } from "../../features/store/online-store.ts";
import { compileTopicDecoder } from "../decode.ts";
import type { StreamBatch, StreamRecord } from "../stream-record.ts";
import { chooseStreams, planTopics, type TopicPlan } from "../topic-plan.ts";

/** Of every test's clock, epoch ms. */
export const NOW_MS = Date.UTC(2026, 10, 23, 6);
export const MAX_FUTURE_MS = 300_000;
const DAY_MS = 86_400_000;

const customer = entity("customer", { joinKeys: { customer_id: int64() } });
const orders = kafkaSource({ topic: "orders", timestampField: "ts" });
const totals = featureView("totals", { entities: [customer], schema: { total: int64() }, ttl: "2d", stream: orders });
const means = featureView("means", { entities: [customer], schema: { mean: float32() }, ttl: "2d", stream: orders });

/** Views "means" and "totals" of topic "orders". */
const streamRegistry = createRegistry(
  [customer, totals, means].map((definition) => ({ definition, file: "features/orders.ts" })),
);

/** A plan over a store; over one of its own that is empty unless given. */
export async function planOrders(
  store: OnlineStore = openMemoryStore(),
): Promise<{ readonly plan: TopicPlan; readonly store: OnlineStore }> {
  await applyRegistry(store.control, streamRegistry, { gitCommit: undefined, nowMs: NOW_MS });
  const views = streamRegistry.views.values();
  const plan = planTopics({
    streams: chooseStreams(streamRegistry, undefined),
    applied: requireApplied(await readAppliedRegistry(store.control), streamRegistry, views),
    compileDecoder: (subscriptions) => compileTopicDecoder(subscriptions, undefined),
    control: store.control,
    maxFutureMs: MAX_FUTURE_MS,
    expiryGraceMs: DAY_MS,
    onlineStoreLayout: "packed",
  });
  return { plan, store };
}

/** An order of a customer; what the test says in place of what is usual. */
export function order(customerId: number, offset: number, changes: Record<string, unknown> = {}): StreamRecord {
  const event = { customer_id: customerId, ts: NOW_MS - 1_000 + offset, total: offset, mean: 0.5, ...changes };
  return record(offset, String(customerId), JSON.stringify(event));
}

/** A record with texts for key and value. */
export function record(offset: number, key: string | null, value: string | null): StreamRecord {
  return {
    offset: BigInt(offset),
    timestampMs: NOW_MS - 1_000 + offset,
    key: key === null ? null : Buffer.from(key),
    value: value === null ? null : Buffer.from(value),
    headers: [],
  };
}

/** A batch of topic "orders". */
export function batchOf(records: readonly StreamRecord[], partition = 0, topic = "orders"): StreamBatch {
  return { topic, partition, records, endOffset: (records.at(-1)?.offset ?? -1n) + 1n };
}

/** Which record wrote a customer's row: its offset; "deleted" for a tombstone, undefined for none. */
export async function storedOffset(
  store: OnlineStore,
  view: string,
  customerId: number,
): Promise<number | "deleted" | undefined> {
  const [found] = await store.read([{ key: `customer_id=${customerId}`, fields: [view] }]);
  const bytes = found?.rows[0]?.bytes;
  if (bytes === undefined) return undefined;
  return isTombstone(bytes) ? "deleted" : readRowOrder(bytes).position;
}
