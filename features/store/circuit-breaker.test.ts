import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { HeadgateError } from "../../errors.ts";
import { createCircuitBreaker } from "./circuit-breaker.ts";
import { describeOnlineStore } from "./conformance.ts";
import { openMemoryStore } from "./memory.ts";
import type { EntityRows, OnlineStore } from "./online-store.ts";

describeOnlineStore("memory behind a breaker", {
  open: async () => createCircuitBreaker(openMemoryStore(), { now: () => 0, random: () => 0.5 }),
});

const AWAY = new HeadgateError("STORE_UNREACHABLE", "away");
const REQUESTS = [{ key: "id=1", fields: ["view"] }];

/** A breaker before a store that is away or not as `remote.isAway` says, and counts what reaches it. */
function breakable() {
  const memory = openMemoryStore();
  const remote = { isAway: false, reads: 0, pings: 0 };
  const answer = async <T>(value: () => T): Promise<T> => {
    if (remote.isAway) throw AWAY;
    return value();
  };
  const inner: OnlineStore = {
    address: "breakable:",
    tiers: memory.tiers,
    control: memory.control,
    read: (requests) => {
      remote.reads++;
      return answer(() => memory.read(requests) as readonly EntityRows[]);
    },
    write: (rows) => memory.write(rows),
    replace: (row, ifStored) => memory.replace(row, ifStored),
    scan: (...scanned) => memory.scan(...scanned),
    subscribe: (listener) => memory.subscribe(listener),
    sweep: (nowMs) => memory.sweep(nowMs),
    history: () => memory.history(),
    ping: () => {
      remote.pings++;
      return answer(() => undefined);
    },
    close: () => memory.close(),
  };
  const options = { failuresMax: 3, backoffMs: 100, backoffMaxMs: 400, now: () => Date.now(), random: () => 1 };
  const store = createCircuitBreaker(inner, options);
  const read = async () => store.read(REQUESTS);
  const fail = async (times: number) => {
    for (let i = 0; i < times; i++) await expect(read()).rejects.toBe(AWAY);
  };
  return { store, remote, read, fail };
}

describe("a circuit breaker", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it("opens after so many failures in a row, and then fails at once", async () => {
    const { store, remote, read, fail } = breakable();
    remote.isAway = true;
    await fail(2);
    remote.isAway = false;
    await read();
    remote.isAway = true;
    await fail(3);
    expect(store.breaker()).toEqual({ state: "open", retryAfterMs: 100 });
    const { reads } = remote;
    await expect(read()).rejects.toMatchObject({ code: "STORE_UNREACHABLE", retriable: true });
    await expect(store.control.get("x")).rejects.toMatchObject({ code: "STORE_UNREACHABLE" });
    expect(remote.reads).toBe(reads);
  });

  it("counts failures of calls that were under way together once", async () => {
    const { store, remote, read } = breakable();
    remote.isAway = true;
    await Promise.allSettled(Array.from({ length: 50 }, read));
    expect(store.breaker().state).toBe("closed");
    expect(remote.reads).toBe(50);
  });

  it("counts nothing but a store that does not answer", async () => {
    const { store } = breakable();
    const memory = openMemoryStore();
    const refusing = createCircuitBreaker(
      Object.assign(Object.create(memory), {
        address: "full:",
        tiers: [],
        control: memory.control,
        write: async () => {
          throw new HeadgateError("STORE_UNWRITABLE", "full");
        },
      }),
      { failuresMax: 1, now: () => 0, random: () => 0 },
    );
    for (let i = 0; i < 3; i++) await expect(refusing.write([])).rejects.toMatchObject({ code: "STORE_UNWRITABLE" });
    expect(refusing.breaker().state).toBe("closed");
    await store.close();
  });

  it("probes with one ping after waits that double up to a bound, and closes when it is answered", async () => {
    const { store, remote, read, fail } = breakable();
    remote.isAway = true;
    await fail(3);
    for (const [waitMs, pings] of [
      [100, 1],
      [200, 2],
      [400, 3],
      [400, 4],
    ] as const) {
      await vi.advanceTimersByTimeAsync(waitMs - 1);
      expect(remote.pings).toBe(pings - 1);
      await vi.advanceTimersByTimeAsync(1);
      expect(remote.pings).toBe(pings);
      expect(store.breaker().state).toBe("open");
    }
    remote.isAway = false;
    await vi.advanceTimersByTimeAsync(400);
    expect(store.breaker()).toEqual({ state: "closed", retryAfterMs: 0 });
    await read();
    remote.isAway = true;
    await fail(2);
    expect(store.breaker().state).toBe("closed");
  });

  it("probes no more once it is closed for good", async () => {
    const { store, remote, fail } = breakable();
    remote.isAway = true;
    await fail(3);
    await store.close();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(remote.pings).toBe(0);
  });
});
