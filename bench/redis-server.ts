/**
 * Redis for the benches: one server, or masters that share the slots of a cluster, each a process of its own without
 * persistence, on the core that the client does not have. redis-benchmark, which comes with it, is the floor of writes.
 */

import { execFile, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { Redis } from "ioredis";
import { freePorts } from "../test/harness/free-ports.ts";
import { pinned } from "./process-cpu.ts";

/** The core of a single server, and that of whoever loads it. */
export const [REDIS_CORE, CLIENT_CORE] = [0, 1];
/** How long a server or a cluster may take to come up, ms. */
const START_TIMEOUT_MS = 20_000;
const LOOK_PAUSE_MS = 20;
const SLOTS = 16_384;

/** A running server. */
export interface BenchRedis {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  readonly client: Redis;
  stop(): Promise<void>;
}

/** Why there is no Redis to measure with; undefined where there is. */
export function missingRedis(): string | undefined {
  const missing = ["redis-server", "redis-benchmark"].find((program) => spawnSync(program, ["--version"]).error);
  return missing && `${missing} is not on the PATH: install the packages redis-server and redis-tools`;
}

/** Starts a server; `core` undefined lets it run on any. Words such as "--maxmemory", "1gb" go over what is set here. Rejects where there is no Redis. */
export async function startBenchRedis(core: number | undefined, ...settings: readonly string[]): Promise<BenchRedis> {
  const missing = missingRedis();
  if (missing !== undefined) throw new Error(`This bench needs a Redis: ${missing}.`);
  const folder = mkdtempSync(join(tmpdir(), "headgate-bench-redis-"));
  const port = (await freePorts(1))[0]!;
  const own = ["--port", String(port), "--bind", "127.0.0.1", "--dir", folder, "--save", "", "--appendonly", "no"];
  const words = ["redis-server", ...own, "--hash-max-listpack-value", "1024", ...settings];
  const [program, ...args] = core === undefined ? words : pinned(core, words);
  const child = spawn(program!, args, { stdio: "ignore" });
  const ended = once(child, "exit");
  const client = new Redis({ port, lazyConnect: true });
  client.on("error", () => {});
  const answered = async () => {
    while ((await client.ping().catch(() => "")) !== "PONG") await pause(LOOK_PAUSE_MS);
  };
  const isUp = await Promise.race([
    answered().then(() => true),
    Promise.race([ended, pause(START_TIMEOUT_MS)]).then(() => false),
  ]);
  const stop = async () => {
    client.disconnect();
    child.kill("SIGKILL");
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  if (isUp) return Object.freeze({ url: `redis://127.0.0.1:${port}`, port, pid: child.pid!, client, stop });
  await stop();
  throw new Error(`redis-server did not come up on port ${port}`);
}

/** A cluster of masters without replicas. */
export interface BenchCluster {
  readonly url: string;
  readonly nodes: readonly BenchRedis[];
  stop(): Promise<void>;
}

/** Starts a cluster of three. */
export async function startBenchCluster(): Promise<BenchCluster> {
  const nodes: BenchRedis[] = [];
  const stop = async () => void (await Promise.all(nodes.map((node) => node.stop())));
  try {
    for (let i = 0; i < 3; i++) {
      const [bus] = await freePorts(1);
      const cluster = ["--cluster-enabled", "yes", "--cluster-port", String(bus)];
      nodes.push(await startBenchRedis(undefined, ...cluster));
    }
    const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`);
    execFileSync("redis-cli", ["--cluster", "create", ...addresses, "--cluster-yes"], { stdio: "ignore" });
    for (const { client } of nodes) {
      while (!String(await client.cluster("INFO")).includes("cluster_state:ok")) await pause(LOOK_PAUSE_MS);
    }
    return Object.freeze({ url: `redis+cluster://${addresses.join()}`, nodes, stop });
  } catch (thrown) {
    await stop();
    throw thrown;
  }
}

/** A hash tag whose slot is the i-th of three masters', as redis-cli deals them out. */
export async function tagOf(node: BenchRedis, i: number): Promise<string> {
  const [from, until] = [Math.round((i * SLOTS) / 3), Math.round(((i + 1) * SLOTS) / 3)];
  for (let number = 0; ; number++) {
    const slot = Number(await node.client.cluster("KEYSLOT", String(number)));
    if (slot > from && slot < until - 1) return `{${number}}`;
  }
}

/** HSET of one value a key by redis-benchmark -c 1 -P 64; rows a second. Keys are drawn from as many as there are rows. */
export async function benchmarkHset(
  server: BenchRedis,
  { rows, valueBytes, prefix, isPinned }: HsetLoad,
): Promise<number> {
  const words = ["redis-benchmark", "-p", server.port, "-c", 1, "-P", 64, "-n", rows, "-r", rows, "--csv"].map(String);
  const command = [...words, "HSET", `${prefix}__rand_int__`, "customer_30d_features", "v".repeat(valueBytes)];
  const [program, ...args] = isPinned ? pinned(CLIENT_CORE, command) : command;
  const { stdout } = await promisify(execFile)(program!, args);
  // "test","rps",…
  return Number(/","([\d.]+)"/.exec(stdout.trim().split("\n").at(-1)!)![1]);
}

/** What redis-benchmark writes. */
export interface HsetLoad {
  readonly rows: number;
  readonly valueBytes: number;
  /** What its keys begin with. */
  readonly prefix: string;
  /** Held to the client's core. */
  readonly isPinned: boolean;
}
