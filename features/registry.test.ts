import { describe, expect, test } from "vitest";
import { applyRegistry, planRegistry, readAppliedRegistry, requireApplied } from "./applied-registry.ts";
import type { Definition } from "./definition.ts";
import { entity } from "./entity.ts";
import { featureView } from "./feature-view.ts";
import { float32, float64, int64, type Schema, string } from "./field.ts";
import { createRegistry } from "./registry.ts";
import { fileSource, requestSource } from "./source.ts";
import { openMemoryStore } from "./store/memory.ts";

const customer = entity("customer", { joinKeys: { customer_id: int64() } });
const registryOf = (...definitions: Definition[]) =>
  createRegistry(definitions.map((definition) => ({ definition, file: "features/test.ts" })));
const viewOf = (schema: Schema, ttl = "2d", name = "spend") => featureView(name, { entities: [customer], ttl, schema });
const provenance = { gitCommit: "abc", nowMs: 1_000 };

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
    const joinKeys = { customer_id: "int64" };
    expect(applied?.views).toEqual({
      spend: { schemaId: 3, generation: 2, rows: { joinKeys, fields: { a: "int64", b: "float32" } } },
      visits: { schemaId: 2, generation: 1, rows: { joinKeys, fields: { c: "int64" } } },
    });
    expect(applied?.gitCommit).toBe("abc");
  });

  test("a view that comes back goes on with its generation", async () => {
    const { control } = openMemoryStore();
    const registry = registryOf(customer, viewOf({ a: int64() }));
    await applyRegistry(control, registry, provenance);
    await applyRegistry(control, registryOf(customer), provenance);
    await applyRegistry(control, registry, provenance);
    expect((await readAppliedRegistry(control))?.views.spend).toMatchObject({ schemaId: 1, generation: 2 });
  });

  test("another order of a view's fields is a change like any other, and work goes on after it", async () => {
    const { control } = openMemoryStore();
    await applyRegistry(control, registryOf(customer, viewOf({ a: int64(), b: float32() })), provenance);
    const turned = registryOf(customer, viewOf({ b: float32(), a: int64() }));
    const change = { action: "change", kind: "featureView", name: "spend" };
    expect(await planRegistry(control, turned)).toEqual([
      { ...change, details: [{ path: "schema", from: "a, b", to: "b, a" }] },
    ]);
    await applyRegistry(control, turned, provenance);
    expect(await planRegistry(control, turned)).toEqual([]);
    const lines = requireApplied(await readAppliedRegistry(control), turned, turned.views.values());
    expect(lines.get("spend")).toEqual({ schemaId: 2, generation: 2 });
  });

  test("the order of join keys, of entities' names and of columns means nothing", () => {
    const columns = (first: string, second: string) => {
      const pair = entity("pair", { joinKeys: { [first]: int64(), [second]: int64() } });
      const source = fileSource({ path: "p", timestampField: "t", columns: { [first]: "x", [second]: "x" } });
      return registryOf(pair, featureView("v", { entities: [pair], schema: { a: int64() }, source }));
    };
    expect(columns("k", "l").fingerprint).toBe(columns("l", "k").fingerprint);
  });

  test("equal definitions of another commit are recorded, with the views as they were", async () => {
    const { control } = openMemoryStore();
    const registry = registryOf(customer, viewOf({ a: int64() }));
    await applyRegistry(control, registry, provenance);
    const before = await readAppliedRegistry(control);
    expect(await applyRegistry(control, registry, { gitCommit: "def", nowMs: 2_000 })).toEqual([]);
    expect(await readAppliedRegistry(control)).toEqual({ ...before, gitCommit: "def", appliedAtMs: 2_000 });
    await applyRegistry(control, registry, { gitCommit: "def", nowMs: 3_000 });
    expect((await readAppliedRegistry(control))?.appliedAtMs).toBe(2_000);
  });

  test.each([
    [
      "a field of another type",
      [viewOf({ b: int64() })],
      viewOf({ a: float64(), b: int64() }),
      /"a" as int64.*spend_v2/,
    ],
    ["a view with a field of another type", [], viewOf({ a: float64() }), /"a" as int64.*spend_v2/],
    [
      "a view with other join keys",
      [],
      featureView("spend", { entities: [], schema: { a: int64() } }),
      /other join keys.*customer_id: int64 → none.*spend_v2/,
    ],
  ])("%s is refused after a removal as well, however long ago", async (_, without, back, sentence) => {
    const { control } = openMemoryStore();
    await applyRegistry(control, registryOf(customer, viewOf({ a: int64(), b: int64() })), provenance);
    await applyRegistry(control, registryOf(customer, ...without), provenance);
    await applyRegistry(control, registryOf(customer, ...without, viewOf({ c: int64() }, "1d", "visits")), provenance);
    const next = registryOf(customer, back);
    expect((await planRegistry(control, next)).map((change) => change.refused ?? "")).toContainEqual(
      expect.stringMatching(sentence),
    );
    await expect(applyRegistry(control, next, provenance)).rejects.toThrow(sentence);
  });

  test("a record that was made before shapes were kept refuses by its definitions", async () => {
    const { control } = openMemoryStore();
    await applyRegistry(control, registryOf(customer, viewOf({ a: int64() })), provenance);
    const { views, ...record } = (await readAppliedRegistry(control))!;
    const bare = { ...record, views: { spend: { schemaId: views.spend!.schemaId, generation: 1 } } };
    await control.compareAndSet("registry", await control.get("registry"), Buffer.from(JSON.stringify(bare)));
    await expect(applyRegistry(control, registryOf(customer, viewOf({ a: float64() })), provenance)).rejects.toThrow(
      /"a" as int64/,
    );
    await applyRegistry(control, registryOf(customer, viewOf({ a: int64(), b: int64() })), provenance);
    expect((await readAppliedRegistry(control))?.views.spend?.rows?.fields).toEqual({ a: "int64", b: "int64" });
  });

  test("a second project on one store is refused, naming both", async () => {
    const { control } = openMemoryStore();
    const registry = registryOf(customer, viewOf({ a: int64() }));
    await applyRegistry(control, registry, { ...provenance, project: "shop" });
    await expect(applyRegistry(control, registryOf(customer), { ...provenance, project: "bank" })).rejects.toThrow(
      expect.objectContaining({
        code: "REGISTRY_CHANGE_REFUSED",
        message: expect.stringMatching(/project "shop"; this is project "bank"/),
      }),
    );
    await applyRegistry(control, registryOf(customer), provenance);
    expect(await readAppliedRegistry(control)).toMatchObject({ project: "shop", definitions: { featureView: {} } });
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
