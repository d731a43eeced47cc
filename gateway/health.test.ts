import { expect, test } from "vitest";
import type { ParityVerdict } from "../features/parity-verdict.ts";
import { createRegistry } from "../features/registry.ts";
import { openMemoryStore } from "../features/store/memory.ts";
import { appliedDefinition } from "../features/view-definition.ts";
import type { Models } from "../models/lifecycle.ts";
import { openChurnGateway } from "./fixtures/churn-gateway.ts";
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

test("of a parity verdict that only a run over all entities lifts it is said so, and of one that any run does not", async () => {
  const view = "customer_30d_features";
  const gateway = await openChurnGateway();
  const { applied, registry } = gateway.options;
  const definition = appliedDefinition(registry, applied, view);
  const problemOf = async (found: Partial<ParityVerdict>) => {
    const verdict = { definition, verdict: "fail", at_ms: 0, checked: 9, sample: null, ...found } as ParityVerdict;
    const parity = async () => new Map([[view, verdict]]);
    const { ready, body } = await checkReadiness({ ...gateway.options, parity, readyParityMs: 1, now: () => 0 });
    expect(ready).toBe(false);
    return (body as { parity_problem: string }).parity_problem;
  };
  const lacks = `No recent passing parity verdict of ${view}.`;
  expect(await problemOf({})).toBe(
    `${lacks} A run over all entities failed ${view}, which stays until another passes: headgate parity --views ${view} --sample 1.`,
  );
  expect(await problemOf({ sample: { share: 0.1, seed: 1 } })).toBe(lacks);
  expect(await problemOf({ definition: "another" })).toBe(lacks);
  await gateway.close();
});
