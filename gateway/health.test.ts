import { expect, test } from "vitest";
import { createRegistry } from "../features/registry.ts";
import { openMemoryStore } from "../features/store/memory.ts";
import type { Models } from "../models/lifecycle.ts";
import { checkReadiness } from "./health.ts";

const none: Models = { get: () => undefined, list: () => [], refresh: async () => {}, close: async () => {} };

test("a store that never answers holds no probe longer than the bound", async () => {
  const silent = { ...openMemoryStore(), ping: () => new Promise<never>(() => {}) };
  const { ready, body } = await checkReadiness({
    store: silent,
    memory: undefined,
    models: none,
    registry: createRegistry([]),
    applied: undefined,
    isDraining: () => false,
    parity: async () => new Map(),
    readyParityMs: 0,
    now: () => 0,
    pingTimeoutMs: 1,
  });
  expect([ready, body]).toEqual([
    false,
    expect.objectContaining({
      online_store: expect.objectContaining({ problem: "The 1 ms budget passed during asking the store." }),
    }),
  ]);
});
