/**
 * What every online store driver must do, as one suite of tests that a driver's own test calls. Rows that expire do so
 * in the far future, because a server may expire by its own clock.
 */

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { OnlineStore } from "./online-store.ts";
import { describeNewestWins } from "./test-fixtures/newest-wins.ts";
import { readBytes, rowBytes, rowWrite, scanAll, textOf } from "./test-fixtures/rows.ts";

/** How a driver's test makes its stores. */
export interface ConformanceSetup {
  /** Opens a store with nothing in it; the suite closes it. */
  readonly open: () => Promise<OnlineStore>;
  /** Opens again what the last opened store held, after it was closed. Left out where nothing outlives the process. */
  readonly reopen?: () => Promise<OnlineStore>;
  /** False where the server removes due rows by itself and `sweep` has nothing to do. Default true. */
  readonly sweeps?: boolean;
}

/** Declares the suite for one driver. */
export function describeOnlineStore(name: string, setup: ConformanceSetup): void {
  // Thousands of calls one after the other, each of which a busy machine may make wait.
  describe(`${name} is an online store`, { timeout: 90_000 }, () => {
    let store: OnlineStore;
    beforeAll(async () => {
      store = await setup.open();
    });
    afterAll(() => store.close());
    const current = () => store;
    describeReads(current);
    describeWrites(current);
    describeNewestWins(current);
    describeReplace(current);
    describeScan(current);
    describeControl(current);
    describeExpiry(current, setup.sweeps ?? true);
    describeLifetime(setup);
  });
}

type Current = () => OnlineStore;

function describeReads(store: Current): void {
  it("reads the rows of several keys and fields in the order they were asked for", async () => {
    await store().write([
      rowWrite("read=1", 1, "a1", "a"),
      rowWrite("read=1", 1, "b1", "b"),
      rowWrite("read=2", 1, "a2", "a"),
    ]);
    const entities = await store().read([
      { key: "read=2", fields: ["b", "a"] },
      { key: "read=0", fields: ["a", "b", "a"] },
      { key: "read=1", fields: ["b", "a", "b"] },
      { key: "read=1", fields: [] },
    ]);
    const texts = entities.map(({ rows }) => rows.map((row) => row && textOf(row.bytes)));
    expect(texts).toEqual([[undefined, "a2"], [undefined, undefined, undefined], ["b1", "a1", "b1"], []]);
    const tiers = store().tiers.map((tier) => tier.name);
    expect(entities.every((entity) => tiers.includes(entity.tier))).toBe(true);
  });

  it("answers no request with no entities", async () => {
    expect(await store().read([])).toEqual([]);
  });

  it("hands out rows that later reads and writes leave alone", async () => {
    await store().write([rowWrite("kept=1", 1, "first"), rowWrite("kept=2", 1, "other")]);
    const [entity] = await store().read([{ key: "kept=1", fields: ["view"] }]);
    await store().write([rowWrite("kept=1", 2, "newer")]);
    await store().read([{ key: "kept=2", fields: ["view"] }]);
    expect(textOf(entity!.rows[0]!.bytes)).toBe("first");
  });

  it("reads the same from its own tiers", async () => {
    await store().write([rowWrite("tier=1", 1, "x")]);
    // A cache has what was read through it.
    await store().read([{ key: "tier=1", fields: ["view"] }]);
    for (const tier of store().tiers) {
      const [entity] = await tier.read([{ key: "tier=1", fields: ["view"] }]);
      expect(textOf(entity!.rows[0]!.bytes)).toBe("x");
      expect(entity!.tier).toBe(tier.name);
    }
  });
}

function describeWrites(store: Current): void {
  it.each([
    ["the empty key of a view without entities", ""],
    ["a percent-encoded key", "name=J%C3%BCrgen%20%2F%00&product_id=-1"],
    ["a key of 1,500 bytes", `name=${"k".repeat(1_495)}`],
  ])("stores %s", async (_, key) => {
    expect(await store().write([rowWrite(key, 1, "x", "odd_keys")])).toEqual(["written"]);
    expect(await readBytes(store(), key, "odd_keys")).toEqual(rowBytes({ eventTimestampUs: 1 }, "x"));
    expect((await scanAll(store(), "odd_keys", 10)).has(key)).toBe(true);
  });

  it("keeps fields apart whose names begin alike", async () => {
    await store().write([
      rowWrite("n=1", 1, "v", "v"),
      rowWrite("n=1", 1, "v1", "v1"),
      rowWrite("n=1", 1, "v_1", "v_1"),
    ]);
    expect([...(await scanAll(store(), "v", 10)).values()].map(textOf)).toEqual(["v"]);
    expect(textOf((await readBytes(store(), "n=1", "v1"))!)).toBe("v1");
  });

  it("stores rows of a megabyte, and small ones beside them", async () => {
    const large = Buffer.alloc(2 ** 20, "0123456789abcdef");
    const rows = Array.from({ length: 6 }, (_, i) => rowWrite(`large=${i}`, 1, i % 2 === 0 ? large : `small ${i}`));
    expect(new Set(await store().write(rows))).toEqual(new Set(["written"]));
    const entities = await store().read(rows.map(({ key }) => ({ key, fields: ["view"] })));
    for (const [
      i,
      {
        rows: [row],
      },
    ] of entities.entries())
      expect(Buffer.compare(row!.bytes, rows[i]!.bytes)).toBe(0);
  });

  it("keeps its own copy of what it was given", async () => {
    const write = rowWrite("copied=1", 1, "before");
    await store().write([write]);
    write.bytes.fill(0);
    expect(textOf((await readBytes(store(), "copied=1"))!)).toBe("before");
  });

  it("takes an empty batch", async () => {
    expect(await store().write([])).toEqual([]);
  });
}

function describeReplace(store: Current): void {
  it("replaces a row, by an older one too, only while it is what was expected", async () => {
    const first = rowWrite("replaced=1", 10, "first");
    const older = rowWrite("replaced=1", 5, "older");
    expect(await store().replace(first, first.bytes)).toBe(false);
    expect(await store().replace(first, undefined)).toBe(true);
    expect(await store().replace(older, undefined)).toBe(false);
    expect(await store().replace(older, older.bytes)).toBe(false);
    expect(await readBytes(store(), "replaced=1")).toEqual(first.bytes);
    expect(await store().replace(older, first.bytes)).toBe(true);
    expect(await readBytes(store(), "replaced=1")).toEqual(older.bytes);
  });

  it("lets one of several concurrent replacements through", async () => {
    const rows = Array.from({ length: 8 }, (_, i) => rowWrite("replaced=2", i, `by ${i}`));
    const done = await Promise.all(rows.map((row) => store().replace(row, undefined)));
    expect(done.filter(Boolean)).toHaveLength(1);
    expect(await readBytes(store(), "replaced=2")).toEqual(rows[done.indexOf(true)]!.bytes);
  });
}

function describeScan(store: Current): void {
  it.each([1, 7, 100, 1_000])("scans every row of a field, tombstones too, by pages of at most %i", async (limit) => {
    const field = `scanned_by_${limit}_rows`;
    const rows = Array.from({ length: 100 }, (_, i) =>
      rowWrite(`s=${i}`, i, i % 10 === 0 ? undefined : `row ${i}`, field),
    );
    await store().write([...rows, rowWrite("s=0", 0, "x", `${field}0`)]);
    const scanned = await scanAll(store(), field, limit);
    expect(scanned).toEqual(new Map(rows.map(({ key, bytes }) => [key, bytes])));
  });

  it("scans what is there all along however much is written meanwhile", async () => {
    const rows = Array.from({ length: 200 }, (_, i) => rowWrite(`s=${i}`, 1, "x", "scanned_live"));
    await store().write(rows);
    let round = 0;
    const scanned = await scanAll(store(), "scanned_live", 17, async () => {
      round++;
      const fresh = Array.from({ length: 20 }, (_, i) => rowWrite(`s=${i * 9}.${round}`, 1, "new", "scanned_live"));
      await store().write([...fresh, ...rows.map(({ key }) => rowWrite(key, round, "over", "scanned_live"))]);
    });
    for (const { key } of rows) expect(scanned.has(key)).toBe(true);
  });

  it("scans a field without rows", async () => {
    expect((await scanAll(store(), "scanned_nothing", 10)).size).toBe(0);
  });
}

function describeControl(store: Current): void {
  const bytes = (text: string) => Buffer.from(text);

  it("sets a record only while it is what was expected", async () => {
    const { control } = store();
    expect(await control.get("c/one")).toBeUndefined();
    expect(await control.compareAndSet("c/one", bytes("x"), bytes("1"))).toBe(false);
    expect(await control.compareAndSet("c/one", undefined, bytes("1"))).toBe(true);
    expect(await control.compareAndSet("c/one", undefined, bytes("2"))).toBe(false);
    expect(await control.compareAndSet("c/one", bytes("1"), bytes("2"))).toBe(true);
    expect(Buffer.from((await control.get("c/one"))!).toString()).toBe("2");
    expect(await control.compareAndSet("c/one", bytes("1"), undefined)).toBe(false);
    expect(await control.compareAndSet("c/one", bytes("2"), undefined)).toBe(true);
    expect(await control.get("c/one")).toBeUndefined();
    expect(await control.compareAndSet("c/one", undefined, undefined)).toBe(true);
  });

  it("tells an empty record from none", async () => {
    const { control } = store();
    expect(await control.compareAndSet("c/empty", undefined, bytes(""))).toBe(true);
    expect((await control.get("c/empty"))?.length).toBe(0);
    expect(await control.compareAndSet("c/empty", undefined, bytes("x"))).toBe(false);
    expect(await control.compareAndSet("c/empty", bytes(""), bytes("x"))).toBe(true);
  });

  it("lists names by prefix, sorted, apart from the rows", async () => {
    const { control } = store();
    for (const name of ["list/b", "list/a", "list", "lisu/a", "list/a/1"])
      await control.compareAndSet(name, undefined, bytes("1"));
    await store().write([rowWrite("a", 1, "x", "list")]);
    expect(await control.list("list/")).toEqual(["list/a", "list/a/1", "list/b"]);
    expect(await control.list("list/z")).toEqual([]);
    expect(await control.list("")).toEqual(expect.arrayContaining(["list", "list/a", "lisu/a"]));
  });

  it("counts right when many count at once", async () => {
    const { control } = store();
    const increment = async () => {
      for (;;) {
        const now = await control.get("c/count");
        const next = bytes(String(Number(now === undefined ? 0 : Buffer.from(now).toString()) + 1));
        if (await control.compareAndSet("c/count", now, next)) return;
      }
    };
    await Promise.all(Array.from({ length: 10 }, increment));
    expect(Buffer.from((await control.get("c/count"))!).toString()).toBe("10");
  });
}

function describeExpiry(store: Current, sweeps: boolean): void {
  it("sweeps rows past their expiry and no others", async () => {
    const dueMs = 4_000_000_000_000;
    const expiring = (key: string, expireAtMs: number, at = 1) => ({
      ...rowWrite(key, at, key, "expiring"),
      expireAtMs,
    });
    const kept = [expiring("at", dueMs), expiring("after", dueMs + 0.5), expiring("never", Number.POSITIVE_INFINITY)];
    const due = Array.from({ length: 50 }, (_, i) => expiring(`due=${i}`, dueMs - 1 - i));
    await store().write([...kept, ...due, expiring("rewritten", dueMs - 1)]);
    await store().write([expiring("rewritten", dueMs + 1, 2), expiring("never", dueMs - 1)]);
    expect(await store().sweep(dueMs - 1_000)).toBe(0);
    const removed = await store().sweep(dueMs);
    for (const key of ["at", "after", "never", "rewritten"]) {
      expect(await readBytes(store(), key, "expiring"), key).toBeDefined();
    }
    if (!sweeps) return;
    expect(removed).toBe(due.length);
    expect(await readBytes(store(), "due=7", "expiring")).toBeUndefined();
    expect(await store().sweep(dueMs)).toBe(0);
    expect(await store().write([rowWrite("due=7", 0, "back", "expiring")])).toEqual(["written"]);
  });
}

function describeLifetime({ open, reopen }: ConformanceSetup): void {
  it("answers a ping while it is open, and every call with STORE_UNREACHABLE after", async () => {
    const store = await open();
    await store.ping();
    store.subscribe({ invalidated: () => {}, doubted: () => {}, armed: () => {} }).stop();
    await store.close();
    await store.close();
    const row = rowWrite("closed=1", 1, "x");
    const calls: (() => unknown)[] = [
      () => store.ping(),
      () => store.read([{ key: "closed=1", fields: ["view"] }]),
      () => store.write([row]),
      () => store.replace(row, undefined),
      () => store.scan("view", 10),
      () => store.sweep(0),
      () => store.history(),
      () => store.control.get("x"),
      () => store.control.compareAndSet("x", undefined, row.bytes),
      () => store.control.list(""),
    ];
    for (const call of calls) await expect((async () => call())()).rejects.toMatchObject({ code: "STORE_UNREACHABLE" });
  });

  if (reopen === undefined) return;
  it("holds after it was closed and opened again what it held before, with the same history", async () => {
    const before = await open();
    const history = await before.history();
    const rows = Array.from({ length: 1_000 }, (_, i) => rowWrite(`r=${i}`, i, `row ${i}`));
    await before.write(rows);
    await before.control.compareAndSet("record", undefined, Buffer.from("kept"));
    expect(await before.history()).toBe(history);
    await before.close();
    const after = await reopen();
    expect(await after.history()).toBe(history);
    expect(await scanAll(after, "view", 300)).toEqual(new Map(rows.map(({ key, bytes }) => [key, bytes])));
    expect(Buffer.from((await after.control.get("record"))!).toString()).toBe("kept");
    await after.close();
  });
}
