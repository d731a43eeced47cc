import { randomUUID } from "node:crypto";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freePorts } from "../../test/harness/free-ports.ts";
import {
  findRedis,
  type RedisServer,
  startRedis,
  startRedisSentinels,
  startTlsRedis,
  until,
} from "../../test/harness/redis.ts";
import type { OnlineStore } from "./online-store.ts";
import { openRedisStore, type RedisStoreOptions } from "./redis.ts";
import { redisFailure } from "./redis-failure.ts";
import { checkServers } from "./redis-server-check.ts";
import { readBytes, rowWrite, textOf } from "./test-fixtures/rows.ts";

const found = findRedis();
const program = "program" in found ? found.program : "";
const opened: OnlineStore[] = [];
afterAll(() => Promise.all(opened.map((store) => store.close())));

async function open(url: string, options: Partial<RedisStoreOptions> = {}): Promise<OnlineStore> {
  const store = await openRedisStore(url, { keyPrefix: `t${randomUUID()}`, ...options });
  opened.push(store);
  return store;
}

/** For `until`: it throws as long as it does not. */
async function answers(store: OnlineStore): Promise<boolean> {
  await store.ping();
  return true;
}

/** The failure of opening an address that carries a secret, which must not be in it. */
async function refusalOf(url: string): Promise<{ code: string; message: string }> {
  const refusal = await open(url, { connectMs: 1_500 }).then(
    () => undefined,
    (error: unknown) => error as Error & { code: string },
  );
  if (refusal === undefined) throw new Error("It was opened.");
  const everything = `${refusal.message} ${refusal.stack} ${JSON.stringify(refusal)} ${String(refusal.cause)}`;
  expect(everything).not.toContain("s3cret");
  return { code: refusal.code, message: refusal.message };
}

describe.skipIf("missing" in found)("a Redis that cannot be opened", () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis(program, { settings: ["--user", "app", "on", ">right", "~*", "&*", "+@all"] });
  });
  const at = (login: string) => `redis://${login}@127.0.0.1:${server.port}`;

  it("opens with the right login", async () => {
    const store = await open(at("app:right"));
    expect(store.address).toBe(`redis://127.0.0.1:${server.port}`);
    await store.ping();
  });

  it("says that the login is refused, at once", async () => {
    const refusal = await refusalOf(at("app:s3cret"));
    expect(refusal).toEqual({
      code: "STORE_UNREACHABLE",
      message: expect.stringMatching(/redis:\/\/127\.0\.0\.1:\d+ refuses the login.*Check user and password/),
    });
  });

  it("says that a login is asked for", async () => {
    const locked = await startRedis(program, { settings: ["--requirepass", "right"] });
    expect((await refusalOf(locked.url)).message).toContain("refuses the login");
    await (await open(locked.url.replace("//", "//:right@"))).ping();
  });

  it("says that nobody listens", async () => {
    const gone = await startRedis(program);
    await gone.stop();
    expect(await refusalOf(gone.url.replace("//", "//u:s3cret@"))).toEqual({
      code: "STORE_UNREACHABLE",
      message: expect.stringMatching(/cannot be reached.*ECONNREFUSED/),
    });
  });

  it("says that the host is not known", async () => {
    expect((await refusalOf("redis://u:s3cret@no-such-host.invalid")).message).toContain("host name that is not known");
  });

  it("says that it is no Redis", async () => {
    const web = createServer((_, response) => response.end());
    await new Promise<void>((listening) => web.listen(0, "127.0.0.1", listening));
    const refusal = await refusalOf(`redis://u:s3cret@127.0.0.1:${(web.address() as AddressInfo).port}`);
    web.close();
    expect(refusal).toEqual({ code: "STORE_UNREACHABLE", message: expect.stringContaining("does not speak Redis") });
  });

  it("says that it is no cluster", async () => {
    const url = `redis+cluster://app:right@127.0.0.1:${server.port}`;
    expect(await refusalOf(url)).toEqual({
      code: "STORE_URL_INVALID",
      message: expect.stringContaining("is not a cluster"),
    });
  });

  it("says that it is a node of a cluster, or a Sentinel", async () => {
    const [busPort] = await freePorts(1);
    const node = await startRedis(program, {
      settings: ["--cluster-enabled", "yes", "--cluster-port", String(busPort)],
    });
    expect(await refusalOf(node.url)).toEqual({
      code: "STORE_URL_INVALID",
      message: expect.stringContaining("Write its address with redis+cluster://"),
    });
    const sentinel = { id: "a", send: async () => Buffer.from("redis_mode:sentinel\r\nredis_version:7.2.0\r\n") };
    await expect(checkServers("redis://a", "standalone", [sentinel])).rejects.toThrow("redis+sentinel://");
  });

  it("speaks TLS to whom it trusts, and says why not to others", async () => {
    const tls = await startTlsRedis(program);
    const store = await open(`${tls.url}?ca=${tls.caFile}`);
    await store.write([rowWrite("id=1", 1, "x")]);
    expect(textOf((await readBytes(store, "id=1"))!)).toBe("x");
    expect((await refusalOf(tls.url)).message).toMatch(/fails the TLS handshake.*\?ca=/);
    expect((await refusalOf(`rediss://127.0.0.1:${server.port}`)).message).toContain("against rediss://");
    expect((await refusalOf(`redis://127.0.0.1:${tls.port}`)).code).toBe("STORE_UNREACHABLE");
    expect(await refusalOf(`${tls.url}?ca=/no/such.crt`)).toMatchObject({
      code: "CONFIG_INVALID",
      message: expect.stringContaining("/no/such.crt"),
    });
  });

  it("refuses a server that is too old", async () => {
    const old = { id: "a", send: async () => Buffer.from("# Server\r\nredis_version:6.2.14\r\n") };
    await expect(checkServers("redis://a", "standalone", [old])).rejects.toMatchObject({
      code: "STORE_UNREACHABLE",
      message: expect.stringContaining("runs Redis 6.2.14"),
    });
  });

  it("warns of a server that spends memory for nothing", async () => {
    const heard: unknown[] = [];
    const hear = (warning: unknown) => heard.push(warning);
    subscribe("headgate:store-warning", hear);
    const thrifty = await startRedis(program, { settings: ["--hash-max-listpack-value", "1024"] });
    await open(thrifty.url);
    expect(heard).toEqual([]);
    await open(at("app:right"));
    unsubscribe("headgate:store-warning", hear);
    expect(heard).toEqual([{ message: expect.stringContaining("hash-max-listpack-value 64") }]);
  });
});

describe.skipIf("missing" in found)("a Redis that refuses", () => {
  it("says that it is full", async () => {
    const server = await startRedis(program, { settings: ["--maxmemory", "3mb"] });
    const store = await open(server.url);
    const row = rowWrite("id=1", 1, "x".repeat(100_000));
    const rows = Array.from({ length: 100 }, (_, i) => ({ ...row, key: `id=${i}` }));
    await expect(store.write(rows)).rejects.toMatchObject({
      code: "STORE_UNWRITABLE",
      message: expect.stringContaining("reached its maxmemory"),
    });
    expect(await readBytes(store, "id=99")).toBeUndefined();
  });

  it("says that it is a replica", async () => {
    const master = await startRedis(program);
    const replica = await startRedis(program, { settings: ["--replicaof", `127.0.0.1 ${master.port}`] });
    const store = await open(replica.url);
    const refusal = { code: "STORE_UNWRITABLE", message: expect.stringContaining("is a replica") };
    await expect(store.write([rowWrite("id=1", 1, "x")])).rejects.toMatchObject(refusal);
    await expect(store.control.compareAndSet("a", undefined, Buffer.from("1"))).rejects.toMatchObject(refusal);
  });

  it("says what is not permitted", async () => {
    const server = await startRedis(program, { settings: ["--user", "r", "on", ">p", "~*", "&*", "+@all", "-hset"] });
    const store = await open(`redis://r:p@127.0.0.1:${server.port}`);
    await expect(store.write([rowWrite("id=1", 1, "x")])).rejects.toMatchObject({
      code: "STORE_UNWRITABLE",
      message: expect.stringContaining("does not permit"),
    });
  });

  it.each([
    ["LOADING Redis is loading the dataset in memory", "STORE_UNREACHABLE", "still loading"],
    ["MISCONF Redis is configured to save RDB snapshots", "STORE_UNWRITABLE", "cannot save to its disk"],
    ["CLUSTERDOWN The cluster is down", "STORE_UNREACHABLE", "no node serves"],
    ["ERR something new", "STORE_UNREACHABLE", "failed a command (ERR something new)"],
  ])("tells %j for what it is", (message, code, said) => {
    const reply = Object.assign(new Error(message), { name: "ReplyError" });
    expect(redisFailure("redis://a", reply)).toMatchObject({ code, message: expect.stringContaining(said) });
  });
});

describe.skipIf("missing" in found)("a Redis that goes away", { timeout: 90_000 }, () => {
  it("is waited for while it may be back soon, then fails at once, and is used again when it is", async () => {
    const server = await startRedis(program);
    const store = await open(server.url, { reconnectWaitMs: 300 });
    await store.write([rowWrite("id=1", 1, "x")]);
    const history = await store.history();
    await server.stop();
    const refused = { code: "STORE_UNREACHABLE", message: expect.stringContaining("cannot be reached") };
    await expect(readBytes(store, "id=1")).rejects.toMatchObject(refused);
    const startMs = performance.now();
    for (let i = 0; i < 20; i++) await expect(readBytes(store, "id=1")).rejects.toMatchObject(refused);
    await expect(store.write([rowWrite("id=1", 1, "x")])).rejects.toMatchObject(refused);
    await expect(store.control.get("a")).rejects.toMatchObject(refused);
    await expect(store.ping()).rejects.toMatchObject(refused);
    await expect(store.history()).rejects.toMatchObject(refused);
    expect(performance.now() - startMs).toBeLessThan(2_000);
    await server.restart();
    await until("the store to be back", () => answers(store));
    expect(await store.history()).not.toBe(history);
    expect(await store.write([rowWrite("id=1", 1, "again")])).toEqual(["written"]);
    expect(textOf((await readBytes(store, "id=1"))!)).toBe("again");
  });

  it("rides out a connection that is cut", async () => {
    const server = await startRedis(program);
    const store = await open(server.url);
    const rows = Array.from({ length: 2_000 }, (_, i) => rowWrite(`id=${i}`, 1, `row ${i}`));
    const writing = store.write(rows);
    await server.command("CLIENT", "KILL", "TYPE", "normal").catch(() => {});
    const outcomes = await writing;
    expect(outcomes.every((outcome) => outcome === "written" || outcome === "equal")).toBe(true);
    const reading = store.read(rows.map(({ key }) => ({ key, fields: ["view"] })));
    await server.command("CLIENT", "KILL", "TYPE", "normal").catch(() => {});
    expect((await reading).every((entity) => entity.rows[0] !== undefined)).toBe(true);
  });

  it("is given up when it says nothing, and used again when it does", async () => {
    const server = await startRedis(program);
    const store = await open(server.url, { silenceMs: 150, reconnectWaitMs: 150, connectMs: 300 });
    server.signal("SIGSTOP");
    const startMs = performance.now();
    await expect(readBytes(store, "id=1")).rejects.toMatchObject({ code: "STORE_UNREACHABLE" });
    expect(performance.now() - startMs).toBeLessThan(5_000);
    server.signal("SIGCONT");
    await until("the store to be back", () => answers(store));
  });

  it("is found again by its Sentinels after a failover, with what its replica had confirmed", async () => {
    const sentinels = await startRedisSentinels(program);
    const store = await open(sentinels.url, { minReplicas: 1 });
    expect(store.address).toBe(sentinels.url);
    expect(await store.write([rowWrite("id=1", 1, "x")])).toEqual(["written"]);
    const history = await store.history();
    await sentinels.master.stop();
    await until("the replica to take over", () => answers(store));
    expect(textOf((await readBytes(store, "id=1"))!)).toBe("x");
    expect(await store.history()).not.toBe(history);
  });
});
