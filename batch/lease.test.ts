import { spawnSync } from "node:child_process";
import { beforeEach, describe, expect, test } from "vitest";
import { HeadgateError } from "../errors.ts";
import { openMemoryStore } from "../features/store/memory.ts";
import type { ControlStore } from "../features/store/online-store.ts";
import { type LeaseHolder, shardsAtWork, takeLease, thisHolder } from "./lease.ts";

let control: ControlStore;
let nowMs: number;
beforeEach(() => {
  control = openMemoryStore().control;
  nowMs = Date.UTC(2026, 0, 1);
});

const take = (holder: LeaseHolder) => takeLease({ control, view: "v", holder, ttlMs: 60_000, now: () => nowMs });
const here = { host: "here", pid: process.pid };
const there = { host: "there", pid: 1 };

test("one holder at a time, until it is given up", async () => {
  const lease = await take(here);
  await expect(take(there)).rejects.toThrow(
    `Feature view "v" is being materialized by process ${process.pid} on here. Its lease runs until 2026-01-01T00:01:00.000Z.`,
  );
  await lease.release();
  expect(await control.list("lease/")).toEqual([]);
  await (await take(there)).release();
});

test("of many that come at once one gets it", async () => {
  const taken = await Promise.allSettled(Array.from({ length: 8 }, (_, pid) => take({ host: `h${pid}`, pid })));
  const held = taken.filter((one) => one.status === "fulfilled");
  expect(held.length).toBe(1);
  await held[0]!.value.release();
});

test("a renewed lease stands longer; one that ran out can be taken, and its old holder notices", async () => {
  const lease = await take(there);
  nowMs += 50_000;
  await lease.renew();
  nowMs += 50_000;
  await expect(take(here)).rejects.toMatchObject({ code: "MATERIALIZE_RUNNING" });
  nowMs += 10_001;
  const next = await take(here);
  await expect(lease.renew()).rejects.toMatchObject({ code: "MATERIALIZE_RUNNING" });
  expect(() => lease.check()).toThrow(/by process \d+ on here/);
  // Giving up what is no longer held leaves the new holder's alone.
  await lease.release();
  next.check();
  await next.renew();
  await next.release();
});

test("a process of this host that is gone is not waited for; one of another host is", async () => {
  const gone = spawnSync(process.execPath, ["-e", ""]).pid;
  await take({ host: "here", pid: gone });
  await (await take(here)).release();
  await take({ host: "there", pid: gone });
  await expect(take(here)).rejects.toMatchObject({ code: "MATERIALIZE_RUNNING" });
});

test("a process of a like-named host that numbers its processes otherwise is waited for", async () => {
  const gone = spawnSync(process.execPath, ["-e", ""]).pid;
  await take({ host: "here", pid: gone, pidNamespace: "pid:[1]" });
  await expect(take({ ...here, pidNamespace: "pid:[2]" })).rejects.toMatchObject({ code: "MATERIALIZE_RUNNING" });
  await (await take({ ...here, pidNamespace: "pid:[1]" })).release();
});

test("a process of a like-named machine, or of this one before it was booted again, is waited for", async () => {
  const gone = spawnSync(process.execPath, ["-e", ""]).pid;
  await take({ host: "here", pid: gone, bootId: "a" });
  await expect(take({ ...here, bootId: "b" })).rejects.toMatchObject({ code: "MATERIALIZE_RUNNING" });
  await (await take({ ...here, bootId: "a" })).release();
});

test("shards are at work on the plan that their lease names", async () => {
  const options = { control, view: "v", holder: here, ttlMs: 60_000, now: () => nowMs };
  const one = await takeLease({ ...options, shard: { index: 1, of: 3 } });
  const two = await takeLease({ ...options, shard: { index: 2, of: 3 } });
  expect(await shardsAtWork(options, "plan")).toEqual([]);
  await one.follow("other");
  await two.follow("plan");
  await two.renew();
  expect(await shardsAtWork(options, "plan")).toEqual([2]);
  nowMs += 60_001;
  expect(await shardsAtWork(options, "plan")).toEqual([]);
  await Promise.all([one.release(), two.release()]);
});

test("a record that the store has lost is put again while it would still stand, and not after", async () => {
  const lease = await take(here);
  const lose = async () => control.compareAndSet("lease/v", await control.get("lease/v"), undefined);
  await lose();
  await lease.renew();
  expect(await control.list("lease/")).toEqual(["lease/v"]);
  await lose();
  nowMs += 60_000;
  await expect(lease.renew()).rejects.toMatchObject({ code: "MATERIALIZE_RUNNING" });
  await lease.release();
});

test("this process is named with its host and number", () => {
  expect(thisHolder()).toMatchObject({ pid: process.pid, host: expect.any(String) });
});

describe("with a store that fails", () => {
  /** Fails calls while `fails` says so: before they are done, or after, as a lost answer does. */
  let fails: "never" | "before" | "after";
  beforeEach(() => {
    fails = "never";
    const sound = control;
    const away = () => new HeadgateError("STORE_UNREACHABLE", "The store is away.");
    control = {
      ...sound,
      compareAndSet: async (...call) => {
        if (fails === "before") throw away();
        const isSet = await sound.compareAndSet(...call);
        if (fails === "after") throw away();
        return isSet;
      },
    };
  });

  test("a lease whose taking was done and its answer lost is known as one's own", async () => {
    fails = "after";
    const wait = async () => {
      fails = "never";
    };
    const patience = { outage: { outageMs: 1_000, wait, signal: undefined }, onWait: () => {} };
    const lease = await takeLease({ control, view: "v", holder: here, ttlMs: 60_000, now: () => nowMs, patience });
    await lease.renew();
    await lease.release();
    expect(await control.list("lease/")).toEqual([]);
  });

  test("a renewal that fails loses nothing while the lease lasts, and the next one is made", async () => {
    const lease = await take(here);
    fails = "before";
    nowMs += 20_000;
    await expect(lease.renew()).rejects.toMatchObject({ code: "STORE_UNREACHABLE" });
    lease.check();
    fails = "never";
    nowMs += 20_000;
    await lease.renew();
    nowMs += 50_000;
    await expect(take(there)).rejects.toMatchObject({ code: "MATERIALIZE_RUNNING" });
    lease.check();
    await lease.release();
  });

  test("renewals that fail until it has run out lose it for good", async () => {
    const lease = await take(here);
    fails = "before";
    nowMs += 60_000;
    await expect(lease.renew()).rejects.toMatchObject({ code: "STORE_UNREACHABLE" });
    expect(() => lease.check()).toThrow("The store is away.");
    fails = "never";
    await expect(lease.renew()).rejects.toMatchObject({ code: "STORE_UNREACHABLE" });
    await lease.release();
  });

  test("a renewal whose answer was lost is taken as ours by the next, and given up", async () => {
    const lease = await take(here);
    fails = "after";
    nowMs += 20_000;
    await expect(lease.renew()).rejects.toMatchObject({ code: "STORE_UNREACHABLE" });
    fails = "never";
    nowMs += 20_000;
    await lease.renew();
    lease.check();
    fails = "after";
    nowMs += 20_000;
    await expect(lease.renew()).rejects.toMatchObject({ code: "STORE_UNREACHABLE" });
    fails = "never";
    await lease.release();
    expect(await control.list("lease/")).toEqual([]);
  });
});
