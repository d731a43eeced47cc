import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { expect, test } from "vitest";
import { HeadgateError } from "../errors.ts";
import type { ConsumerState, PartitionLag } from "./consumer.ts";
import { type IngestState, StreamState } from "./stream-state.ts";

const NOW_MS = 1_000_000;
const assignments = [0, 1, 2].map((partition) => ({ topic: "orders", partition }));
const connected: ConsumerState = { connected: true, assignments, rebalances: 2, problem: undefined };

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

test("brokers that say nothing hold up no scrape", async () => {
  const lag = () => new Promise<never>(() => {});
  const state = new StreamState({ state: () => connected, lag }, () => NOW_MS, 1);
  expect((await published(state, true)).lags).toBeUndefined();
});

test("until a record is in the store the lag in time is the age of the first that is taken up", async () => {
  let assignments = [{ topic: "orders", partition: 0 }];
  const lag = async (): Promise<PartitionLag[]> => [{ topic: "orders", partition: 0, messages: 5 }];
  const state = new StreamState({ state: () => ({ ...connected, assignments }), lag }, () => NOW_MS);
  const seconds = async () => (await published(state, true)).lags?.[0]?.seconds;
  state.begun("orders", 0, NOW_MS - 60_000);
  expect(await seconds()).toBe(60);
  state.applied("orders", 0, NOW_MS - 30_000);
  state.begun("orders", 0, NOW_MS - 29_000);
  expect(await seconds()).toBe(30);
  // What it had come to before it went to another ingester says nothing when it is back.
  assignments = [];
  await published(state, false);
  assignments = [{ topic: "orders", partition: 0 }];
  expect(await seconds()).toBeUndefined();
});
