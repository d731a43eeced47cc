import { expect, test } from "vitest";
import { type AppliedRegistry, applyRegistry, readAppliedRegistry } from "../features/applied-registry.ts";
import { entity } from "../features/entity.ts";
import { featureView } from "../features/feature-view.ts";
import { float32, int64 } from "../features/field.ts";
import { createRegistry } from "../features/registry.ts";
import { inspectRow } from "../features/row-inspection.ts";
import { openMemoryStore } from "../features/store/memory.ts";
import { StoredSchemas } from "../features/stored-schema.ts";
import { createHeldRowWrite } from "./held-row-write.ts";

const NOW_MS = Date.UTC(2026, 10, 23);
const customer = entity("customer", { joinKeys: { customer_id: int64() } });
const spend = featureView("spend", { entities: [customer], ttl: "2d", schema: { net: float32() } });
const registry = createRegistry([customer, spend].map((definition) => ({ definition, file: "spend.ts" })));
const body = { rows: [{ entity: { customer_id: 1 }, values: { net: 1.5 }, event_timestamp: "2026-11-22T10:00:00Z" }] };

test("no row is taken into a store that lost its registry, and what it takes after has an origin that the store knows", async () => {
  const opened = async () => {
    const store = openMemoryStore();
    await applyRegistry(store.control, registry, { gitCommit: undefined, nowMs: NOW_MS });
    return store;
  };
  let now = await opened();
  const store = {
    write: (rows: Parameters<typeof now.write>[0]) => now.write(rows),
    control: {
      get: (name: string) => now.control.get(name),
      compareAndSet: (...change: Parameters<typeof now.control.compareAndSet>) => now.control.compareAndSet(...change),
      list: (prefix: string) => now.control.list(prefix),
    },
  };
  const applied = await readAppliedRegistry(store.control);
  const watch: { applied: AppliedRegistry | undefined; problem: string | undefined } = { applied, problem: undefined };
  const settings = { maxEntities: 3, maxFutureMs: 300_000, expiryGraceMs: 1_000, onlineStoreLayout: "packed" } as const;
  const write = createHeldRowWrite({ store, registry, applied, now: () => NOW_MS, ...settings }, watch);
  const stored = async () => {
    const schemas = new StoredSchemas(now.control);
    return (await inspectRow(now, schemas, spend, { customer_id: 1 }, NOW_MS)).tiers[0];
  };
  expect(await write("spend", body)).toMatchObject({ outcomes: ["written"] });

  now = openMemoryStore();
  Object.assign(watch, { applied: undefined, problem: "Apply." });
  const refused = { code: "REGISTRY_NOT_APPLIED", message: expect.stringContaining("Apply.") };
  await expect(write("spend", body)).rejects.toMatchObject(refused);
  expect(now.read([{ key: "customer_id=1", fields: ["spend"] }])).toMatchObject([{ rows: [undefined] }]);
  expect(await now.control.list("")).toEqual([]);

  now = await opened();
  Object.assign(watch, { applied: await readAppliedRegistry(now.control), problem: undefined });
  expect(await write("spend", body)).toMatchObject({ outcomes: ["written"] });
  expect(await stored()).toMatchObject({ origin: { http: "POST /features/spend/rows" } });
});
