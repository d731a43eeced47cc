/** What a reader keeps of a row beside the row: it must never be served for another plan, another time or another row. */

import { expect, test } from "vitest";
import { applyRegistry, readAppliedRegistry, requireApplied } from "./applied-registry.ts";
import { entity } from "./entity.ts";
import { featureService } from "./feature-service.ts";
import { STATUS, STATUS_NAMES } from "./feature-status.ts";
import { featureView } from "./feature-view.ts";
import { float32, int64 } from "./field.ts";
import { compileVectorKeeper } from "./kept-vector.ts";
import { compileReadPlan } from "./read-plan.ts";
import { createFeatureReader, type FeatureReader } from "./reader.ts";
import { createRegistry } from "./registry.ts";
import { SOURCE_RANK } from "./row-order.ts";
import { openMemoryStore } from "./store/memory.ts";
import { createTieredStore } from "./store/tiered.ts";
import { StoredSchemas } from "./stored-schema.ts";
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
  const writer = createViewWriter({ ...options, maxFutureMs: 300_000, expiryGraceMs: 1, keyRefusal: undefined });
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

test("a vector is kept beside the rows of one entity, in their place, and found again by the same plan alone", () => {
  const plan = compileReadPlan(service);
  const keeper = compileVectorKeeper(plan)!;
  const views = [{ status: STATUS.PRESENT, eventTimestampUs: NOW * 1_000, tier: "memory" }];
  const statuses = [STATUS.PRESENT, STATUS.NULL_VALUE];
  const vector = { values: [3, null], statuses, views };
  const entityOf = () => ({ tier: "memory", rows: [{ bytes: new Uint8Array(), decoded: "row" }], decoded: undefined });

  const kept = entityOf();
  expect(keeper.keep(kept, vector)).toMatchObject(vector);
  expect(kept.rows[0]!.decoded).toBeUndefined();
  expect(keeper.find(kept, NOW + 48 * HOUR)).toMatchObject(vector);
  expect(keeper.find(kept, NOW + 48 * HOUR + 1)).toBeUndefined();
  expect([keeper.has(kept), keeper.has(entityOf())]).toEqual([true, false]);
  expect(compileVectorKeeper(compileReadPlan(service))!.has(kept)).toBe(false);

  const stale = entityOf();
  const aged = { ...vector, views: [{ ...views[0]!, status: STATUS.OUTSIDE_MAX_AGE }] };
  expect(keeper.keep(stale, aged)).toBe(aged);
  const { decoded: _, ...unkept } = entityOf();
  expect(keeper.keep(unkept, vector)).toBe(vector);
  expect([keeper.has(stale), keeper.has(unkept), unkept.rows[0]!.decoded]).toEqual([false, false, "row"]);
});

test("of an entity that two plans read, the decoded rows stay, and neither plan's vector", () => {
  const [one, other] = [compileReadPlan(service), compileReadPlan(service)].map((plan) => compileVectorKeeper(plan)!);
  const views = [{ status: STATUS.PRESENT, eventTimestampUs: NOW * 1_000, tier: "memory" }];
  const vector = { values: [3, null], statuses: [STATUS.PRESENT, STATUS.NULL_VALUE], views };
  const entity = { tier: "memory", rows: [{ bytes: new Uint8Array(), decoded: "row" }], decoded: undefined };
  one!.keep(entity, vector);
  entity.rows[0]!.decoded = "row again";
  for (const keeper of [other!, one!, other!]) {
    expect(keeper.keep(entity, vector)).toBe(vector);
    expect([keeper.has(entity), keeper.find(entity, NOW)]).toEqual([false, undefined]);
  }
  expect(entity.rows[0]!.decoded).toBe("row again");
});
