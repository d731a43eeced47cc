/** Reads of a store that answers late, and fails late. A rejection that nobody waits for would end the process: vitest fails on one. */

import { expect, test } from "vitest";
import { applyRegistry } from "../../features/applied-registry.ts";
import { entity } from "../../features/entity.ts";
import { featureView } from "../../features/feature-view.ts";
import { float64, int64 } from "../../features/field.ts";
import { onDemandFeatureView } from "../../features/on-demand-view.ts";
import { createRegistry } from "../../features/registry.ts";
import { requestSource } from "../../features/source.ts";
import { openMemoryStore } from "../../features/store/memory.ts";
import type { OnlineStore } from "../../features/store/online-store.ts";
import { StoredSchemas } from "../../features/stored-schema.ts";
import { createOnlineFeatures } from "./online-features.ts";

const driver = entity("driver", { joinKeys: { driver_id: int64() } });
const stats = featureView("stats", { entities: [driver], schema: { trips: int64() } });
const cart = requestSource("cart", { value: float64() });
const ratios = onDemandFeatureView("ratios", {
  inputs: [stats, cart],
  schema: { ratio: float64() },
  transform: ({ value }) => {
    if (value === 1) throw new Error("not 1");
    return { ratio: value };
  },
});
const registry = createRegistry(
  [driver, stats, cart, ratios].map((definition) => ({ definition, file: "drivers.ts" })),
);

/** A route whose store does what `read` says at each of its reads. */
async function routeOf(read: (found: ReturnType<OnlineStore["read"]>, nth: number) => ReturnType<OnlineStore["read"]>) {
  const store = openMemoryStore();
  await applyRegistry(store.control, registry, { gitCommit: undefined, nowMs: 0 });
  let reads = 0;
  return createOnlineFeatures({
    ...{ registry, schemas: new StoredSchemas(store.control), presentOnly: false, adminToken: "", readsOpen: false },
    ...{ maxEntities: 5, deadlineMs: 60_000, now: () => 0, clock: () => 0 },
    store: { read: (requests) => read(store.read(requests), reads++) },
  });
}

async function codeOf(route: Awaited<ReturnType<typeof routeOf>>, values: readonly unknown[]): Promise<string> {
  const body = JSON.stringify({
    features: ["ratios:ratio"],
    entities: { driver_id: values.map((_, i) => i), value: values },
  });
  const answer = await route({
    ...{ method: "POST", path: "/get-online-features", text: () => body, bytes: () => Buffer.from(body) },
    header: (name) => (name === "content-type" ? "application/json" : undefined),
  });
  const told = JSON.parse(answer.body as string);
  // Whoever rejects late has rejected by now.
  await new Promise((turned) => setImmediate(turned));
  return answer.status === 200 ? "ok" : JSON.parse(told).code;
}

const late = async (found: ReturnType<OnlineStore["read"]>) => await found;
const away = () => Promise.reject(new Error("the store is away"));

test("a request feature that can't be taken is refused before anything is read", async () => {
  let reads = 0;
  const route = await routeOf((found) => {
    reads++;
    return late(found);
  });
  expect(await codeOf(route, [1, "bad"])).toBe("CONTEXT_INVALID");
  expect(reads).toBe(0);
  expect(await codeOf(await routeOf(away), [2, "bad"])).toBe("CONTEXT_INVALID");
});

test("one row's failure is the answer, whichever way and however late the others fail", async () => {
  expect(await codeOf(await routeOf(late), [1, 1, 2])).toBe("TRANSFORM_FAILED");
  expect(await codeOf(await routeOf((found, nth) => (nth === 1 ? found : late(found))), [1, 1, 1])).toBe(
    "TRANSFORM_FAILED",
  );
  expect(await codeOf(await routeOf(away), [2, 2])).toBe("INTERNAL");
  expect(await codeOf(await routeOf(late), [2, 3])).toBe("ok");
});
