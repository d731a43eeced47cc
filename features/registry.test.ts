import { describe, expect, test } from "vitest";
import { applyRegistry, planRegistry, readAppliedRegistry, requireApplied } from "./applied-registry.ts";
import type { Definition } from "./definition.ts";
import { entity } from "./entity.ts";
import { featureService } from "./feature-service.ts";
import { featureView } from "./feature-view.ts";
import { float32, float64, int64, type Schema, string } from "./field.ts";
import { onDemandFeatureView } from "./on-demand-view.ts";
import { createRegistry } from "./registry.ts";
import { fileSource, kafkaSource, requestSource } from "./source.ts";
import { openMemoryStore } from "./store/memory.ts";

const customer = entity("customer", { joinKeys: { customer_id: int64() } });
const registryOf = (...definitions: Definition[]) =>
  createRegistry(definitions.map((definition) => ({ definition, file: "features/test.ts" })));
const viewOf = (schema: Schema, ttl = "2d", name = "spend") => featureView(name, { entities: [customer], ttl, schema });
const provenance = { gitCommit: "abc", nowMs: 1_000 };

describe("a declaration", () => {
  test.each([
    ["a name that is no identifier", () => entity("no-dash", { joinKeys: { id: int64() } }), /"no-dash"/],
    ["a prototype's name", () => entity("__proto__", { joinKeys: { id: int64() } }), /__proto__/],
    ["an entity without join keys", () => entity("x", { joinKeys: {} }), /entity "x" has no join key/],
    ["a float join key", () => entity("x", { joinKeys: { id: float32() } }), /join key "id" is float32/],
    ["a view without fields", () => viewOf({}), /feature view "spend" has no field/],
    ["a join key as a field", () => viewOf({ customer_id: int64() }), /"customer_id" is a join key/],
    ["a wrong ttl", () => viewOf({ a: int64() }, "2 days"), /ttl is "2 days"/],
    [
      "an unknown field in select",
      () => viewOf({ a: int64(), b: int64() }).select("c" as never),
      /no field "c"; it has a, b/,
    ],
    ["an empty service", () => featureService("s", []), /"s" selects nothing/],
    [
      "a feature selected twice",
      () => featureService("s", [viewOf({ a: int64() }), viewOf({ a: int64() })]),
      /spend:a twice/,
    ],
    [
      "an unknown time zone",
      () => fileSource({ path: "p", timestampField: "t", timezone: "Mars" }),
      /"Mars" is unknown/,
    ],
    ["a topic without a timestamp", () => kafkaSource({ topic: "t", timestampField: "" }), /needs timestampField/],
    [
      "inputs that share a field name",
      () =>
        onDemandFeatureView("ratio", {
          inputs: [viewOf({ a: int64() }), requestSource("cart", { a: int64() })],
          schema: { r: float64() },
          transform: () => ({ r: 1 }),
        }),
      /both "spend" and "cart" have a field "a"/,
    ],
  ])("%s is refused by name", (_, declare, sentence) => {
    expect(declare).toThrow(sentence);
  });
});

describe("the registry", () => {
  test("refuses what is used but not exported", () => {
    expect(() => registryOf(viewOf({ a: int64() }))).toThrow(
      /features\/test\.ts: featureView "spend" uses entity "customer"/,
    );
  });

  test("refuses two definitions of one name", () => {
    expect(() => registryOf(customer, viewOf({ a: int64() }), requestSource("spend", { b: int64() }))).toThrow(
      /"spend" is declared twice/,
    );
  });

  test("refuses a join key of two types", () => {
    const other = entity("account", { joinKeys: { customer_id: string() } });
    expect(() => registryOf(customer, other)).toThrow(
      /join key "customer_id" is string in entity "account" and int64 in entity "customer"/,
    );
  });

  test("has one fingerprint for one meaning, in whatever order it was found", () => {
    const view = viewOf({ a: int64() });
    expect(registryOf(view, customer).fingerprint).toBe(registryOf(customer, view).fingerprint);
    expect(registryOf(viewOf({ a: int64() }, "3d"), customer).fingerprint).not.toBe(
      registryOf(view, customer).fingerprint,
    );
  });
});

describe("plan and apply", () => {
  test("tell what is added, changed and removed, field by field", async () => {
    const { control } = openMemoryStore();
    await applyRegistry(control, registryOf(customer, viewOf({ a: int64() })), provenance);
    const next = registryOf(
      customer,
      viewOf({ a: int64(), b: float32() }, "3d"),
      viewOf({ c: int64() }, "1d", "visits"),
    );
    expect(await planRegistry(control, next)).toEqual([
      {
        action: "change",
        kind: "featureView",
        name: "spend",
        details: [
          { path: "schema.b", from: undefined, to: "float32" },
          { path: "ttl_ms", from: 172_800_000, to: 259_200_000 },
        ],
      },
      { action: "add", kind: "featureView", name: "visits", details: [] },
    ]);
  });

  test("a changed view gets the next generation, another keeps its own, a second apply changes nothing", async () => {
    const { control } = openMemoryStore();
    const visits = viewOf({ c: int64() }, "1d", "visits");
    await applyRegistry(control, registryOf(customer, viewOf({ a: int64() }), visits), provenance);
    await applyRegistry(control, registryOf(customer, viewOf({ a: int64(), b: float32() }), visits), provenance);
    expect(
      await applyRegistry(control, registryOf(customer, viewOf({ a: int64(), b: float32() }), visits), provenance),
    ).toEqual([]);
    const applied = await readAppliedRegistry(control);
    expect(applied?.views).toEqual({ spend: { schemaId: 3, generation: 2 }, visits: { schemaId: 2, generation: 1 } });
    expect(applied?.gitCommit).toBe("abc");
  });

  test("a view that comes back goes on with its generation", async () => {
    const { control } = openMemoryStore();
    const registry = registryOf(customer, viewOf({ a: int64() }));
    await applyRegistry(control, registry, provenance);
    await applyRegistry(control, registryOf(customer), provenance);
    await applyRegistry(control, registry, provenance);
    expect((await readAppliedRegistry(control))?.views.spend).toEqual({ schemaId: 1, generation: 2 });
  });

  test.each([
    ["a field's type", () => viewOf({ a: float64() }), /"a" as int64; they can't be read as float64.*"spend_v2"/],
    [
      "the join keys",
      () => featureView("spend", { entities: [], ttl: "2d", schema: { a: int64() } }),
      /other join keys \(join_keys\.customer_id: int64 → none\).*"spend_v2"/,
    ],
  ])("a change of %s is refused with the way out, and nothing is recorded", async (_, change, sentence) => {
    const { control } = openMemoryStore();
    await applyRegistry(control, registryOf(customer, viewOf({ a: int64() })), provenance);
    const before = await readAppliedRegistry(control);
    await expect(applyRegistry(control, registryOf(customer, change()), provenance)).rejects.toThrow(sentence);
    expect(await readAppliedRegistry(control)).toEqual(before);
  });

  test("work on a view that is not applied, or differs, is refused", async () => {
    const { control } = openMemoryStore();
    const registry = registryOf(customer, viewOf({ a: int64() }));
    expect(() => requireApplied(undefined, registry, registry.views.values())).toThrow(
      /"spend" is not recorded.*headgate apply/,
    );
    await applyRegistry(control, registry, provenance);
    const applied = await readAppliedRegistry(control);
    expect(requireApplied(applied, registry, registry.views.values()).get("spend")).toEqual({
      schemaId: 1,
      generation: 1,
    });
    const wider = registryOf(customer, viewOf({ a: int64(), b: int64() }));
    expect(() => requireApplied(applied, wider, wider.views.values())).toThrow(/"spend" differs/);
    const longer = registryOf(customer, viewOf({ a: int64() }, "9d"));
    expect(requireApplied(applied, longer, longer.views.values()).size).toBe(1);
  });

  test("two applies at once: one wins, the other is told", async () => {
    const { control } = openMemoryStore();
    const apply = (ttl: string) =>
      applyRegistry(control, registryOf(customer, viewOf({ a: int64() }, ttl)), provenance);
    const outcomes = await Promise.allSettled([apply("1d"), apply("2d")]);
    const refused = outcomes.filter((outcome) => outcome.status === "rejected");
    expect(refused).toHaveLength(1);
    expect(String((refused[0] as PromiseRejectedResult).reason)).toMatch(/Another apply/);
  });
});
