/** What a reader keeps of a row beside the row: it must never be served for another plan, another time or another row. */

import { expect, test } from "vitest";
import { applyRegistry, readAppliedRegistry, requireApplied } from "./applied-registry.ts";
import { entity } from "./entity.ts";
import { featureService } from "./feature-service.ts";
import { STATUS_NAMES } from "./feature-status.ts";
import { featureView } from "./feature-view.ts";
import { float32, int64 } from "./field.ts";
import { compileReadPlan } from "./read-plan.ts";
import { createFeatureReader, type FeatureReader } from "./reader.ts";
import { createRegistry } from "./registry.ts";
import { openMemoryStore } from "./store/memory.ts";
import { StoredSchemas } from "./stored-schema.ts";
import { createViewWriter, recordOrigin, SOURCE_RANK } from "./writer.ts";

const NOW = Date.UTC(2026, 10, 23);
const HOUR = 3_600_000;
const customer = entity("customer", { joinKeys: { customer_id: int64() } });
const spend = featureView("spend", { entities: [customer], ttl: "2d", schema: { orders: int64(), amount: float32() } });
const service = featureService("s", [spend]);

test("a row that memory keeps is told anew at every read: it ages, it changes, and plans differ", async () => {
  const store = openMemoryStore();
  const registry = createRegistry([customer, spend].map((definition) => ({ definition, file: "features/test.ts" })));
  await applyRegistry(store.control, registry, { gitCommit: undefined, nowMs: NOW });
  const applied = requireApplied(await readAppliedRegistry(store.control), registry, [spend]).get("spend")!;
  const originId = await recordOrigin(store.control, { run: "test" });
  const options = { store, view: spend, applied, originId, sourceRank: SOURCE_RANK.file };
  const writer = createViewWriter({ ...options, maxFutureMs: 300_000, expiryGraceMs: 1 });
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
