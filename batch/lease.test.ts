import { spawnSync } from "node:child_process";
import { beforeEach, expect, test } from "vitest";
import { openMemoryStore } from "../features/store/memory.ts";
import type { ControlStore } from "../features/store/online-store.ts";
import { type LeaseHolder, takeLease } from "./lease.ts";

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
