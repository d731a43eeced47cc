import { beforeEach, expect, test } from "vitest";
import { applyRegistry, readAppliedRegistry } from "../features/applied-registry.ts";
import { entity } from "../features/entity.ts";
import { featureView } from "../features/feature-view.ts";
import { float64, int64, string } from "../features/field.ts";
import { createRegistry } from "../features/registry.ts";
import { openMemoryStore } from "../features/store/memory.ts";
import type { OnlineStore } from "../features/store/online-store.ts";
import { createRowWrite, type WriteRows } from "../gateway/row-write.ts";
import { exampleRequest, requestToFillIn } from "./example-request.ts";

const NOW_MS = Date.UTC(2026, 10, 23);
const driver = entity("driver", { joinKeys: { driver_id: int64() } });
const customer = entity("customer", { joinKeys: { customer_id: string() } });
const empty = featureView("empty", { entities: [driver], schema: { nothing: float64() } });
const pair = featureView("pair", {
  entities: [driver, customer],
  schema: { a: float64(), b: float64(), c: float64(), d: float64() },
});
const registry = createRegistry([driver, customer, empty, pair].map((definition) => ({ definition, file: "a.ts" })));

let store: OnlineStore;
let write: WriteRows;

beforeEach(async () => {
  store = openMemoryStore();
  await applyRegistry(store.control, registry, { gitCommit: undefined, nowMs: NOW_MS });
  const applied = await readAppliedRegistry(store.control);
  write = createRowWrite({
    ...{ store, registry, applied, maxEntities: 1_000, now: () => NOW_MS },
    ...{ maxFutureMs: 0, expiryGraceMs: 0 },
  });
});

const example = (from = store) => exampleRequest({ registry, store: from, models: { list: () => [] } });
const row = (id: bigint, values: object | null) => ({
  ...{ entity: { driver_id: id, customer_id: "it's" }, values },
  event_timestamp: "2026-11-22T10:00:00Z",
});

test("without a model it asks for features of an entity that some view has", async () => {
  await write("pair", { rows: [row(1n, null), row(9_007_199_254_740_993n, { a: 1 })] });
  expect(await example()).toEqual({
    route: "/get-online-features",
    body: `{"features":["pair:a","pair:b","pair:c"],"entities":{"customer_id":["it's"],"driver_id":[9007199254740993]}}`,
  });
});

test("without a row there is none, but one to fill in", async () => {
  await write("pair", { rows: [row(1n, null)] });
  expect(await example()).toBeUndefined();
  expect(requestToFillIn({ registry })?.body).toBe(`{"features":["empty:nothing"],"entities":{"driver_id":[1]}}`);
  expect(requestToFillIn({ registry: createRegistry([]) })).toBeUndefined();
});

test("a store whose pages never end is not looked through for ever", async () => {
  let pages = 0;
  const endless: OnlineStore = {
    ...store,
    scan: async () => {
      pages++;
      return { rows: [], cursor: "more" };
    },
  };
  expect(await example(endless)).toBeUndefined();
  expect(pages).toBe(200);
});
