import { expect, test } from "vitest";
import { applyRegistry, readAppliedRegistry, requireApplied } from "./applied-registry.ts";
import { entity } from "./entity.ts";
import { featureView } from "./feature-view.ts";
import { float32, int64, type Schema } from "./field.ts";
import { createRegistry } from "./registry.ts";
import { openMemoryStore } from "./store/memory.ts";
import { appliedDefinition, viewDefinition } from "./view-definition.ts";

const customer = entity("customer", { joinKeys: { customer_id: int64() } });

/** A store to which a view of each schema is applied in turn; of the last: what a load calls it, and what a reader does. */
async function definitionsOf(...schemas: readonly Schema[]) {
  const { control } = openMemoryStore();
  let definitions: readonly (string | undefined)[] = [];
  for (const [nowMs, schema] of schemas.entries()) {
    const spend = featureView("spend", { entities: [customer], schema });
    const registry = createRegistry([customer, spend].map((definition) => ({ definition, file: "spend.ts" })));
    await applyRegistry(control, registry, { gitCommit: undefined, nowMs });
    const applied = await readAppliedRegistry(control);
    const line = requireApplied(applied, registry, [spend]).get("spend")!;
    definitions = [viewDefinition(registry, line, "spend"), appliedDefinition(registry, applied, "spend")];
  }
  return definitions;
}

test("a load and who asks of the applied registry call a view's definition the same", async () => {
  const [loaded, asked] = await definitionsOf({ net: float32() });
  expect(loaded).toMatch(/^[0-9a-f]{16}$/);
  expect(asked).toBe(loaded);
});

test("a view that was another meanwhile is of another definition, though it is declared as before", async () => {
  const [first] = await definitionsOf({ net: float32() });
  const [again] = await definitionsOf({ net: float32() }, { net: float32(), gross: float32() }, { net: float32() });
  expect(again).not.toBe(first);
});
