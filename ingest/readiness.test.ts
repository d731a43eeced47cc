import { expect, test } from "vitest";
import { HeadgateError } from "../errors.ts";
import { checkIngestReadiness, type IngestReadinessOptions } from "./readiness.ts";

const partition = { topic: "orders", partition: 0 };
const healthy: IngestReadinessOptions = {
  store: { address: "redis://a:6379", ping: async () => {} },
  consumer: { state: () => ({ connected: true, assignments: [partition], rebalances: 0, problem: undefined }) },
  refused: { oldest: () => undefined },
  group: "headgate-shop",
  registryFingerprint: "f1",
};
const refusedFor = (forMs: number) => ({
  oldest: () => ({ batch: "orders[0]@7", code: "STORE_UNWRITABLE", reason: "The disk is full.", forMs }),
});

test("a member whose store answers is ready", async () => {
  expect(await checkIngestReadiness(healthy)).toEqual({
    ready: true,
    body: {
      status: "ready",
      online_store: { address: "redis://a:6379", problem: null },
      kafka: { group: "headgate-shop", connected: true, problem: null, partitions: 1 },
      refused_batch: null,
      registry_fingerprint: "f1",
    },
  });
});

test("a batch that is refused for long makes it not ready, and is named; a hiccup does not", async () => {
  expect((await checkIngestReadiness({ ...healthy, refused: refusedFor(4_999) })).ready).toBe(true);
  expect(await checkIngestReadiness({ ...healthy, refused: refusedFor(61_500) })).toMatchObject({
    ready: false,
    body: {
      status: "not ready",
      refused_batch: { batch: "orders[0]@7", code: "STORE_UNWRITABLE", problem: "The disk is full.", seconds: 61 },
    },
  });
});

test("a store that fails or is silent, and a consumer with a problem, make it not ready", async () => {
  const away = { ...healthy.store, ping: () => Promise.reject(new Error("It is away.")) };
  expect(await checkIngestReadiness({ ...healthy, store: away })).toMatchObject({
    ready: false,
    body: { online_store: { problem: "It is away." } },
  });
  const silent = { ...healthy.store, ping: () => new Promise<never>(() => {}) };
  expect((await checkIngestReadiness({ ...healthy, store: silent, pingTimeoutMs: 1 })).ready).toBe(false);
  const problem = new HeadgateError("STREAM_UNREACHABLE", "Kafka does not answer.");
  const consumer = { state: () => ({ ...healthy.consumer.state(), problem }) };
  expect(await checkIngestReadiness({ ...healthy, consumer })).toMatchObject({
    ready: false,
    body: { kafka: { problem: "Kafka does not answer." } },
  });
});
