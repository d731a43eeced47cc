import { expect, test } from "vitest";
import { entity } from "../../features/entity.ts";
import { featureView } from "../../features/feature-view.ts";
import { int64 } from "../../features/field.ts";
import { createRegistry } from "../../features/registry.ts";
import { openMemoryStore } from "../../features/store/memory.ts";
import { StoredSchemas } from "../../features/stored-schema.ts";
import { createOnlineFeaturesPlans, type OnlineFeaturesPlan } from "./online-features-plan.ts";
import { checkOnlineFeaturesRequest } from "./online-features-request.ts";

const driver = entity("driver", { joinKeys: { driver_id: int64() } });
const stats = featureView("stats", { entities: [driver], schema: { a: int64(), b: int64(), c: int64() } });
const registry = createRegistry([driver, stats].map((definition) => ({ definition, file: "drivers.ts" })));

function opened(bounds: { readonly plansMax?: number; readonly planFeaturesMax?: number }) {
  const store = openMemoryStore();
  const schemas = new StoredSchemas(store.control);
  const planOf = createOnlineFeaturesPlans({ store, schemas, registry, presentOnly: false, ...bounds });
  return (...fields: readonly string[]): OnlineFeaturesPlan => {
    const body = { entities: { driver_id: [1] }, features: fields.map((field) => `stats:${field}`) };
    return planOf(checkOnlineFeaturesRequest(body, 1));
  };
}

test("plans are kept, as many as that, the last ones", () => {
  const plan = opened({ plansMax: 2 });
  const [a, b] = [plan("a"), plan("b")];
  expect([plan("a"), plan("b"), plan("a")]).toEqual([a, b, a]);
  expect(plan("a")).toBe(a);
  plan("c");
  expect(plan("a")).toBe(a);
  expect(plan("b")).not.toBe(b);
});

test("another order is another plan, and no reference can be taken for two", () => {
  const plan = opened({});
  expect(plan("a", "b")).not.toBe(plan("b", "a"));
  plan("a", "b");
  expect(() => plan("a\nstats:b")).toThrow("has no feature");
});

test("a plan of many features is not kept, and puts out none that is", () => {
  const plan = opened({ plansMax: 1, planFeaturesMax: 2 });
  const small = plan("a", "b");
  expect(plan("a", "b", "c")).not.toBe(plan("a", "b", "c"));
  expect(plan("a", "b")).toBe(small);
});
