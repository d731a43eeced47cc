import { expect, test } from "vitest";
import { createRegistry } from "../features/registry.ts";
import { openMemoryStore } from "../features/store/memory.ts";
import type { Models } from "../models/lifecycle.ts";
import { checkReadiness, type HealthOptions } from "./health.ts";

const none: Models = { get: () => undefined, list: () => [], refresh: async () => {}, close: async () => {} };

const options: HealthOptions = {
  store: openMemoryStore(),
  memory: undefined,
  models: none,
  registry: createRegistry([]),
  applied: undefined,
  registryWatch: { applied: undefined, problem: undefined },
  isDraining: () => false,
  parity: async () => new Map(),
  readyParityMs: 0,
  now: () => 0,
};

test("a store that never answers holds no probe longer than the bound", async () => {
  const silent = { ...openMemoryStore(), ping: () => new Promise<never>(() => {}) };
  const { ready, body } = await checkReadiness({ ...options, store: silent, pingTimeoutMs: 1 });
  expect([ready, body]).toEqual([
    false,
    expect.objectContaining({
      online_store: expect.objectContaining({ problem: "The 1 ms budget passed during asking the store." }),
    }),
  ]);
});

test("a store that lost the applied registry is no place to answer from", async () => {
  expect((await checkReadiness(options)).ready).toBe(true);
  const lost = await checkReadiness({ ...options, registryWatch: { applied: undefined, problem: "Apply." } });
  expect(lost).toMatchObject({ ready: false, body: { applied_fingerprint: null, registry_problem: "Apply." } });
});
