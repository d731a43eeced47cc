import { beforeEach, expect, test } from "vitest";
import { HeadgateError } from "../errors.ts";
import { applyRegistry, readAppliedRegistry, requireApplied } from "./applied-registry.ts";
import { entity } from "./entity.ts";
import { featureView } from "./feature-view.ts";
import { int64 } from "./field.ts";
import { createRegistry } from "./registry.ts";
import { compileEncodeRow } from "./row-codec.ts";
import { inspectRow } from "./row-inspection.ts";
import { SOURCE_RANK } from "./row-order.ts";
import { openMemoryStore } from "./store/memory.ts";
import type { OnlineStore, ReadRequest, StoreTier } from "./store/online-store.ts";
import { recordSchema, StoredSchemas } from "./stored-schema.ts";
import { EARLIEST_EVENT_US } from "./timestamp.ts";
import { createViewWriter, recordOrigin } from "./writer.ts";

const NOW_MS = Date.UTC(2026, 10, 23);
const AT_US = (NOW_MS - 3_600_000) * 1_000;
const customer = entity("customer", { joinKeys: { customer_id: int64() } });
const view = featureView("spend", { entities: [customer], schema: { orders: int64() } });
const away = () => Promise.reject(new HeadgateError("STORE_UNREACHABLE", "Redis does not answer."));

let store: OnlineStore;
beforeEach(async () => {
  store = openMemoryStore();
  const registry = createRegistry([customer, view].map((definition) => ({ definition, file: "spend.ts" })));
  await applyRegistry(store.control, registry, { gitCommit: undefined, nowMs: NOW_MS });
  const applied = requireApplied(await readAppliedRegistry(store.control), registry, [view]).get("spend")!;
  const originId = await recordOrigin(store.control, { run: "test" });
  const settings = {
    sourceRank: SOURCE_RANK.file,
    maxFutureMs: 1,
    expiryGraceMs: 1,
    onlineStoreLayout: "packed" as const,
  };
  const writer = createViewWriter({ store, view, applied, originId, ...settings });
  const row = { entity: [17], values: [3], eventTimestampUs: AT_US, createdTimestampUs: AT_US, position: 0 };
  const encoded = writer.encode(row, NOW_MS);
  await writer.write(["refused" in encoded ? expect.fail(encoded.refused) : encoded]);
});

/** The rows are in a near tier; the far one, the store itself, is away. */
const withoutStore = (): OnlineStore => {
  const near: StoreTier = { name: "memory", read: (requests: readonly ReadRequest[]) => store.read(requests) };
  return { ...store, tiers: [near, { name: "redis", read: away }], control: { ...store.control, get: away } };
};
const inspect = (of: OnlineStore) => inspectRow(of, new StoredSchemas(of.control), view, { customer_id: 17 }, NOW_MS);

test("while the store is away nothing is made up: what is served and whether tiers agree is unknown", async () => {
  const inspection = await inspect(withoutStore());
  expect(inspection).toMatchObject({ served: null, tiers_agree: null });
  expect(inspection.tiers).toEqual([
    expect.objectContaining({
      ...{ tier: "memory", found: true, event_timestamp: "2026-11-22T23:00:00.000Z" },
      ...{ written_at: "2026-11-23T00:00:00.000Z", problem: "Redis does not answer." },
    }),
    { tier: "redis", found: false, problem: "Redis does not answer." },
  ]);
});

test("what a row of Feast's does not say of itself is null, not made up", async () => {
  const schemaId = await recordSchema(store.control, view.name, view.schema);
  // As it is read: written when it happened, made in 1900, by the origin 0.
  const made = { createdTimestampUs: EARLIEST_EVENT_US, generation: 0, sourceRank: SOURCE_RANK.feast, position: 0 };
  const header = { schemaId, writtenAtMs: AT_US / 1_000, originId: 0 };
  const bytes = compileEncodeRow([int64()])({ ...made, eventTimestampUs: AT_US }, header, [4]);
  const [stored] = (await store.read([{ key: "customer_id=17", fields: ["spend"] }]))[0]!.rows;
  const row = { key: "customer_id=17", field: "spend", bytes, expireAtMs: Number.POSITIVE_INFINITY };
  expect(await store.replace(row, stored!.bytes)).toBe(true);
  const { served, tiers } = await inspect(store);
  expect(served).toMatchObject({ status: "PRESENT", event_timestamp: "2026-11-22T23:00:00.000Z", age_seconds: 3_600 });
  expect(tiers[0]).toMatchObject({
    ...{ found: true, event_timestamp: "2026-11-22T23:00:00.000Z", values: { orders: 4 } },
    ...{ created_timestamp: null, written_at: null, origin: { writer: "feast" } },
  });
});

test("ages and what is left of the ttl are told to the millisecond", async () => {
  const kept = featureView("spend", { entities: [customer], ttl: "2d", schema: view.schema });
  const nowMs = NOW_MS + 165_600_123;
  const { tiers } = await inspectRow(store, new StoredSchemas(store.control), kept, { customer_id: 17 }, nowMs);
  expect(tiers[0]).toMatchObject({ age_seconds: 169_200.123, ttl_left_seconds: 3_599.877 });
});

test("when no tier answers the inspection fails as a read does", async () => {
  const none = { ...store, tiers: [{ name: "redis", read: away }] };
  await expect(inspect(none)).rejects.toMatchObject({ code: "STORE_UNREACHABLE" });
});
