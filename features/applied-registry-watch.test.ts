/** A store that is emptied under a running process: what is noticed, what mends it, and what must not be read by then. */

import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { afterEach, beforeEach, expect, test } from "vitest";
import { HeadgateError } from "../errors.ts";
import { applyRegistry } from "./applied-registry.ts";
import { type AppliedRegistryEvent, AppliedRegistryWatch, readHeldRegistry } from "./applied-registry-watch.ts";
import { entity } from "./entity.ts";
import { featureView } from "./feature-view.ts";
import { float32, int64, type Schema } from "./field.ts";
import { createRegistry, type Registry } from "./registry.ts";
import { createCircuitBreaker } from "./store/circuit-breaker.ts";
import { openMemoryStore } from "./store/memory.ts";
import type { ControlStore } from "./store/online-store.ts";

const customer = entity("customer", { joinKeys: { customer_id: int64() } });
const registryOf = (schema: Schema): Registry => {
  const spend = featureView("spend", { entities: [customer], ttl: "2d", schema });
  return createRegistry([customer, spend].map((definition) => ({ definition, file: "features/test.ts" })));
};
const served = registryOf({ net: float32(), gross: float32() });
const swapped = registryOf({ gross: float32(), net: float32() });
const wider = registryOf({ net: float32(), gross: float32(), orders: int64() });

const told: (string | undefined)[] = [];
const listen = (event: unknown) => void told.push((event as AppliedRegistryEvent).problem);
beforeEach(() => subscribe("headgate:applied-registry", listen));
afterEach(() => {
  unsubscribe("headgate:applied-registry", listen);
  told.length = 0;
});

/** A store that can be emptied, with the registries applied to it in turn, and a process that serves the last. */
async function begin(...registries: readonly Registry[]) {
  let now: ControlStore = openMemoryStore().control;
  const control: ControlStore = {
    get: (name) => now.get(name),
    compareAndSet: (...change) => now.compareAndSet(...change),
    list: (prefix) => now.list(prefix),
  };
  let nowMs = 0;
  const apply = (registry: Registry) => applyRegistry(control, registry, { gitCommit: undefined, nowMs: ++nowMs });
  for (const registry of registries) await apply(registry);
  const held = await readHeldRegistry(control, served, served.views.values());
  const { applied, schemas } = held;
  const found: (string | undefined)[] = [];
  const watch = new AppliedRegistryWatch({ ...held, onChange: (problem) => void found.push(problem) });
  return {
    ...{ apply, applied, schemas, watch, found },
    replace: (by: ControlStore) => {
      now = by;
    },
    empty: () => {
      now = openMemoryStore().control;
    },
  };
}

test("a registry that is gone is a problem until the same is applied again", async () => {
  const { apply, empty, watch } = await begin(served);
  await watch.check();
  expect([watch.problem, told]).toEqual([undefined, []]);
  empty();
  for (let again = 0; again < 2; again++) await watch.check();
  expect([watch.applied, watch.problem]).toEqual([undefined, expect.stringContaining('"headgate apply"')]);
  await apply(served);
  for (let again = 0; again < 2; again++) await watch.check();
  expect([watch.applied?.fingerprint, watch.problem]).toEqual([served.fingerprint, undefined]);
  expect(told).toEqual([expect.stringContaining('"headgate materialize-incremental now"'), undefined]);
});

test("whoever watches is called once for each record that is found, also where there is no problem", async () => {
  const { apply, empty, found, watch } = await begin(served);
  const steps = [empty, () => apply(served), empty, () => apply(wider), () => apply(served)];
  await watch.check();
  for (const step of steps) {
    await step();
    for (let again = 0; again < 2; again++) await watch.check();
  }
  const gone = expect.stringContaining('"headgate apply"');
  const another = expect.stringContaining("then restart");
  expect(found).toEqual([gone, undefined, gone, another, expect.stringContaining("Restart")]);
});

test("an ordinary apply is no problem, and is told as what is applied", async () => {
  const { apply, schemas, watch } = await begin(served);
  await apply(wider);
  await watch.check();
  expect([watch.applied?.fingerprint, watch.problem, told]).toEqual([wider.fingerprint, undefined, []]);
  expect(schemas.get(1)?.view).toBe("spend");
});

test.each([
  ["while it was looked at", true],
  ["between two looks", false],
])("a store emptied %s whose ids mean others now asks for a restart, whatever is applied then", async (_, isSeen) => {
  const { apply, empty, schemas, watch } = await begin(swapped, served);
  // Of rows that are older than the last apply.
  await schemas.fetch([1]);
  empty();
  if (isSeen) await watch.check();
  await apply(served);
  await watch.check();
  expect(watch.problem).toContain("Restart");
  // Id 1 was "gross, net" and is "net, gross": by either of them some rows would be read as what they are not.
  expect(schemas.get(1)?.view).toBe("");
  await apply(wider);
  await watch.check();
  // These definitions would be refused now.
  expect(watch.problem).toMatch(/another state .*run "headgate apply", then restart/);
});

test("a store that came back in an older state asks for an apply first, and for a restart for as long as it runs", async () => {
  const { apply, empty, watch } = await begin(swapped, served);
  empty();
  await apply(swapped);
  await watch.check();
  expect(watch.problem).toMatch(/an older one.* "headgate plan", run "headgate apply", then restart/);
  await apply(served);
  await watch.check();
  expect(watch.problem).toContain("set back");
  expect(watch.problem).toMatch(/Restart it\.$/);
});

test("ids that are given anew only after the restart was asked for are noticed too", async () => {
  const { apply, empty, schemas, watch } = await begin(swapped, served);
  empty();
  for (const [registry, view] of [
    [swapped, "spend"],
    [wider, ""],
  ] as const) {
    await apply(registry);
    await watch.check();
    // Id 2 is not given yet, and then another schema's.
    expect(schemas.get(2)?.view).toBe(view);
  }
});

/** A breaker that opens at the third read, and the store behind it. */
function failingReads() {
  const remote = openMemoryStore();
  const away = () => Promise.reject(new HeadgateError("STORE_UNREACHABLE", "gone"));
  const breaker = createCircuitBreaker(Object.assign(remote, { read: away }), { now: () => 0, random: () => 1 });
  const failRead = () => expect(async () => breaker.read([])).rejects.toThrow("gone");
  return { remote, breaker, away, failRead };
}

test("looks past a breaker neither open it nor make up for failed reads", async () => {
  const { remote, breaker, away, failRead } = failingReads();
  await applyRegistry(remote.control, served, { gitCommit: undefined, nowMs: 1 });
  let isAway = false;
  const watched = { ...remote.control, get: (name: string) => (isAway ? away() : remote.control.get(name)) };
  const held = await readHeldRegistry(breaker.control, served, served.views.values(), watched);
  const watch = new AppliedRegistryWatch(held);
  isAway = true;
  for (let look = 0; look < 3; look++) await expect(watch.check()).rejects.toThrow("gone");
  expect(breaker.breaker().state).toBe("closed");
  isAway = false;
  for (let failed = 0; failed < 3; failed++) {
    await failRead();
    await watch.check();
  }
  expect(breaker.breaker().state).toBe("open");
  await breaker.close();
});

test("ids that are given anew while the breaker is open are noticed past it", async () => {
  const { remote, breaker, failRead } = failingReads();
  await applyRegistry(remote.control, served, { gitCommit: undefined, nowMs: 1 });
  let { control } = remote;
  const get = (name: string) => control.get(name);
  const watched = { ...remote.control, get };
  const held = await readHeldRegistry(breaker.control, served, served.views.values(), watched);
  const watch = new AppliedRegistryWatch(held);
  for (let failed = 0; failed < 3; failed++) await failRead();
  expect(breaker.breaker().state).toBe("open");
  ({ control } = openMemoryStore());
  await applyRegistry(control, swapped, { gitCommit: undefined, nowMs: 2 });
  await applyRegistry(control, served, { gitCommit: undefined, nowMs: 3 });
  await watch.check();
  expect(watch.problem).toContain("Restart");
  await breaker.close();
});

test("a view that is young again asks for a restart, though no schema of its has changed", async () => {
  const { apply, empty, watch } = await begin(served, wider, served);
  empty();
  await apply(served);
  await watch.check();
  expect(watch.problem).toContain("Restart");
});

test("a store that does not answer changes nothing", async () => {
  const { empty, replace, watch } = await begin(served);
  const away = () => Promise.reject(new HeadgateError("STORE_UNREACHABLE", "gone"));
  replace({ get: away, compareAndSet: away, list: away });
  await expect(watch.check()).rejects.toThrow("gone");
  expect(watch.problem).toBeUndefined();
  empty();
  await watch.check();
  expect(watch.problem).toBeDefined();
});

test("it looks by itself, more often while there is no registry, until it is closed", async () => {
  const { apply, empty, watch } = await begin(served);
  const waits: number[] = [];
  const steps = [empty, () => apply(served), () => {}];
  await new Promise<void>((done) =>
    watch.start(async (ms, signal) => {
      waits.push(ms);
      const step = steps[waits.length - 1];
      if (step !== undefined) return void (await step());
      done();
      await new Promise((ended) => signal.addEventListener("abort", ended));
    }),
  );
  await watch.close();
  expect(waits).toEqual([1_000, 100, 1_000, 1_000]);
  expect(told).toEqual([expect.any(String), undefined]);
});

test("with no view there is nothing to apply", async () => {
  const held = await readHeldRegistry(openMemoryStore().control, createRegistry([]), []);
  expect(new AppliedRegistryWatch(held).problem).toBeUndefined();
});
