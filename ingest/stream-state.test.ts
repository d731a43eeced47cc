import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { expect, test } from "vitest";
import { HeadgateError } from "../errors.ts";
import { openMemoryStore } from "../features/store/memory.ts";
import type { ConsumerState, PartitionLag } from "./consumer.ts";
import { checkIngestReadiness } from "./readiness.ts";
import { type IngestState, StreamState } from "./stream-state.ts";

const NOW_MS = 1_000_000;
const connected: ConsumerState = { connected: true, assignments: [], rebalances: 2, problem: undefined };

async function published(state: StreamState, withLag: boolean): Promise<IngestState> {
  const told: IngestState[] = [];
  const listen = (message: unknown) => told.push(message as IngestState);
  subscribe("headgate:ingest-state", listen);
  await state.publish(withLag);
  unsubscribe("headgate:ingest-state", listen);
  return told[0]!;
}

test("the lag in time is the age of the last record in the store, nothing where there is no lag", async () => {
  const lags = [5, 0, 7].map((messages, partition): PartitionLag => ({ topic: "orders", partition, messages }));
  const state = new StreamState({ state: () => connected, lag: async () => lags }, () => NOW_MS);
  state.applied("orders", 0, NOW_MS - 30_000);
  state.applied("orders", 1, NOW_MS - 30_000);
  expect((await published(state, true)).lags).toEqual([
    { topic: "orders", partition: 0, messages: 5, seconds: 30 },
    { topic: "orders", partition: 1, messages: 0, seconds: 0 },
    { topic: "orders", partition: 2, messages: 7, seconds: undefined },
  ]);
  expect(await published(state, false)).toMatchObject({ connected: true, rebalances: 2, lags: undefined });
});

test("brokers that can't be asked for the lag hinder no scrape", async () => {
  const lag = () => Promise.reject(new HeadgateError("STREAM_UNREACHABLE", "It is away."));
  const state = new StreamState({ state: () => connected, lag }, () => NOW_MS);
  expect((await published(state, true)).lags).toBeUndefined();
});

test("it is ready while it is a member without a problem and the store answers in time", async () => {
  const store = openMemoryStore();
  const problem = new HeadgateError("STREAM_UNREACHABLE", "No broker answers.");
  const check = (state: ConsumerState, ping: () => Promise<void> = () => store.ping()) =>
    checkIngestReadiness({
      store: { address: "memory:", ping },
      consumer: { state: () => state },
      group: "headgate-shop",
      registryFingerprint: "f00d",
      pingTimeoutMs: 1,
    });
  expect(await check(connected)).toMatchObject({
    ready: true,
    body: { status: "ready", registry_fingerprint: "f00d" },
  });
  expect(await check({ ...connected, connected: false, problem })).toMatchObject({
    ready: false,
    body: { kafka: { group: "headgate-shop", connected: false, problem: "No broker answers." } },
  });
  expect(await check(connected, () => Promise.reject(new Error("gone")))).toMatchObject({
    ready: false,
    body: { online_store: { problem: "gone" } },
  });
  expect((await check(connected, () => new Promise(() => {}))).ready).toBe(false);
});
