import { randomUUID } from "node:crypto";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  englishCollation,
  findRedis,
  GIVEN_REDIS,
  givenOrStartedRedis,
  moveSlot,
  type RedisCluster,
  type RedisServer,
  startRedis,
  startRedisCluster,
  until,
} from "../../test/harness/redis.ts";
import { type FeatureValue, int64, string, timestamp } from "../field.ts";
import { compileDecodeValues, compileEncodeRow, encodeTombstone } from "../row-codec.ts";
import { isTombstone, readRowOrder } from "../row-order.ts";
import { recordSchema } from "../stored-schema.ts";
import { describeOnlineStore } from "./conformance.ts";
import { checkFeastDefinitions, type LayoutView } from "./feast-definitions.ts";
import { featureField } from "./feast-field.ts";
import { compileFeastKeys } from "./feast-key.ts";
import { createFeastLayout } from "./feast-layout.ts";
import type { ControlStore, OnlineStore } from "./online-store.ts";
import { openRedisStore, type RedisStoreOptions } from "./redis.ts";
import { SLOTS, slotOf } from "./redis-slot.ts";
import { openAnyRowsInFeast } from "./test-fixtures/feast-rows.ts";
import { readBytes, rowWrite, scanAll, textOf } from "./test-fixtures/rows.ts";

const found = findRedis();
const program = "program" in found ? found.program : "";

function conforms(name: string, url: () => string): void {
  let project = "";
  describeOnlineStore(name, {
    open: () => {
      project = `t${randomUUID()}`;
      return openAnyRowsInFeast(url(), project);
    },
    reopen: () => openAnyRowsInFeast(url(), project),
    sweeps: false,
  });
}

describe.skipIf("missing" in found && GIVEN_REDIS === undefined)("redis", () => {
  let url = "";
  beforeAll(async () => {
    url = (await givenOrStartedRedis(program)).url;
  });
  conforms("redis in Feast's layout", () => url);
});

const english = "missing" in found ? found : englishCollation();
describe.skipIf("missing" in english)("redis that collates as English does", () => {
  let url = "";
  beforeAll(async () => {
    url = (await startRedis(program, "environment" in english ? { environment: english.environment } : {})).url;
  });
  conforms("redis in English, in Feast's layout", () => url);
});

describe.skipIf("missing" in found)("a Redis cluster", { timeout: 90_000 }, () => {
  let cluster: RedisCluster;
  beforeAll(async () => {
    cluster = await startRedisCluster(program);
  });
  conforms("redis+cluster in Feast's layout", () => cluster.url);

  it("neither fails nor loses anything while a slot moves", async () => {
    const store = await openAnyRowsInFeast(cluster.url, `t${randomUUID()}`);
    // In Feast's key too the braces say the slot.
    const keys = Array.from({ length: 120 }, (_, i) => (i % 2 === 0 ? `{moving}=${i}` : `id=${i}`));
    const writeAll = async (at: number) => {
      const outcomes = await store.write(keys.map((key) => rowWrite(key, at, `at ${at}`)));
      expect(new Set(outcomes)).toEqual(new Set(["written"]));
    };
    const readAll = async () => {
      const entities = await store.read(keys.map((key) => ({ key, fields: ["view"] })));
      return new Set(entities.map(({ rows: [row] }) => row && textOf(row.bytes)));
    };
    await writeAll(1);
    const slot = slotOf("{moving}");
    const owner = cluster.masters[Math.floor((slot * 3) / SLOTS)]!;
    const heir = cluster.masters.find((master) => master !== owner)!;
    await moveSlot(slot, owner, heir, async () => {
      expect(await readAll()).toEqual(new Set(["at 1"]));
      await writeAll(2);
      expect(await readAll()).toEqual(new Set(["at 2"]));
      expect((await scanAll(store, "view", 1_000)).size).toBe(keys.length);
      expect(await store.replace(rowWrite("{moving}=new", 1, "x"), undefined)).toBe(true);
    });
    await writeAll(3);
    expect(await readAll()).toEqual(new Set(["at 3"]));
    expect((await scanAll(store, "view", 1_000)).size).toBe(keys.length + 1);
    await store.close();
  });
});

describe.skipIf("missing" in found)("Feast's layout", () => {
  const VIEW = { name: "v", joinKeys: { id: int64() }, schema: { count: int64() } };
  const COUNT = Buffer.from(featureField("v", "count"), "latin1");
  const opened: OnlineStore[] = [];
  let server: RedisServer;
  let client: Redis;
  beforeAll(async () => {
    server = await startRedis(program);
    client = new Redis(server.url);
  });
  afterAll(async () => {
    client.disconnect();
    await Promise.all(opened.map((store) => store.close()));
  });
  const open = async (
    keyTtlSeconds: number | undefined,
    views: readonly LayoutView[],
    more: Partial<RedisStoreOptions> = {},
  ) => {
    const project = `t${randomUUID()}`;
    const options = { project, keyTtlSeconds, views: new Map(views.map((view) => [view.name, view])) };
    const layout = (control: ControlStore) => createFeastLayout(control, options);
    const store = await openRedisStore(server.url, { keyPrefix: project, layout, ...more });
    opened.push(store);
    const keyOf = (view: LayoutView, key: string) =>
      Buffer.from(compileFeastKeys(view.joinKeys, project).keyOf(key)!, "latin1");
    return { store, keyOf };
  };
  const rowOf = async (
    store: OnlineStore,
    view: LayoutView,
    key: string,
    at: number,
    values: readonly FeatureValue[],
  ) => {
    const schemaId = await recordSchema(store.control, view.name, view.schema);
    const order = { eventTimestampUs: at, createdTimestampUs: at, generation: 1, sourceRank: 1, position: 0 };
    const bytes = compileEncodeRow(Object.values(view.schema))(
      order,
      { schemaId, writtenAtMs: 0, originId: 1 },
      values,
    );
    // A moment of long ago: nothing here may expire by it.
    return { key, field: view.name, bytes, expireAtMs: 1_000 };
  };

  it("lets keys expire as key_ttl_seconds says, renewed by a write and not by a row that is stale, and otherwise never", async () => {
    const [kept, expiring] = [await open(undefined, [VIEW]), await open(100, [VIEW])];
    for (const { store } of [kept, expiring]) await store.write([await rowOf(store, VIEW, "id=1", 5, [1])]);
    expect(await client.ttl(kept.keyOf(VIEW, "id=1"))).toBe(-1);
    const key = expiring.keyOf(VIEW, "id=1");
    expect(await client.ttl(key)).toBeGreaterThan(90);
    await client.expire(key, 10);
    await expiring.store.write([await rowOf(expiring.store, VIEW, "id=1", 4, [1])]);
    expect(await client.ttl(key)).toBeLessThanOrEqual(10);
    const stored = await readBytes(expiring.store, "id=1", "v");
    expect(await expiring.store.replace(await rowOf(expiring.store, VIEW, "id=1", 6, [2]), stored)).toBe(true);
    expect(await client.ttl(key)).toBeGreaterThan(90);
  });

  it("tells of what Feast writes, under keys of numbers, of two parts, and of none", async () => {
    const pair = { name: "p", joinKeys: { a: string(), id: int64() }, schema: { count: int64() } };
    const world = { name: "w", joinKeys: {}, schema: { count: int64() } };
    const tracking = { heartbeatIntervalMs: 20, now: () => performance.now(), random: Math.random };
    const { store, keyOf } = await open(undefined, [VIEW, pair, world], { tracking });
    const changed = new Set<string>();
    let isArmed = false;
    const subscription = store.subscribe({
      invalidated: (keys) => keys.map((key) => changed.add(key)),
      doubted: () => {},
      armed: () => {
        isArmed = true;
      },
    });
    await until("the feed to be armed", async () => isArmed);
    const keys = ["id=-1", "a=%C3%BC%7B&id=255", ""];
    for (const [i, view] of [VIEW, pair, world].entries())
      await client.hset(keyOf(view, keys[i]!), `_ts:${view.name}`, "");
    await client.hset(compileFeastKeys(VIEW.joinKeys, "another").keyOf("id=2")!, "_ts:v", "");
    await until("all changes to be told", async () => keys.every((key) => changed.has(key)));
    expect([...changed].sort()).toEqual([...keys].sort());
    subscription.stop();
  });

  it("reads a row whose values are not of the schema as none, tells of it, and lets it be replaced", async () => {
    const { store, keyOf } = await open(undefined, [VIEW]);
    const told: unknown[] = [];
    const hear = (message: unknown) => void told.push(message);
    subscribe("headgate:row-incompatible", hear);
    await client.hset(
      keyOf(VIEW, "id=3"),
      "_ts:v",
      Buffer.from("0805", "hex"),
      COUNT,
      Buffer.from("1203616263", "hex"),
    );
    expect(await readBytes(store, "id=3", "v")).toBeUndefined();
    expect(told).toEqual([{ view: "v", schema: "feast" }]);
    const row = await rowOf(store, VIEW, "id=3", 5_000_000, [1]);
    expect(await store.replace(row, undefined)).toBe(true);
    expect(await readBytes(store, "id=3", "v")).toEqual(Buffer.from(row.bytes));
    unsubscribe("headgate:row-incompatible", hear);
  });

  it("reads what Feast wrote over a delete without looking as a row, which the delete ends again", async () => {
    const { store, keyOf } = await open(undefined, [VIEW]);
    const live = await rowOf(store, VIEW, "id=4", 5_000_000, [1]);
    const gone = { ...live, bytes: encodeTombstone(readRowOrder(live.bytes)) };
    expect(await store.write([live, gone])).toEqual(["written", "written"]);
    expect((await client.hkeys(keyOf(VIEW, "id=4"))).sort()).toEqual(["_hg:v", "_ts:v"]);
    await client.hset(keyOf(VIEW, "id=4"), COUNT, Buffer.from("2007", "hex"), "_ts:v", Buffer.from("0805", "hex"));
    expect(isTombstone((await readBytes(store, "id=4", "v"))!)).toBe(false);
    expect(await store.write([gone])).toEqual(["written"]);
    expect(isTombstone((await readBytes(store, "id=4", "v"))!)).toBe(true);
  });

  it.each(["", "00", "05", "0514141414", "051414141414ff", "05141414141480", "0514141414140180"])(
    "believes no header that is not whole: %j",
    async (header) => {
      const { store, keyOf } = await open(undefined, [VIEW]);
      const row = await rowOf(store, VIEW, "id=5", 0, [1]);
      const fields = { "_ts:v": "\x10\0", "_hg:v": Buffer.from(header, "hex") };
      await client.hset(keyOf(VIEW, "id=5"), fields);
      await client.hset(keyOf(VIEW, "id=5"), COUNT, Buffer.from("2007", "hex"));
      const read = (await readBytes(store, "id=5", "v"))!;
      expect(readRowOrder(read)).toMatchObject({ eventTimestampUs: 0, generation: 0 });
      expect(compileDecodeValues([int64()])(read)).toEqual([7]);
      expect(await store.write([row])).toEqual(["written"]);
      expect(await readBytes(store, "id=5", "v")).toEqual(Buffer.from(row.bytes));
    },
  );

  it("holds views of more features than a script hands to one command, alone and together", async () => {
    const names = Array.from({ length: 3_900 }, (_, i) => `f${i}`);
    const schema = Object.fromEntries(names.map((name) => [name, int64()]));
    const views = ["a", "b", "c"].map((name) => ({ name, joinKeys: VIEW.joinKeys, schema }));
    checkFeastDefinitions(views);
    const { store, keyOf } = await open(undefined, views);
    const rows = await Promise.all(views.map((view, i) => rowOf(store, view, "id=1", 5, Array(3_900).fill(i))));
    expect(await store.write(rows)).toEqual(["written", "written", "written"]);
    expect(await store.write(rows)).toEqual(["equal", "equal", "equal"]);
    const [entity] = await store.read([{ key: "id=1", fields: ["a", "b", "c"] }]);
    for (const [i, row] of entity!.rows.entries()) expect(Buffer.from(row!.bytes)).toEqual(Buffer.from(rows[i]!.bytes));
    const greater = await rowOf(store, views[0]!, "id=1", 5, [...Array(3_899).fill(0), 1]);
    expect(await store.write([greater, rows[0]!])).toEqual(["written", "stale"]);
    expect(await store.replace(rows[0]!, rows[0]!.bytes)).toBe(false);
    expect(await store.replace(rows[0]!, greater.bytes)).toBe(true);
    expect(await readBytes(store, "id=1", "a")).toEqual(Buffer.from(rows[0]!.bytes));
    const gone = { ...rows[0]!, bytes: encodeTombstone(readRowOrder(rows[0]!.bytes)) };
    expect(await store.write([gone, greater, gone])).toEqual(["written", "stale", "equal"]);
    expect(await client.hlen(keyOf(VIEW, "id=1"))).toBe(2 + 2 * (3_900 + 2));
    expect(await readBytes(store, "id=1", "a")).toEqual(Buffer.from(gone.bytes));
    expect(await store.replace(greater, gone.bytes)).toBe(true);
    expect(await readBytes(store, "id=1", "a")).toEqual(Buffer.from(greater.bytes));
  });

  it("cuts writes into calls by the bytes that it sends", async () => {
    const names = Array.from({ length: 100 }, (_, i) => `f${i}`);
    const view = { ...VIEW, schema: Object.fromEntries(names.map((name) => [name, int64()])) };
    const { store } = await open(undefined, [view], { writeCallBytes: 8_192 });
    const values = Array(100).fill(1);
    const rows = await Promise.all(names.map((_, i) => rowOf(store, view, `id=${i}`, 5, values)));
    await store.write(rows.slice(0, 1));
    await client.config("RESETSTAT");
    await store.write(rows);
    const calls = Number(/cmdstat_evalsha:calls=(\d+)/.exec(await client.info("commandstats"))?.[1]);
    expect(calls).toBeGreaterThanOrEqual(10);
    expect(calls).toBeLessThanOrEqual(25);
  });

  it("has no key for a part of a second: it reads as none, and is refused by a write", async () => {
    const view = { name: "t", joinKeys: { at: timestamp() }, schema: { count: int64() } };
    const { store } = await open(undefined, [view]);
    expect(await readBytes(store, "at=1500001", "t")).toBeUndefined();
    await expect(store.write([await rowOf(store, view, "at=1500001", 5, [1])])).rejects.toMatchObject({
      code: "ENTITY_KEY_INVALID",
      message: expect.stringMatching(
        /^Entity "at=1500001" of feature view "t" can't be keyed, as in Feast's .*whole seconds.*source\.$/,
      ),
    });
    expect(await store.write([await rowOf(store, view, "at=1000000", 5, [1])])).toEqual(["written"]);
  });
});
