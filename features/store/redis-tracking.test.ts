import { beforeAll, describe, expect, it } from "vitest";
import {
  findRedis,
  type RedisCluster,
  type RedisServer,
  startRedis,
  startRedisCluster,
  startRedisSentinels,
  startTlsRedis,
  until,
} from "../../test/harness/redis.ts";
import { TcpProxy } from "../../test/harness/tcp-proxy.ts";
import type { InvalidationListener, InvalidationSubscription, OnlineStore } from "./online-store.ts";
import { openRedisStore } from "./redis.ts";
import { parseClusterMasters } from "./redis-topology.ts";
import { rowWrite } from "./test-fixtures/rows.ts";

const HEARTBEAT_INTERVAL_MS = 50;
/** So long that no heartbeat is late on a busy machine. */
const HEARTBEAT_TIMEOUT_MS = 5_000;
const found = findRedis();
const program = "program" in found ? found.program : "";

/** A store, and what its subscription is told: keys, "doubted", "armed". */
async function tracked(url: string, keyPrefix: string, heartbeatTimeoutMs = HEARTBEAT_TIMEOUT_MS) {
  const clock = { now: () => performance.now(), random: Math.random };
  const tracking = { heartbeatIntervalMs: HEARTBEAT_INTERVAL_MS, heartbeatTimeoutMs, ...clock };
  const store = await openRedisStore(url, { keyPrefix, tracking });
  const told: string[] = [];
  const listener: InvalidationListener = {
    invalidated: (keys) => told.push(...keys),
    doubted: () => told.push("doubted"),
    armed: () => told.push("armed"),
  };
  const feed = store.subscribe(listener);
  const hear = (what: string, times = 1) =>
    until(`${what} to be told`, async () => told.filter((one) => one === what).length >= times);
  return { store, told, feed, hear, close: () => end(store, feed.stop) };
}

/** Waits until further heartbeats have come back. */
async function beats(feed: InvalidationSubscription, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const lagMs = feed.lagMs();
    const sinceMs = performance.now();
    await until("a heartbeat", async () => feed.lagMs() < lagMs + (performance.now() - sinceMs) - 1);
  }
}

async function end(store: OnlineStore, stop: () => void): Promise<void> {
  stop();
  await store.close();
}

describe.skipIf("missing" in found)("tracking of one Redis", { timeout: 90_000 }, () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis(program);
  });

  it("tells the keys of rows that anybody changes, and of no other project", async () => {
    const { store, told, hear, close } = await tracked(server.url, "p1");
    await hear("armed");
    const other = await openRedisStore(server.url, { keyPrefix: "p1x" });
    await other.write([rowWrite("id=other", 1, "x")]);
    await store.write([rowWrite("id=1", 1, "x"), rowWrite("id=2", 1)]);
    await server.command("DEL", "p1:id=1");
    await server.command("PEXPIRE", "p1:id=2", 1);
    await hear("id=1", 2);
    await hear("id=2", 2);
    expect(told).not.toContain("id=other");
    expect(told.filter((one) => one.startsWith("~"))).toEqual([]);
    await Promise.all([other.close(), close()]);
  });

  it("is proven anew by every heartbeat", async () => {
    const { feed, hear, close } = await tracked(server.url, "p2");
    expect(feed.stalenessBoundMs).toBe(HEARTBEAT_INTERVAL_MS + HEARTBEAT_TIMEOUT_MS);
    expect(feed.lagMs()).toBe(Number.POSITIVE_INFINITY);
    await hear("armed");
    await beats(feed, 3);
    await close();
  });

  it("is armed anew after its connection was killed, and everything is dropped when the server is flushed", async () => {
    const { store, told, hear, close } = await tracked(server.url, "p3");
    await hear("armed");
    await server.command("CLIENT", "KILL", "TYPE", "pubsub");
    await hear("doubted");
    await hear("armed", 2);
    await store.write([rowWrite("id=1", 1, "x")]);
    await hear("id=1");
    await server.command("FLUSHALL");
    await hear("armed", 3);
    expect(told.filter((one) => one === "doubted")).toHaveLength(1);
    await close();
  });

  it("stays armed while the server is full, by an echo in place of the heartbeat's write", async () => {
    const { told, feed, hear, close } = await tracked(server.url, "p4");
    await hear("armed");
    await server.command("CONFIG", "SET", "maxmemory", 1);
    await beats(feed, 3);
    await server.command("CONFIG", "SET", "maxmemory", 0);
    expect(told).toEqual(["armed"]);
    await close();
  });

  it("is doubted when nothing comes through any more, within the bound", async () => {
    const proxy = new TcpProxy(server.port);
    const { feed, hear, close } = await tracked(`redis://127.0.0.1:${await proxy.listen()}`, "p5", 400);
    await hear("armed");
    proxy.swallow("tracking");
    const swallowedMs = performance.now();
    await hear("doubted");
    // The bound is 450 ms; a busy machine's timers are late.
    expect(performance.now() - swallowedMs).toBeLessThan(4 * feed.stalenessBoundMs);
    await hear("armed", 2);
    proxy.swallow("rows");
    await hear("doubted", 2);
    await hear("armed", 3);
    await close();
    proxy.close();
  });

  it("tells over TLS too", async () => {
    const tls = await startTlsRedis(program);
    const { store, hear, close } = await tracked(`${tls.url}?ca=${tls.caFile}`, "p7");
    await hear("armed");
    await store.write([rowWrite("id=1", 1, "x")]);
    await hear("id=1");
    await close();
  });

  it("tells of the changes on the server that the Sentinels have made the master", async () => {
    const sentinels = await startRedisSentinels(program);
    const { store, told, hear, close } = await tracked(sentinels.url, "p8");
    await hear("armed");
    await sentinels.master.stop();
    await hear("doubted");
    await hear("armed", told.filter((one) => one === "armed").length + 1);
    const other = await openRedisStore(sentinels.url, { keyPrefix: "p8" });
    await other.write([rowWrite("id=1", 1, "x")]);
    await hear("id=1");
    await Promise.all([other.close(), store.ping()]);
    await close();
  });

  it("is silent after it was stopped", async () => {
    const { store, told, feed, hear } = await tracked(server.url, "p6");
    await hear("armed");
    feed.stop();
    await store.write([rowWrite("id=1", 1, "x")]);
    await store.ping();
    expect(told).toEqual(["armed"]);
    await until(
      "its connections to be closed",
      async () => !/sub=1/.test(String(await server.command("CLIENT", "LIST"))),
    );
    await store.close();
  });
});

describe.skipIf("missing" in found)("tracking of a cluster", { timeout: 90_000 }, () => {
  let cluster: RedisCluster;
  beforeAll(async () => {
    cluster = await startRedisCluster(program);
  });

  it("tells of the changes on all masters, and again after one of them was followed by its replica", async () => {
    const { store, told, hear, close } = await tracked(cluster.url, "shop");
    await hear("armed");
    const keys = Array.from({ length: 60 }, (_, i) => `id=${i}`);
    const write = (at: number) => store.write(keys.map((key) => rowWrite(key, at, "x")));
    await write(1);
    for (const key of keys) await hear(key);
    const armed = told.filter((one) => one === "armed").length;
    await cluster.masters[0]!.stop();
    await hear("doubted");
    await hear("armed", armed + 1);
    told.length = 0;
    await until("the cluster to take writes", async () => (await write(2)).length === keys.length);
    for (const key of keys) await hear(key);
    await close();
  });
});

describe("the masters of a cluster", () => {
  it("are those that take part, with the slots that are theirs and not those on the way", () => {
    const text = [
      "a1 10.0.0.1:6379@16379,one.example myself,master - 0 0 1 connected 0-5460 9000 [5461->-b2]",
      "b2 10.0.0.2:6379@16379 master - 0 0 2 connected 5461-8999",
      "c3 10.0.0.3:6379@16379 slave b2 0 0 2 connected",
      "d4 10.0.0.4:6379@16379 master,fail - 0 0 4 disconnected 9001-16383",
      "e5 10.0.0.5:6379@16379 master,fail - 0 0 5 disconnected",
      "f6 :0@0 master,noaddr - 0 0 6 disconnected",
      "g7 ::1:7000@17000 master - 0 0 7 connected",
      "",
    ].join("\n");
    expect(parseClusterMasters(text).map(({ host, port, slots }) => [host, port, slots.join()])).toEqual([
      ["10.0.0.1", 6379, "0-5460,9000"],
      ["10.0.0.2", 6379, "5461-8999"],
      ["10.0.0.4", 6379, "9001-16383"],
      ["::1", 7000, ""],
    ]);
  });
});
