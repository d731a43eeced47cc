import { type ChildProcess, fork } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  findRedis,
  GIVEN_REDIS,
  givenOrStartedRedis,
  moveSlot,
  type RedisAddressed,
  startRedisCluster,
  until,
} from "../../test/harness/redis.ts";
import { TcpProxy } from "../../test/harness/tcp-proxy.ts";
import { openRedisStore } from "./redis.ts";
import { SLOTS, slotOf } from "./redis-slot.ts";
import { versionOf } from "./test-fixtures/scripted-remote.ts";
import type { TieredProcessOptions, TieredProcessReport } from "./test-fixtures/tiered-process.ts";

const RUN = fileURLToPath(new URL("test-fixtures/run.mjs", import.meta.url));
const FIXTURE = fileURLToPath(new URL("test-fixtures/tiered-process.ts", import.meta.url));
const SEED = 20_261;
const KEYS = 60;
const HEARTBEAT = { heartbeatIntervalMs: 100, heartbeatTimeoutMs: 200 };
const BOUND_MS = HEARTBEAT.heartbeatIntervalMs + HEARTBEAT.heartbeatTimeoutMs;

const found = findRedis();
const program = "program" in found ? found.program : "";
const hasServer = "program" in found || GIVEN_REDIS !== undefined;
let server: RedisAddressed;
const children = new Set<ChildProcess>();
afterAll(() => {
  for (const child of children) child.kill("SIGKILL");
});
beforeAll(async () => {
  if (hasServer) server = await givenOrStartedRedis(program);
});

/** A process of test-fixtures/tiered-process.ts, when it is ready. */
async function start(options: Partial<TieredProcessOptions> & Pick<TieredProcessOptions, "role" | "keyPrefix">) {
  const all: TieredProcessOptions = {
    url: server.url,
    seed: SEED,
    keys: KEYS,
    ...HEARTBEAT,
    pauseMs: 25,
    burst: 3,
    discardsRacedFills: true,
    ...options,
  };
  const child = fork(RUN, [FIXTURE, JSON.stringify(all)], { execArgv: [], serialization: "advanced" });
  children.add(child);
  const exited = once(child, "exit").then(([code]) => {
    throw new Error(`The process ended with ${code} before it was ready.`);
  });
  exited.catch(() => {});
  await Promise.race([once(child, "message"), exited]);
  return child;
}

async function reportOf(child: ChildProcess): Promise<TieredProcessReport> {
  child.send("stop");
  const [report] = (await once(child, "message")) as [TieredProcessReport];
  return report;
}

/** By key, the acknowledgements in order of time with the newest event time up to each. */
function acknowledgements(writers: readonly TieredProcessReport[], keys: number) {
  const byKey = Array.from({ length: keys }, () => [] as { readonly ms: number; newest: number }[]);
  for (const { events } of writers) {
    for (let i = 0; i < events.length; i += 3) byKey[events[i]!]!.push({ newest: events[i + 1]!, ms: events[i + 2]! });
  }
  for (const list of byKey) {
    list.sort((a, b) => a.ms - b.ms);
    for (let i = 1; i < list.length; i++) list[i]!.newest = Math.max(list[i]!.newest, list[i - 1]!.newest);
  }
  return byKey;
}

/** How many reads were older than a write acknowledged by more than the bound before them, and the most by which any was. */
function violations(
  writers: readonly TieredProcessReport[],
  readers: readonly TieredProcessReport[],
  isLost: (key: number, at: number) => boolean = () => false,
) {
  const byKey = acknowledgements(writers, KEYS);
  let count = 0;
  let reads = 0;
  let stalestMs = 0;
  for (const { events } of readers) {
    for (let i = 0; i < events.length; i += 3) {
      const [key, at, begunMs] = [events[i]!, events[i + 1]!, events[i + 2]!];
      reads++;
      const missed = byKey[key]!.find(({ newest, ms }) => newest > at && ms <= begunMs && !isLost(key, newest));
      if (missed === undefined) continue;
      stalestMs = Math.max(stalestMs, begunMs - missed.ms);
      if (begunMs - missed.ms > BOUND_MS) count++;
    }
  }
  return { count, reads, stalestMs };
}

/** Faults of the readers' connections, one after the other, drawn from the seed. */
async function disturb(proxies: readonly TcpProxy[], readers: readonly ChildProcess[], forMs: number): Promise<void> {
  let state = SEED;
  const random = () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state / 2 ** 32;
  };
  const faults: readonly ((proxy: TcpProxy) => unknown)[] = [
    (proxy) => proxy.cut("tracking"),
    (proxy) => proxy.cut("rows"),
    (proxy) => proxy.swallow("tracking"),
    (proxy) => proxy.swallow("rows"),
    (proxy) => proxy.delay("tracking", () => 60 * random()),
    (proxy) => proxy.delay("tracking", () => 400),
    (proxy) => proxy.delay("tracking", () => 0),
    () => server.command("CLIENT", "KILL", "TYPE", "pubsub"),
    // A process that stood still has told itself nothing meanwhile.
    async () => {
      const reader = readers[Math.floor(random() * readers.length)]!;
      reader.kill("SIGSTOP");
      await pause(3 * BOUND_MS);
      reader.kill("SIGCONT");
    },
  ];
  for (const proxy of proxies) proxy.delay("rows", () => 25 * random());
  for (const until = performance.now() + forMs; performance.now() < until; await pause(100 + 300 * random())) {
    const proxy = proxies[Math.floor(random() * proxies.length)]!;
    await faults[Math.floor(random() * faults.length)]!(proxy);
    if (random() < 0.5) proxy.delay("tracking", () => 0);
  }
  for (const proxy of proxies) proxy.delay("tracking", () => 0);
}

/** An address with a proxy's port in place of its server. */
function through(url: string, port: number): string {
  const address = new URL(url);
  address.hostname = "127.0.0.1";
  address.port = String(port);
  return address.href;
}

async function stress(keyPrefix: string, discardsRacedFills: boolean, forMs: number) {
  const proxies = [1, 2].map(() => new TcpProxy(server.port, server.host));
  const urls = await Promise.all(proxies.map(async (proxy) => through(server.url, await proxy.listen())));
  const [readers, writers] = await Promise.all([
    Promise.all(urls.map((url, i) => start({ role: "read", keyPrefix, url, seed: SEED + i, discardsRacedFills }))),
    Promise.all([7, 8].map((i) => start({ role: "write", keyPrefix, seed: SEED + i }))),
  ]);
  await disturb(proxies, readers, forMs);
  const written = await Promise.all(writers.map(reportOf));
  const read = await Promise.all(readers.map(reportOf));
  for (const proxy of proxies) proxy.close();
  return { ...violations(written, read), counts: read.map(({ counts }) => counts) };
}

describe.skipIf(!hasServer)("a tiered store on Redis, among several processes", () => {
  it("answers nothing older than the bound while connections are cut, delayed and swallowed", {
    timeout: 120_000,
  }, async () => {
    const { count, reads, stalestMs, counts } = await stress(`t${randomUUID()}`, true, 7_000);
    expect(count, `the stalest read missed a write acknowledged ${stalestMs} ms before`).toBe(0);
    expect(reads).toBeGreaterThan(1_000);
    for (const one of counts) {
      expect(one.hits).toBeGreaterThan(0);
      expect(one.discardedFills).toBeGreaterThan(0);
      expect(one.drops).toBeGreaterThan(2);
    }
  });

  it("would answer older rows if it kept what was read while it changed", { timeout: 120_000 }, async () => {
    let missed = 0;
    for (let tries = 0; missed === 0 && tries < 4; tries++) {
      missed = (await stress(`t${randomUUID()}`, false, 4_000)).count;
    }
    expect(missed).toBeGreaterThan(0);
  });

  it.skipIf("missing" in found)(
    "answers nothing older than the bound through the failover of a cluster's master",
    {
      timeout: 120_000,
    },
    async () => {
      const cluster = await startRedisCluster(program);
      const shared = { keyPrefix: "failover", url: cluster.url };
      const readers = await Promise.all([1, 2].map((seed) => start({ ...shared, role: "read", seed })));
      const writers = await Promise.all([7, 8].map((seed) => start({ ...shared, role: "write", seed })));
      const store = await openRedisStore(cluster.url, { keyPrefix: "failover" });
      await pause(1_000);
      const history = await store.history();
      await cluster.masters[0]!.stop();
      await until("the replica to take over", async () => (await store.history()) !== history);
      await pause(1_000);
      const written = await Promise.all(writers.map(reportOf));
      const read = await Promise.all(readers.map(reportOf));
      const stored = await store.read(Array.from({ length: KEYS }, (_, i) => ({ key: `id=${i}`, fields: ["view"] })));
      await store.close();
      // What the failover itself lost is no matter of the memory's.
      const isLost = (key: number, at: number) => at > versionOf(stored[key]);
      const { count, stalestMs } = violations(written, read, isLost);
      expect(count, `the stalest read missed a write acknowledged ${stalestMs} ms before`).toBe(0);
      for (const { counts } of read) expect(counts.drops).toBeGreaterThan(1);
    },
  );

  it.skipIf("missing" in found)(
    "answers nothing older than the bound while slots move",
    { timeout: 120_000 },
    async () => {
      const cluster = await startRedisCluster(program);
      const shared = { keyPrefix: "moving", url: cluster.url };
      const readers = await Promise.all([1, 2].map((seed) => start({ ...shared, role: "read", seed })));
      const writers = await Promise.all([7, 8].map((seed) => start({ ...shared, role: "write", seed })));
      for (let key = 0; key < 20; key++) {
        const slot = slotOf(`moving:id=${key}`);
        const owner = Math.floor((slot * 3) / SLOTS);
        await moveSlot(slot, cluster.masters[owner]!, cluster.masters[(owner + 1) % 3]!, () => pause(20));
      }
      const written = await Promise.all(writers.map(reportOf));
      const read = await Promise.all(readers.map(reportOf));
      const { count, reads, stalestMs } = violations(written, read);
      expect(count, `the stalest read missed a write acknowledged ${stalestMs} ms before`).toBe(0);
      expect(reads).toBeGreaterThan(100);
    },
  );

  it("shows in one process what another has written, within milliseconds", { timeout: 120_000 }, async () => {
    const keyPrefix = `t${randomUUID()}`;
    const watcher = await start({ role: "watch", keyPrefix });
    const writer = await start({ role: "stream", keyPrefix });
    await pause(2_500);
    const byKey = acknowledgements([await reportOf(writer)], KEYS);
    const { events } = await reportOf(watcher);
    const seen = Array.from({ length: KEYS }, () => [] as { at: number; ms: number }[]);
    for (let i = 0; i < events.length; i += 3) seen[events[i]!]!.push({ at: events[i + 1]!, ms: events[i + 2]! });
    const delaysMs = byKey
      .flatMap((list, key) =>
        list.map(({ newest, ms }) => (seen[key]!.find(({ at }) => at >= newest)?.ms ?? Number.NaN) - ms),
      )
      .filter((delayMs) => !Number.isNaN(delayMs))
      .map((delayMs) => Math.max(0, delayMs))
      .sort((a, b) => a - b);
    const percentile = (share: number) => delaysMs[Math.floor(delaysMs.length * share)]!;
    expect(delaysMs.length).toBeGreaterThan(100);
    // The median, as other work on the machine has its share in the tail: `npm run bench -- store` holds the milliseconds.
    expect(percentile(0.5)).toBeLessThan(BOUND_MS);
  });
});
