import { beforeEach, expect, test, vi } from "vitest";
import { applyRegistry, readAppliedRegistry, requireApplied } from "../features/applied-registry.ts";
import { entity } from "../features/entity.ts";
import { featureService } from "../features/feature-service.ts";
import { type FeatureView, featureView } from "../features/feature-view.ts";
import { float32, int64, string } from "../features/field.ts";
import { onDemandFeatureView } from "../features/on-demand-view.ts";
import { compileReadPlan } from "../features/read-plan.ts";
import { createRegistry } from "../features/registry.ts";
import { SOURCE_RANK } from "../features/row-order.ts";
import { requestSource } from "../features/source.ts";
import { openMemoryStore } from "../features/store/memory.ts";
import type { OnlineStore } from "../features/store/online-store.ts";
import { StoredSchemas } from "../features/stored-schema.ts";
import { createViewWriter, recordOrigin } from "../features/writer.ts";
import type { LoadedModel } from "../models/loaded-model.ts";
import type { Manifest } from "../models/manifest.ts";
import type { OutputValue } from "../models/tensor.ts";
import { createDryRun, type DryRun } from "./dry-run.ts";
import { sampleEntities } from "./dry-run-entities.ts";

const NOW_MS = Date.UTC(2026, 10, 23);
const customer = entity("customer", { joinKeys: { customer_id: int64() } });
const shop = entity("shop", { joinKeys: { shop: string() } });
const orders = featureView("orders", { entities: [customer], schema: { count: float32() } });
const shops = featureView("shops", { entities: [shop], schema: { rating: float32() } });
const visits = featureView("visits", { entities: [customer, shop], schema: { seen: float32() } });
const basket = requestSource("basket", { value: float32() });
const halved = onDemandFeatureView("halved", {
  inputs: [orders],
  schema: { half: float32() },
  transform: ({ count }) => {
    if (count === 7) throw new Error("seven");
    return { half: count === null ? null : (count as number) / 2 };
  },
});
const definitions = [
  ...[customer, shop, orders, shops, visits, basket, halved],
  featureService("of_customers", [orders]),
  featureService("of_both", [orders, shops]),
  featureService("of_visits", [orders, shops, visits]),
  featureService("with_basket", [orders, basket]),
  featureService("on_demand", [halved]),
];
const registry = createRegistry(definitions.map((definition) => ({ definition, file: "features.ts" })));
const planOf = (service: string) => compileReadPlan(registry.services.get(service)!);

let store: OnlineStore;
let dryRun: DryRun;
let clockMs: number;

beforeEach(async () => {
  store = openMemoryStore();
  await applyRegistry(store.control, registry, { gitCommit: undefined, nowMs: NOW_MS });
  clockMs = 0;
  const schemas = new StoredSchemas(store.control);
  dryRun = createDryRun({ store, schemas, registry, now: () => NOW_MS, clock: () => clockMs });
});

async function write(view: FeatureView, rows: readonly (readonly [readonly (number | string)[], number | null])[]) {
  const applied = requireApplied(await readAppliedRegistry(store.control), registry, [view]).get(view.name)!;
  const originId = await recordOrigin(store.control, { run: "test" });
  const bounds = { maxFutureMs: 1, expiryGraceMs: 1, onlineStoreLayout: "packed" as const };
  const writer = createViewWriter({ store, view, applied, originId, sourceRank: SOURCE_RANK.file, ...bounds });
  const eventTimestampUs = (NOW_MS - 1) * 1_000;
  const times = { eventTimestampUs, createdTimestampUs: eventTimestampUs, position: 0 };
  const encoded = rows.map(([key, value]) => writer.encode({ entity: key, values: [value], ...times }, NOW_MS));
  await writer.write(encoded.map((row) => ("refused" in row ? expect.fail(row.refused) : row)));
}

const customers = (count: number) => Array.from({ length: count }, (_, i) => [[i], i] as const);

/** A model that answers what it is told for each row; `runMs` is what a run takes, `toldMs` what its worker says of it. */
function modelOf(
  service: string,
  answer: (row: readonly unknown[], rowCount: number) => OutputValue,
  {
    missing = "reject",
    runMs = 1,
    toldMs,
    latencyBudgetMs,
  }: { missing?: string; runMs?: number; toldMs?: number; latencyBudgetMs?: number } = {},
): LoadedModel & { readonly asked: number[] } {
  const { columns } = planOf(service);
  const asked: number[] = [];
  const manifest = { service, missing, maxAgeMs: undefined, latencyBudgetMs } as unknown as Manifest;
  const signature = { columns: columns.map((_, i) => i), defaults: [], outputs: [{ name: "score" }] };
  return {
    version: 4,
    manifest,
    signature,
    columns,
    asked,
    predict: async (rows: readonly (readonly unknown[])[]) => {
      clockMs += runMs;
      asked.push(rows.length);
      const outputs = [rows.map((row) => answer(row, rows.length))];
      return { result: { outputs, runMs: toldMs }, offset: 0, count: rows.length };
    },
  } as unknown as LoadedModel & { readonly asked: number[] };
}

const refusal = (asked: Promise<string>) =>
  asked.then(
    () => expect.fail("it passed"),
    (thrown: unknown) => thrown,
  );

test("a hundred of the stored entities are run, together and one by one", async () => {
  await write(orders, customers(300));
  const model = modelOf("of_customers", ([count]) => count as number);
  expect(await dryRun(model)).toBe(
    "100 of 100 entities of the online store answered, one by one and together; one run takes 1.00 ms",
  );
  expect(model.asked).toEqual([100, ...Array.from({ length: 100 }, () => 1)]);
});

test("an empty store has none to ask for", async () => {
  const model = modelOf("of_customers", () => 1);
  expect(await dryRun(model)).toContain("holds no entity");
  expect(model.asked).toEqual([]);
});

test("features from the request are in no store", async () => {
  await write(orders, customers(3));
  expect(await dryRun(modelOf("with_basket", () => 1))).toMatch(
    /left out: .*"with_basket" takes value from the request/,
  );
});

test("entities that the missing policy rejects are not run", async () => {
  await write(orders, [
    [[1], 1],
    [[2], null],
  ]);
  expect(await dryRun(modelOf("of_customers", () => 1))).toContain("1 of 2 entities");
  expect(await dryRun(modelOf("of_both", () => 1))).toContain("holds no entity");
});

test("an entity for which a transform fails is passed over, as its request would be", async () => {
  await write(orders, customers(9));
  expect(await dryRun(modelOf("on_demand", ([half]) => half as number))).toContain("8 of 9 entities");
});

test("a number that is none is refused, naming the entity", async () => {
  await write(orders, customers(5));
  const model = modelOf("of_customers", ([count]) => (count === 3 ? [0.5, Number.NaN] : [0.5, 0.5]));
  expect(await refusal(dryRun(model))).toMatchObject({
    code: "DRY_RUN_FAILED",
    message: 'Version 4 answers score [0.5,"NaN"] for entity {"customer_id":3}.',
  });
});

test("unless the model was fed one", async () => {
  await write(orders, [[[1], null]]);
  const model = modelOf("of_customers", ([count]) => (count === null ? Number.NaN : 1), { missing: "null" });
  expect(await dryRun(model)).toContain("1 of 1 entities");
});

test("a batch that answers something else than its rows alone is refused", async () => {
  await write(orders, customers(5));
  const model = modelOf("of_customers", ([count], rows) => (rows > 1 && count === 2 ? 2.1 : (count as number)));
  expect(await refusal(dryRun(model))).toMatchObject({
    message:
      'Version 4 answers score 2 for entity {"customer_id":2} alone, but 2.1 in a batch of 5: its batch axis is wrong.',
  });
  const close = modelOf("of_customers", ([count], rows) => (count as number) + (rows > 1 ? 1e-6 : 0));
  expect(await dryRun(close)).toContain("5 of 5");
});

test("a run over the manifest's budget is refused; the median counts, not the slowest", async () => {
  await write(orders, customers(5));
  const slow = modelOf("of_customers", () => 1, { runMs: 8, latencyBudgetMs: 5 });
  expect(await refusal(dryRun(slow))).toMatchObject({
    message: expect.stringContaining("takes 8.00 ms for one entity, more than its latency_budget of 5 ms"),
  });
  expect(await dryRun(modelOf("of_customers", () => 1, { runMs: 5, latencyBudgetMs: 5 }))).toContain("5.00 ms");
});

test("it is the run that is held against the budget, not how long this process let it wait", async () => {
  await write(orders, customers(5));
  const model = modelOf("of_customers", () => 1, { runMs: 80, toldMs: 4, latencyBudgetMs: 5 });
  expect(await dryRun(model)).toContain("one run takes 4.00 ms");
});

test("a slow model is run over as many entities as there is time for", async () => {
  await write(orders, customers(300));
  const slow = modelOf("of_customers", () => 1, { runMs: 20_000 });
  expect(await dryRun(slow)).toContain("100 of 100 entities of the online store answered, 3 of them alone");
  expect(slow.asked).toEqual([100, 1, 1, 1]);
});

test("no further run is begun once nobody waits", async () => {
  await write(orders, customers(9));
  const ending = new AbortController();
  const model = modelOf("of_customers", (_, rows) => {
    if (rows === 1) ending.abort(new Error("it ends"));
    return 1;
  });
  await expect(dryRun(model, ending.signal)).rejects.toThrow("it ends");
  expect(model.asked).toEqual([9, 1]);
});

test("what a run throws names the entity", async () => {
  await write(orders, customers(2));
  const model = modelOf("of_customers", (_, rows) => (rows === 1 ? expect.fail("no") : 1));
  await expect(dryRun(model)).rejects.toThrow("no");
});

test("entities of several join keys are put together of the keys of each view", async () => {
  await write(orders, customers(3));
  await write(shops, [
    [["a/b"], 1],
    [["c"], 2],
  ]);
  const entities = await sampleEntities(store, planOf("of_both"), 10, 1);
  expect(entities).toHaveLength(3);
  expect(new Set(entities.map(({ customer_id: id }) => id))).toEqual(new Set([0, 1, 2]));
  expect(new Set(entities.map(({ shop: name }) => name))).toEqual(new Set(["a/b", "c"]));
});

test("of a view that has them all, as they really met", async () => {
  await write(orders, customers(3));
  await write(visits, [[[7, "x"], 1]]);
  expect(await sampleEntities(store, planOf("of_visits"), 10, 1)).toEqual([{ customer_id: 7, shop: "x" }]);
});

test("the same seed takes the same entities, another one others, each at most once", async () => {
  await write(orders, customers(2_000));
  const scans = vi.spyOn(store, "scan");
  const taken = async (seed: number) =>
    (await sampleEntities(store, planOf("of_customers"), 100, seed)).map(({ customer_id: id }) => id);
  const first = await taken(1);
  expect(new Set(first).size).toBe(100);
  expect(await taken(1)).toEqual(first);
  expect(await taken(2)).not.toEqual(first);
  expect(scans.mock.calls.length).toBeGreaterThan(6);
});
