/** What a reader keeps of rows beside them: it must never be served for another plan, another time or another row. */

import { expect, test } from "vitest";
import { applyRegistry, readAppliedRegistry, requireApplied } from "./applied-registry.ts";
import { decodeEntity, isDecoded } from "./decoded-entity.ts";
import { entity } from "./entity.ts";
import { featureService } from "./feature-service.ts";
import { STATUS_NAMES } from "./feature-status.ts";
import { featureView } from "./feature-view.ts";
import { type FeatureValue, float32, int64 } from "./field.ts";
import { compileReadPlan } from "./read-plan.ts";
import { createFeatureReader, type FeatureReader } from "./reader.ts";
import { createRegistry } from "./registry.ts";
import { compileEncodeRow, encodeTombstone } from "./row-codec.ts";
import { SOURCE_RANK } from "./row-order.ts";
import { openMemoryStore } from "./store/memory.ts";
import type { EntityRows, KeptTogether, StoredRow } from "./store/online-store.ts";
import { createTieredStore } from "./store/tiered.ts";
import { recordSchema, StoredSchemas } from "./stored-schema.ts";
import { createViewWriter, recordOrigin } from "./writer.ts";

const NOW = Date.UTC(2026, 10, 23);
const HOUR = 3_600_000;
const customer = entity("customer", { joinKeys: { customer_id: int64() } });
const spend = featureView("spend", { entities: [customer], ttl: "2d", schema: { orders: int64(), amount: float32() } });
const service = featureService("s", [spend]);

test.each([
  ["rows", () => openMemoryStore()],
  ["entities", () => createTieredStore(openMemoryStore(), { maxBytes: 2 ** 20, now: () => 0 })],
])("what memory keeps of %s is told anew at every read: it ages, it changes, and plans differ", async (_, open) => {
  const store = open();
  const registry = createRegistry([customer, spend].map((definition) => ({ definition, file: "features/test.ts" })));
  await applyRegistry(store.control, registry, { gitCommit: undefined, nowMs: NOW });
  const applied = requireApplied(await readAppliedRegistry(store.control), registry, [spend]).get("spend")!;
  const originId = await recordOrigin(store.control, { run: "test" });
  const options = { store, view: spend, applied, originId, sourceRank: SOURCE_RANK.file };
  const writer = createViewWriter({ ...options, maxFutureMs: 300_000, expiryGraceMs: 1, onlineStoreLayout: "packed" });
  const write = async (values: readonly unknown[], ageMs: number) => {
    const at = (NOW - ageMs) * 1_000;
    const row = writer.encode({ entity: [1], values, eventTimestampUs: at, createdTimestampUs: at, position: 0 }, NOW);
    await writer.write(["refused" in row ? expect.fail(row.refused) : row]);
  };
  const schemas = new StoredSchemas(store.control);
  const readerOf = (of: typeof service, maxAgeMs?: number) =>
    createFeatureReader(store, schemas, compileReadPlan(of, maxAgeMs));
  const whole = readerOf(service);
  const swapped = readerOf(featureService("t", [spend.select("amount", "orders")]));
  const strict = readerOf(service, 90 * 60_000);
  const readAt = async (reader: FeatureReader, nowMs: number) => {
    const [vector] = await reader.read([{ customer_id: 1 }], [], nowMs);
    return [...vector!.values, ...vector!.statuses.map((status) => STATUS_NAMES[status])];
  };

  await write([3, 1.5], HOUR);
  for (let again = 0; again < 2; again++) {
    expect(await readAt(whole, NOW)).toEqual([3, 1.5, "PRESENT", "PRESENT"]);
    expect(await readAt(whole, NOW + 24 * HOUR)).toEqual([3, 1.5, "PRESENT", "PRESENT"]);
    expect(await readAt(whole, NOW + 48 * HOUR)).toEqual([null, null, "OUTSIDE_MAX_AGE", "OUTSIDE_MAX_AGE"]);
    expect(await readAt(swapped, NOW)).toEqual([1.5, 3, "PRESENT", "PRESENT"]);
    expect(await readAt(strict, NOW)).toEqual([3, 1.5, "PRESENT", "PRESENT"]);
    expect(await readAt(strict, NOW + HOUR)).toEqual([null, null, "OUTSIDE_MAX_AGE", "OUTSIDE_MAX_AGE"]);
  }
  await write([4, null], HOUR - 1);
  expect(await readAt(whole, NOW)).toEqual([4, null, "PRESENT", "NULL_VALUE"]);
  expect(await readAt(whole, NOW)).toEqual([4, null, "PRESENT", "NULL_VALUE"]);
});

/** The schemas of a process, rows of one of them, and an entity's rows as a tier keeps them that keeps them together. */
async function spendRows() {
  const { control } = openMemoryStore();
  const schemaId = await recordSchema(control, "spend", spend.schema);
  const schemas = new StoredSchemas(control);
  await schemas.fetch([schemaId]);
  const order = {
    eventTimestampUs: NOW * 1_000,
    createdTimestampUs: NOW * 1_000,
    generation: 1,
    sourceRank: 2,
    position: 0,
  };
  const encode = compileEncodeRow(Object.values(spend.schema));
  const rowOf = (...values: FeatureValue[]): StoredRow => ({
    bytes: encode(order, { schemaId, writtenAtMs: NOW, originId: 1 }, values),
  });
  const entityOf = (...rows: (StoredRow | undefined)[]): KeptTogether => ({
    ...{ rows, decoded: undefined, layout: undefined },
  });
  return { schemas, rowOf, entityOf, deleted: { bytes: encodeTombstone(order) } };
}

test("rows kept together are decoded once, whoever reads them, into one list in place of what each row kept", async () => {
  const { schemas, rowOf, entityOf } = await spendRows();
  const row = rowOf(3, 1.5);
  row.decoded = "what one that reads this row alone left";
  const entity = entityOf(row);
  const read = async (of: typeof service) => {
    const found: EntityRows = { tier: "memory", rows: entity.rows, kept: entity };
    const reader = createFeatureReader({ read: () => [found] }, schemas, compileReadPlan(of));
    return (await reader.read([{ customer_id: 1 }], [], NOW))[0]!.values;
  };
  expect(await read(service)).toEqual([3, 1.5]);
  const { decoded } = entity;
  expect(decoded).toEqual([NOW * 1_000, 3, 1.5]);
  expect(row.decoded).toBeUndefined();
  expect(await read(featureService("t", [spend.select("amount")]))).toEqual([1.5]);
  expect(entity.decoded).toBe(decoded);
});

test("rows of the same schemas lie alike, beside a row that is not there or was deleted as well", async () => {
  const { schemas, rowOf, entityOf, deleted } = await spendRows();
  const [one, other] = [entityOf(rowOf(3, 1.5)), entityOf(rowOf(4, null))];
  const beside = entityOf(undefined, deleted, rowOf(3, 1));
  for (const entity of [one, other, beside]) expect(decodeEntity(entity, schemas)).toBe(true);
  expect(other.layout).toBe(one.layout);
  // A null among numbers is a hole.
  expect(other.decoded).toEqual([NOW * 1_000, 4, undefined]);
  expect(beside.layout).toMatchObject({ schemas: [undefined, undefined, { view: "spend" }], offsets: [0, 0, 0] });
  expect(beside.decoded).toEqual([NOW * 1_000, 3, 1]);
});

test("rows of a schema that was not met are not decoded together", async () => {
  const { rowOf, entityOf } = await spendRows();
  const unmet = entityOf(rowOf(3, 1.5));
  expect(decodeEntity(unmet, new StoredSchemas(openMemoryStore().control))).toBe(false);
  expect(isDecoded(unmet)).toBe(false);
});

test("what one plan decoded of an entity serves all: those of fewer views, and in another order", async () => {
  const { schemas, rowOf, entityOf, deleted } = await spendRows();
  const entity = entityOf(deleted, rowOf(3, 1.5));
  const read = async (places: readonly number[] | undefined) => {
    const rows = places?.map((place) => entity.rows[place]) ?? entity.rows;
    const found: EntityRows = { tier: "memory", rows, kept: entity, ...(places && { places }) };
    const reader = createFeatureReader({ read: () => [found] }, schemas, compileReadPlan(service));
    return (await reader.read([{ customer_id: 1 }], [], NOW))[0]!.values;
  };
  expect(await read([1])).toEqual([3, 1.5]);
  const { decoded } = entity;
  expect([await read([1, 0]), await read(undefined), await read([-1])]).toEqual([
    [3, 1.5],
    ...[1, 2].map(() => [null, null]),
  ]);
  expect(entity.decoded).toBe(decoded);
  expect(entity.rows.map((row) => row?.decoded)).toEqual([undefined, undefined]);
});

test("a store with more ways for rows to lie than are kept gives each further entity a layout of its own", async () => {
  const { schemas } = await spendRows();
  const ids = (way: number) => Array.from({ length: 14 }, (_, bit) => ((way >> bit) & 1 ? 1 : undefined));
  for (let way = 0; way < 10_000; way++) schemas.layoutOf(ids(way), true);
  expect(schemas.layoutOf(ids(9_999), true)).toBe(schemas.layoutOf(ids(9_999), true));
  const [one, other] = [schemas.layoutOf(ids(10_000), true), schemas.layoutOf(ids(10_000), true)];
  expect(other).not.toBe(one);
  expect(other).toEqual(one);
});
