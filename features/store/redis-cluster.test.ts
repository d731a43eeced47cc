import { randomUUID } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findRedis, moveSlot, type RedisCluster, startRedisCluster, until } from "../../test/harness/redis.ts";
import { readEventTimestampUs } from "../row-order.ts";
import { describeOnlineStore } from "./conformance.ts";
import type { OnlineStore } from "./online-store.ts";
import { openRedisStore, type RedisStoreOptions } from "./redis.ts";
import { SLOTS, slotOf } from "./redis-slot.ts";
import { rowWrite, scanAll, textOf } from "./test-fixtures/rows.ts";

const found = findRedis();
const program = "program" in found ? found.program : "";

it.each([
  ["123456789", 12_739],
  ["", 0],
  ["foo{hash_tag}", 2_515],
  ["hash_tag", 2_515],
  ["{}foo", 9_500],
  ["{user1000}.following", 3_443],
  ["foo{{bar}}zap", 4_015],
  ["{ü}x", slotOf("ü")],
])("puts %j into slot %i", (key, slot) => {
  expect(slotOf(key)).toBe(slot);
});

describe.skipIf("missing" in found)("a Redis cluster", { timeout: 90_000 }, () => {
  let cluster: RedisCluster;
  let keyPrefix = "";
  const opened: OnlineStore[] = [];
  beforeAll(async () => {
    cluster = await startRedisCluster(program);
  });
  afterAll(() => Promise.all(opened.map((store) => store.close())));
  const open = async (options: Partial<RedisStoreOptions> = {}) => {
    const store = await openRedisStore(cluster.url, { keyPrefix: `t${randomUUID()}`, ...options });
    opened.push(store);
    return store;
  };

  describeOnlineStore("redis+cluster", {
    open: () => {
      keyPrefix = `t${randomUUID()}`;
      return openRedisStore(cluster.url, { keyPrefix });
    },
    reopen: () => openRedisStore(cluster.url, { keyPrefix }),
    sweeps: false,
  });

  it("asks each master once for all that a turn reads", async () => {
    const store = await open();
    const rows = Array.from({ length: 60 }, (_, i) => rowWrite(`id=${i}`, 1, `row ${i}`));
    await store.write(rows);
    const read = () => Promise.all(rows.map(({ key }) => store.read([{ key, fields: ["view"] }])));
    await read();
    for (const master of cluster.masters) await master.command("CONFIG", "RESETSTAT");
    expect((await read()).flat().map(({ rows: [row] }) => textOf(row!.bytes))).toEqual(rows.map((_, i) => `row ${i}`));
    for (const master of cluster.masters) {
      expect(String(await master.command("INFO", "commandstats"))).toContain("evalsha_ro:calls=1,");
    }
  });

  it("neither fails nor loses nor forgets anything while a slot moves", async () => {
    const store = await open();
    const keys = Array.from({ length: 120 }, (_, i) => (i % 2 === 0 ? `{moving}=${i}` : `id=${i}`));
    const newest = new Map<string, number>();
    let at = 0;
    const writeAll = async () => {
      const now = ++at;
      const outcomes = await store.write(keys.map((key) => rowWrite(key, now, `at ${now}`)));
      expect(new Set(outcomes)).toEqual(new Set(["written"]));
      for (const key of keys) newest.set(key, now);
    };
    const readAll = async () => {
      const least = new Map(newest);
      const entities = await store.read(keys.map((key) => ({ key, fields: ["view"] })));
      for (const [i, { rows }] of entities.entries()) {
        expect(readEventTimestampUs(rows[0]!.bytes)).toBeGreaterThanOrEqual(least.get(keys[i]!)!);
      }
    };
    await writeAll();
    const history = await store.history();
    let isLoaded = true;
    const load = async (work: () => Promise<void>) => {
      for (; isLoaded; await nextTurn()) await work();
    };
    const loads = [load(writeAll), load(readAll), load(readAll)];
    const slot = slotOf("{moving}");
    const owner = cluster.masters[Math.floor((slot * 3) / SLOTS)]!;
    const heir = cluster.masters.find((master) => master !== owner)!;
    await moveSlot(slot, owner, heir, async () => {
      expect((await scanAll(store, "view", 1_000)).size).toBe(keys.length);
      expect(await store.replace(rowWrite("{moving}=new", 1, "x"), undefined)).toBe(true);
    });
    isLoaded = false;
    await Promise.all(loads);
    // Not beside the load: two writers at once may overtake each other, and the older is stale then.
    await Promise.all([writeAll(), readAll()]);
    expect(await store.history()).toBe(history);
    expect(Number(await owner.command("CLUSTER", "COUNTKEYSINSLOT", slot))).toBe(0);
    expect((await scanAll(store, "view", 1_000)).size).toBe(keys.length + 1);
  });

  it("serves what it has while a master is gone, and all of it when its replica has taken over", async () => {
    const prefix = `t${randomUUID()}`;
    const store = await open({ keyPrefix: prefix, minReplicas: 1 });
    const keys = Array.from({ length: 300 }, (_, i) => `id=${i}`);
    await store.write(keys.map((key) => rowWrite(key, 1, key)));
    const read = async (some: readonly string[]) => {
      const entities = await store.read(some.map((key) => ({ key, fields: ["view"] })));
      return entities.map(({ rows: [row] }) => row && textOf(row.bytes));
    };
    // The third's slots are where they were at the start.
    const isLost = (key: string) => slotOf(`${prefix}:${key}`) >= Math.floor((2 * SLOTS) / 3);
    const [lost, kept] = [keys.filter(isLost), keys.filter((key) => !isLost(key))];
    const history = await store.history();
    expect(history.split(" ")).toHaveLength(3);
    await cluster.masters[2]!.stop();
    const startMs = performance.now();
    const [ofKept, ofLost, told] = await Promise.allSettled([read(kept), read(lost), store.history()]);
    expect(ofKept).toEqual({ status: "fulfilled", value: kept });
    expect(ofLost).toMatchObject({ status: "rejected", reason: { code: "STORE_UNREACHABLE" } });
    expect(told).toMatchObject({ status: "rejected", reason: { code: "STORE_UNREACHABLE" } });
    expect(performance.now() - startMs).toBeLessThan(5_000);
    await until("the replica to take over", async () => (await read(keys)).join() === keys.join());
    const later = new Set((await store.history()).split(" "));
    expect(later.size).toBe(3);
    expect(history.split(" ").filter((run) => later.has(run))).toHaveLength(2);
    const rewritten = await openRedisStore(cluster.url, { keyPrefix: prefix });
    opened.push(rewritten);
    expect(new Set(await rewritten.write(keys.map((key) => rowWrite(key, 2, key))))).toEqual(new Set(["written"]));
  });
});

describe.skipIf("missing" in found)(
  "a Redis cluster that has lost a master and its replica",
  { timeout: 90_000 },
  () => {
    it("is opened, serves the slots of the other masters, and tells of the lost ones what they are", async () => {
      const cluster = await startRedisCluster(program, { settings: ["--cluster-require-full-coverage", "no"] });
      const keyPrefix = `t${randomUUID()}`;
      const keys = Array.from({ length: 100 }, (_, i) => `id=${i}`);
      const before = await openRedisStore(cluster.url, { keyPrefix });
      await before.write(keys.map((key) => rowWrite(key, 1, key)));
      await before.close();
      await Promise.all([cluster.replicas[0]!.stop(), cluster.masters[0]!.stop()]);
      const store = await openRedisStore(cluster.url, { keyPrefix });
      const isLost = (key: string) => slotOf(`${keyPrefix}:${key}`) < Math.floor(SLOTS / 3);
      const read = (key: string) => store.read([{ key, fields: ["view"] }]);
      for (const key of keys.filter((one) => !isLost(one))) {
        expect((await read(key))[0]!.rows[0]).toBeDefined();
      }
      const away = { code: "STORE_UNREACHABLE" };
      await expect(read(keys.find(isLost)!)).rejects.toMatchObject(away);
      await expect(store.history()).rejects.toMatchObject(away);
      await store.close();
    });
  },
);
