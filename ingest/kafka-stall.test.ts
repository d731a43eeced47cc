import { expect, test } from "vitest";
import { createStallWatch } from "./kafka-stall.ts";

const STALL_MS = 1_000;

/** A membership of one partition, as the watch sees it. */
function session(position: bigint, messages: number, state: { silentMs?: number; busyMs?: number } = {}) {
  return {
    silentMs: () => state.silentMs ?? 0,
    busyMs: () => state.busyMs ?? 0,
    lag: async () => [{ topic: "orders", partition: 3, position, messages }],
  };
}

test("fetches that no longer come back are a stall", async () => {
  const watch = createStallWatch(STALL_MS);
  expect(await watch(session(0n, 0, { silentMs: 999 }), 0)).toBeUndefined();
  expect(await watch(session(0n, 0, { silentMs: 1_000 }), 250)).toBe("no fetch came back for 1000 ms");
});

test("a partition that stands still while it has records is a stall, once", async () => {
  const watch = createStallWatch(STALL_MS);
  for (const nowMs of [0, 500, 999]) expect(await watch(session(7n, 2), nowMs)).toBeUndefined();
  expect(await watch(session(7n, 2), 1_000)).toBe("orders[3] stands at 7 with 2 records to come");
  for (const nowMs of [1_500, 3_000, 9_000]) expect(await watch(session(7n, 2), nowMs)).toBeUndefined();
  expect(await watch(session(8n, 1), 9_500)).toBeUndefined();
  expect(await watch(session(8n, 1), 10_500)).toMatch(/stands at 8/);
});

test("several partitions that stand still are one stall, not one after the other", async () => {
  const watch = createStallWatch(STALL_MS);
  const lag = async () => [3, 4].map((partition) => ({ topic: "orders", partition, position: 7n, messages: 2 }));
  const standing = { ...session(7n, 2), lag };
  expect(await watch(standing, 0)).toBeUndefined();
  expect(await watch(standing, 1_000)).toMatch(/^orders\[3\] stands at 7 .*, and 1 more partitions stand still$/);
  for (const nowMs of [1_500, 3_000, 9_000]) expect(await watch(standing, nowMs)).toBeUndefined();
});

test("progress, an end that is reached, and a slow store are no stall", async () => {
  const watch = createStallWatch(STALL_MS);
  for (let i = 0; i < 10; i++) expect(await watch(session(BigInt(i), 5), 600 * i)).toBeUndefined();
  for (let i = 10; i < 20; i++) expect(await watch(session(9n, 0), 600 * i)).toBeUndefined();
  for (let i = 20; i < 30; i++) {
    expect(await watch(session(9n, 5, { busyMs: 600 * (i - 19) + 1_000 }), 600 * i)).toBeUndefined();
  }
  expect(await watch(session(9n, 5), 18_000)).toBeUndefined();
});

test("brokers that do not tell the ends are looked at another time", async () => {
  const watch = createStallWatch(STALL_MS);
  const lag = () => Promise.reject(new Error("away"));
  for (const nowMs of [0, 5_000]) expect(await watch({ ...session(0n, 1), lag }, nowMs)).toBeUndefined();
});
