import { randomUUID } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import {
  englishCollation,
  findRedis,
  findValkey,
  GIVEN_REDIS,
  givenOrStartedRedis,
  type RedisServer,
  startRedis,
} from "../../test/harness/redis.ts";
import { describeOnlineStore } from "./conformance.ts";
import type { OnlineStore } from "./online-store.ts";
import { createPackedLayout } from "./packed-layout.ts";
import { openRedisStore, type RedisStoreOptions } from "./redis.ts";
import { readBytes, rowBytes, rowWrite, textOf } from "./test-fixtures/rows.ts";

const found = findRedis();
const program = "program" in found ? found.program : "";

/** The conformance suite, each store on a prefix of its own. */
function conforms(name: string, url: () => string): void {
  let keyPrefix = "";
  describeOnlineStore(name, {
    open: () => {
      keyPrefix = `t${randomUUID()}`;
      return openRedisStore(url(), { keyPrefix });
    },
    reopen: () => openRedisStore(url(), { keyPrefix }),
    sweeps: false,
  });
}

describe.skipIf("missing" in found && GIVEN_REDIS === undefined)("redis", () => {
  let url = "";
  beforeAll(async () => {
    url = (await givenOrStartedRedis(program)).url;
  });
  conforms("redis", () => url);
});

const english = "missing" in found ? found : englishCollation();
describe.skipIf("missing" in english)("redis that collates as English does", () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis(program, "environment" in english ? { environment: english.environment } : {});
  });
  it("compares strings by the rules of English", async () => {
    expect(await server.command("EVAL", "return ('a' < 'B') and 1 or 0", 0)).toBe(1);
  });
  conforms("redis in English", () => server.url);
});

const valkey = findValkey();
describe.skipIf("missing" in valkey)("valkey", () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis("program" in valkey ? valkey.program : "");
  });
  conforms("valkey", () => server.url);
});

describe.skipIf("missing" in found)("openRedisStore", () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis(program);
  });
  const opened = async <T>(
    options: Partial<RedisStoreOptions>,
    work: (store: OnlineStore) => Promise<T>,
  ): Promise<T> => {
    const store = await openRedisStore(server.url, { keyPrefix: `t${randomUUID()}`, ...options });
    try {
      return await work(store);
    } finally {
      await store.close();
    }
  };
  const calls = async (name: string) => {
    const stats = String(await server.command("INFO", "commandstats"));
    return Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(stats)?.[1] ?? 0);
  };

  it("asks once for all that a turn of the event loop reads", () =>
    opened({}, async (store) => {
      await store.write(Array.from({ length: 40 }, (_, i) => rowWrite(`id=${i}`, 1, `row ${i}`)));
      await readBytes(store, "id=0");
      await server.command("CONFIG", "RESETSTAT");
      const reads = Array.from({ length: 20 }, (_, i) =>
        store.read([i, i + 20].map((id) => ({ key: `id=${id}`, fields: ["view"] }))),
      );
      const entities = (await Promise.all(reads)).flat();
      expect(entities.map(({ rows: [row] }) => textOf(row!.bytes)).sort()).toHaveLength(40);
      expect(await calls("evalsha_ro")).toBe(1);
    }));

  it("cuts reads and writes into calls of bounded rows and bytes", () =>
    opened({ readCallRows: 7, writeCallRows: 10, writeCallBytes: 200 }, async (store) => {
      const rows = Array.from({ length: 101 }, (_, i) => rowWrite(`id=${i}`, 1, "x".repeat(i)));
      await readBytes(store, "id=0");
      await server.command("CONFIG", "RESETSTAT");
      expect(new Set(await store.write(rows))).toEqual(new Set(["written"]));
      expect(await calls("evalsha")).toBeGreaterThan(20);
      const entities = await store.read(rows.map(({ key }) => ({ key, fields: ["view", "other"] })));
      expect(await calls("evalsha_ro")).toBe(Math.ceil(101 / 3));
      for (const [i, entity] of entities.entries()) {
        expect(textOf(entity.rows[0]!.bytes)).toBe("x".repeat(i));
        expect(entity.rows[1]).toBeUndefined();
      }
    }));

  it("fails only those reads whose rows can't be taken apart", async () => {
    const keyPrefix = `t${randomUUID()}`;
    const packed = createPackedLayout(`${keyPrefix}:`);
    const rowFields = (fields: readonly string[]) => {
      const { rowsOf } = packed.rowFields(fields);
      const checked: typeof rowsOf = (found, from) => {
        if (found[from]?.includes("broken")) throw new Error("no row");
        return rowsOf(found, from);
      };
      return { fields, rowsOf: checked };
    };
    await opened({ keyPrefix, layout: () => ({ ...packed, rowFields }) }, async (store) => {
      await store.write([rowWrite("id=1", 1, "whole"), rowWrite("id=2", 1, "broken")]);
      const read = (...keys: string[]) => store.read(keys.map((key) => ({ key, fields: ["view"] })));
      const answers = await Promise.allSettled([
        read("id=1"),
        read("id=2"),
        read("id=1", "id=2", "id=3"),
        read("id=3"),
      ]);
      expect(answers.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected", "fulfilled"]);
      expect(answers[1]).toMatchObject({ reason: { message: "no row" } });
    });
  });

  it("loads its scripts again where they were flushed", () =>
    opened({}, async (store) => {
      await store.write([rowWrite("id=1", 1, "x")]);
      await server.command("SCRIPT", "FLUSH");
      expect(textOf((await readBytes(store, "id=1"))!)).toBe("x");
      await server.command("SCRIPT", "FLUSH");
      expect(await store.write([rowWrite("id=1", 2, "y")])).toEqual(["written"]);
    }));

  it("expires a key with the last of its rows, never earlier than it did, and not at all with one that stays", async () => {
    const keyPrefix = `t${randomUUID()}`;
    const dueMs = 4_000_000_000_000;
    const expiryOf = async (key: string) => Number(await server.command("PEXPIRETIME", `${keyPrefix}:${key}`));
    await opened({ keyPrefix }, async (store) => {
      const write = async (field: string, expireAtMs: number, at = 1) => {
        await store.write([{ ...rowWrite("id=1", at, "x", field), expireAtMs }]);
        return expiryOf("id=1");
      };
      expect(await write("a", dueMs)).toBe(dueMs);
      expect(await write("b", dueMs - 5)).toBe(dueMs);
      expect(await write("b", dueMs + 5.5, 2)).toBe(dueMs + 6);
      expect(await write("b", dueMs + 100, 1)).toBe(dueMs + 6);
      expect(await write("c", Number.POSITIVE_INFINITY)).toBe(-1);
      expect(await write("d", dueMs)).toBe(-1);
      await store.replace({ ...rowWrite("id=2", 1, "x"), expireAtMs: dueMs }, undefined);
      expect(await expiryOf("id=2")).toBe(dueMs);
    });
  });

  it("keeps a row that is past its expiry for a while, and the others of its key", () =>
    opened({}, async (store) => {
      await store.write([{ ...rowWrite("id=1", 1, "old"), expireAtMs: 1_000 }]);
      expect(textOf((await readBytes(store, "id=1"))!)).toBe("old");
      await store.write([rowWrite("id=2", 1, "kept", "other"), { ...rowWrite("id=2", 1, "old"), expireAtMs: -1 }]);
      expect(textOf((await readBytes(store, "id=2", "other"))!)).toBe("kept");
    }));

  it("keeps projects apart, also where one's name begins like the other's", async () => {
    const keyPrefix = `t${randomUUID()}`;
    await opened({ keyPrefix }, (one) =>
      opened({ keyPrefix: `${keyPrefix}x` }, async (other) => {
        await one.write([rowWrite("id=1", 1, "one")]);
        await other.write([rowWrite("id=2", 1, "other")]);
        await one.control.compareAndSet("record", undefined, Buffer.from("1"));
        expect((await one.scan("view", 1_000)).rows.map(({ key }) => key)).toEqual(["id=1"]);
        expect(await other.control.list("")).toEqual([]);
      }),
    );
  });

  it("says what it finds under a key that is not Headgate's", async () => {
    const keyPrefix = `t${randomUUID()}`;
    await server.command("SET", `${keyPrefix}:id=1`, "text");
    await opened({ keyPrefix }, async (store) => {
      const refusal = { code: "STORE_UNWRITABLE", message: expect.stringContaining("not Headgate's") };
      await expect(readBytes(store, "id=1")).rejects.toMatchObject(refusal);
      await expect(store.write([rowWrite("id=1", 1, "x")])).rejects.toMatchObject(refusal);
      expect(await store.write([{ ...rowWrite("id=2", 1), bytes: rowBytes({}, "x") }])).toEqual(["written"]);
    });
  });

  it("does not count a row as written that too few replicas have", () =>
    opened({ minReplicas: 1, replicaWaitMs: 50 }, async (store) => {
      const refusal = { code: "STORE_UNREACHABLE", message: expect.stringContaining("only 0 of the 1 replicas") };
      await expect(store.write([rowWrite("id=1", 1, "x")])).rejects.toMatchObject(refusal);
      await expect(store.replace(rowWrite("id=2", 1, "x"), undefined)).rejects.toMatchObject(refusal);
      expect(textOf((await readBytes(store, "id=1"))!)).toBe("x");
    }));
});
