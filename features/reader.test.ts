/** Writer to reader through a store: every status, every way a plan can join, and nothing in between. */

import { describe, expect, test } from "vitest";
import { applyRegistry, readAppliedRegistry, requireApplied } from "./applied-registry.ts";
import type { Definition } from "./definition.ts";
import { entity } from "./entity.ts";
import { type FeatureService, featureService } from "./feature-service.ts";
import { STATUS_NAMES } from "./feature-status.ts";
import { type FeatureView, featureView } from "./feature-view.ts";
import { array, float32, float64, int64, type Schema, string } from "./field.ts";
import { onDemandFeatureView } from "./on-demand-view.ts";
import { compileReadPlan } from "./read-plan.ts";
import { createFeatureReader, type EntityKeys } from "./reader.ts";
import { createRegistry } from "./registry.ts";
import { bindContext } from "./request-context.ts";
import { inspectRow } from "./row-inspection.ts";
import { SOURCE_RANK } from "./row-order.ts";
import { requestSource } from "./source.ts";
import { openMemoryStore } from "./store/memory.ts";
import type { OnlineStore } from "./store/online-store.ts";
import { StoredSchemas } from "./stored-schema.ts";
import { createViewWriter, recordOrigin } from "./writer.ts";

const NOW = Date.UTC(2026, 10, 23);
const HOUR = 3_600_000;
const customer = entity("customer", { joinKeys: { customer_id: int64() } });
const product = entity("product", { joinKeys: { product_id: string() } });
const spend = featureView("spend", { entities: [customer], ttl: "2d", schema: { orders: int64(), amount: float32() } });
const visits = featureView("visits", { entities: [customer], schema: { pages: array(string()) } });
const affinity = featureView("affinity", { entities: [customer, product], schema: { score: float64() } });
const calendar = featureView("calendar", { entities: [], ttl: "1d", schema: { holiday: float64() } });
const cart = requestSource("cart", { basket_value: float64() });
const ratios = onDemandFeatureView("ratios", {
  inputs: [spend, cart],
  schema: { of_usual: float64(), known: float64() },
  transform: ({ amount, basket_value }) => ({
    of_usual: amount === null || basket_value === null ? null : basket_value / amount,
    known: amount === null ? 0 : 1,
  }),
});

async function openProject(...definitions: Definition[]) {
  const store = openMemoryStore();
  const registry = createRegistry(definitions.map((definition) => ({ definition, file: "features/test.ts" })));
  await applyRegistry(store.control, registry, { gitCommit: undefined, nowMs: NOW });
  const applied = requireApplied(await readAppliedRegistry(store.control), registry, registry.views.values());
  const originId = await recordOrigin(store.control, { run: "test" });
  const write = async (
    view: FeatureView,
    keys: readonly unknown[],
    values: readonly unknown[] | undefined,
    ageMs = HOUR,
  ) => {
    const options = { store, view, applied: applied.get(view.name)!, originId, sourceRank: SOURCE_RANK.file };
    const writer = createViewWriter({
      ...options,
      maxFutureMs: 300_000,
      expiryGraceMs: 1,
      onlineStoreLayout: "packed",
    });
    const at = (NOW - ageMs) * 1_000;
    const row = writer.encode({ entity: keys, values, eventTimestampUs: at, createdTimestampUs: at, position: 0 }, NOW);
    if ("refused" in row) throw new Error(row.refused);
    return (await writer.write([row]))[0];
  };
  return { store, write };
}

async function read(
  store: OnlineStore,
  service: FeatureService,
  entities: EntityKeys[],
  context?: Record<string, unknown>,
  maxAgeMs?: number,
) {
  const plan = compileReadPlan(service, maxAgeMs);
  const vectors = await createFeatureReader(store, new StoredSchemas(store.control), plan).read(
    entities,
    bindContext(plan, context),
    NOW,
  );
  const width = plan.columns.length;
  return vectors.map(({ values, statuses }) => ({
    values: values.slice(0, width),
    statuses: statuses.slice(0, width).map((status) => STATUS_NAMES[status]),
  }));
}

describe("a value's status", () => {
  const service = featureService("s", [spend]);

  test("tells present, null, NaN, missing, deleted and too old apart", async () => {
    const { store, write } = await openProject(customer, spend);
    await write(spend, [1], [3, 1.5]);
    await write(spend, [2], [null, Number.NaN]);
    await write(spend, [3], [3, 1.5], 49 * HOUR);
    await write(spend, [4], [3, 1.5]);
    await write(spend, [4], undefined, HOUR - 1);
    const ids = [1, 2, 3, 4, 5].map((customer_id) => ({ customer_id }));
    expect(await read(store, service, ids)).toEqual([
      { values: [3, 1.5], statuses: ["PRESENT", "PRESENT"] },
      { values: [null, Number.NaN], statuses: ["NULL_VALUE", "PRESENT"] },
      { values: [null, null], statuses: ["OUTSIDE_MAX_AGE", "OUTSIDE_MAX_AGE"] },
      { values: [null, null], statuses: ["NOT_FOUND", "NOT_FOUND"] },
      { values: [null, null], statuses: ["NOT_FOUND", "NOT_FOUND"] },
    ]);
  });

  test("a model's max_age tightens the view's ttl and never widens it", async () => {
    const { store, write } = await openProject(customer, spend);
    await write(spend, [1], [3, 1.5], 5 * HOUR);
    await write(spend, [2], [3, 1.5], 49 * HOUR);
    const ids = [{ customer_id: 1 }, { customer_id: 2 }];
    const statuses = async (maxAgeMs: number) =>
      (await read(store, service, ids, {}, maxAgeMs)).map((vector) => vector.statuses[0]);
    expect(await statuses(6 * HOUR)).toEqual(["PRESENT", "OUTSIDE_MAX_AGE"]);
    expect(await statuses(4 * HOUR)).toEqual(["OUTSIDE_MAX_AGE", "OUTSIDE_MAX_AGE"]);
    expect(await statuses(100 * HOUR)).toEqual(["PRESENT", "OUTSIDE_MAX_AGE"]);
  });

  test("is exact at the edge of the ttl", async () => {
    const { store, write } = await openProject(customer, spend);
    await write(spend, [1], [3, 1.5], 48 * HOUR);
    await write(spend, [2], [3, 1.5], 48 * HOUR + 1);
    const vectors = await read(store, service, [{ customer_id: 1 }, { customer_id: 2 }]);
    expect(vectors.map(({ statuses }) => statuses[0])).toEqual(["PRESENT", "OUTSIDE_MAX_AGE"]);
  });
});

describe("a service", () => {
  test("joins several views of several entities, one without any, in its own order", async () => {
    const { store, write } = await openProject(customer, product, spend, visits, affinity, calendar);
    await write(spend, [9007199254740993n], [2n ** 60n, 1.5]);
    await write(visits, [9007199254740993n], [["a", null]]);
    await write(affinity, [9007199254740993n, "p/1"], [0.1]);
    await write(calendar, [], [1]);
    const service = featureService("s", [affinity, spend.select("amount", "orders"), calendar, visits]);
    const vectors = await read(store, service, [{ product_id: "p/1", customer_id: 9007199254740993n }]);
    expect(vectors[0]!.values).toEqual([0.1, 1.5, 2n ** 60n, 1, ["a", null]]);
  });

  test("reads all views of one key in one request", async () => {
    const plan = compileReadPlan(featureService("s", [spend, visits, affinity]));
    expect(plan.keys.map((key) => key.fields)).toEqual([["spend", "visits"], ["affinity"]]);
    expect(Object.keys(plan.joinKeys).sort()).toEqual(["customer_id", "product_id"]);
  });

  test("computes on-demand views from stored and request features, without showing their inputs", async () => {
    const { store, write } = await openProject(customer, spend, cart, ratios);
    await write(spend, [1], [3, 4]);
    const service = featureService("s", [ratios.select("of_usual", "known")]);
    const vectors = await read(store, service, [{ customer_id: 1 }, { customer_id: 2 }], { basket_value: 10 });
    expect(vectors).toEqual([
      { values: [2.5, 1], statuses: ["PRESENT", "PRESENT"] },
      { values: [null, 0], statuses: ["NULL_VALUE", "PRESENT"] },
    ]);
  });

  test("refuses a context that lacks, misspells or mistypes a request feature", () => {
    const plan = compileReadPlan(featureService("s", [cart]));
    expect(() => bindContext(plan, {})).toThrow(/context\.basket_value is missing/);
    expect(() => bindContext(plan, { basket_value: "12" })).toThrow(/context\.basket_value is not of type float64/);
    expect(() => bindContext(plan, { basket_value: 1, basket: 2 })).toThrow(
      /context\.basket is unknown.*takes basket_value/,
    );
    expect(() => bindContext(plan, JSON.parse('{"basket_value":1,"__proto__":{}}'))).toThrow(
      /context\.__proto__ is unknown/,
    );
  });

  test("a transform that throws or gives another type is told by name", async () => {
    const bad = (transform: () => never) =>
      onDemandFeatureView("bad", { inputs: [cart], schema: { x: float64() }, transform });
    const thrower = bad(() => {
      throw new Error("boom");
    });
    const { store } = await openProject(cart, thrower);
    await expect(read(store, featureService("s", [thrower]), [{}], { basket_value: 1 })).rejects.toThrow(
      /"bad" threw: boom/,
    );
  });

  const boom = () => Promise.reject(new Error("nobody hears this"));
  test.each([
    ["another type", () => ({ x: "1" }), /gave "1" for "x", which is float64/],
    ["a promise", boom, /gave a promise/],
    ["nothing", () => undefined, /gave undefined; return an object/],
    ["a list", () => [1], /gave a list of 1; return an object/],
    ["less than it declares", () => ({}), /gave nothing for "x"; return null/],
    ["undefined for null", () => ({ x: undefined }), /gave nothing for "x"; return null/],
    ["what only its prototype has", () => Object.create({ x: 1 }), /gave nothing for "x"/],
    ["more than it declares", () => ({ x: 1, y: 2 }), /gave "y", which its schema does not have; it has x/],
  ])("a transform that gives %s is told by name", async (_, transform, sentence) => {
    const view = onDemandFeatureView("bad", {
      inputs: [cart],
      schema: { x: float64() },
      transform: transform as never,
    });
    const { store } = await openProject(cart, view);
    await expect(read(store, featureService("s", [view]), [{}], { basket_value: 1 })).rejects.toMatchObject({
      code: "TRANSFORM_FAILED",
      message: expect.stringMatching(sentence),
    });
  });

  test("with nothing to take from the request binds nothing anew", () => {
    const plan = compileReadPlan(featureService("s", [spend]));
    expect(bindContext(plan, undefined)).toBe(bindContext(plan, {}));
    expect(() => bindContext(plan, { basket: 1 })).toThrow(/takes nothing from the request/);
  });
});

describe("rows of another schema", () => {
  const versions = (schema: Schema) => featureView("spend", { entities: [customer], schema });
  const rewrite = async (from: Schema, values: unknown[], to: Schema) => {
    const { store, write } = await openProject(customer, versions(from));
    await write(versions(from), [1], values);
    return (await read(store, featureService("s", [versions(to)]), [{ customer_id: 1 }]))[0]!;
  };

  test("are projected by field name: added fields are null, removed ones passed over, order is free", async () => {
    const vector = await rewrite({ a: int64(), b: float32(), c: string() }, [1, 2, "x"], {
      c: string(),
      d: int64(),
      a: int64(),
    });
    expect(vector).toEqual({ values: ["x", null, 1], statuses: ["PRESENT", "NULL_VALUE", "PRESENT"] });
  });

  test("with a field of another type count as missing, never as garbage", async () => {
    const vector = await rewrite({ a: int64(), b: float32() }, [1, 2], { a: int64(), b: int64() });
    expect(vector).toEqual({ values: [null, null], statuses: ["NOT_FOUND", "NOT_FOUND"] });
  });
});

describe("a row whose schema the store lacks", () => {
  test("counts as missing for this read only, and its schema is asked for once at a time", async () => {
    const { store, write } = await openProject(customer, spend);
    await write(spend, [1], [3, 1.5]);
    let asked = 0;
    let isCaughtUp = false;
    const control = {
      ...store.control,
      get: (name: string) => {
        if (name.startsWith("schema/")) asked++;
        return isCaughtUp ? store.control.get(name) : Promise.resolve(undefined);
      },
    };
    const reader = createFeatureReader(
      store,
      new StoredSchemas(control),
      compileReadPlan(featureService("s", [spend])),
    );
    const readTwice = async () =>
      (await Promise.all([0, 1].map(() => reader.read([{ customer_id: 1 }], [], NOW)))).map(([one]) => one!.values);
    expect(await readTwice()).toEqual([
      [null, null],
      [null, null],
    ]);
    expect(asked).toBe(1);
    isCaughtUp = true;
    expect(await readTwice()).toEqual([
      [3, 1.5],
      [3, 1.5],
    ]);
    expect(asked).toBe(2);
  });
});

test("the inspection of a row tells everything that is known of it", async () => {
  const { store, write } = await openProject(customer, spend);
  await write(spend, [17], [3, Math.fround(0.1)]);
  const row = await inspectRow(store, new StoredSchemas(store.control), spend, { customer_id: 17 }, NOW);
  expect(row).toMatchObject({
    view: "spend",
    entity: { customer_id: 17 },
    key: "customer_id=17",
    ttl_seconds: 172_800,
    served: { status: "PRESENT", age_seconds: 3_600, values: { orders: { value: 3, status: "PRESENT" } } },
    tiers: [
      {
        tier: "memory",
        found: true,
        deleted: false,
        event_timestamp: "2026-11-22T23:00:00.000Z",
        ttl_left_seconds: 169_200,
        written_at: "2026-11-23T00:00:00.000Z",
        origin: { run: "test" },
        generation: 1,
        values: { orders: 3, amount: Math.fround(0.1) },
      },
    ],
  });
});
