/**
 * Real Redis servers for the tests: one, one with TLS or a login, a cluster, one watched by Sentinels. Each listens on
 * a free port of the loopback, keeps its files in a temporary folder and is gone when the test file is done.
 * HEADGATE_TEST_REDIS names a server that is there already, for the tests that need just one.
 */

import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Redis } from "ioredis";
import { type Running, start, temporaryFolder } from "./project.ts";

export { englishCollation, findRedis, findValkey } from "./redis-program.ts";

/** How long a server or a cluster may take to come up, ms. */
const START_TIMEOUT_MS = 20_000;
/** Between two looks at a server's state, ms. */
const LOOK_PAUSE_MS = 20;
/** A replica is sent all rows at once instead of after 5 s, in which others might come. */
const PROMPT_REPLICATION = ["--repl-diskless-sync-delay", "0"];

/** How a server is started. */
export interface RedisServerOptions {
  /** Words of its command line, such as "--maxmemory", "2mb". */
  readonly settings?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** A login for `command`, where the server asks for one. */
  readonly password?: string;
}

/** A server that runs. */
export interface RedisServer {
  readonly host: string;
  readonly port: number;
  readonly folder: string;
  /** redis://host:port */
  readonly url: string;
  /** Sends a command over a connection of its own; texts. */
  command(...words: readonly (string | number)[]): Promise<unknown>;
  signal(name: "SIGTERM" | "SIGKILL" | "SIGSTOP" | "SIGCONT"): void;
  /** Ends it and waits until it is gone. */
  stop(): Promise<void>;
  /** Starts it again on its port and folder, after `stop`. */
  restart(): Promise<void>;
}

/** Starts one server. */
export async function startRedis(program: string, options: RedisServerOptions = {}): Promise<RedisServer> {
  const [port] = await freePorts(1);
  const settings = ["--save", "", "--appendonly", "no", ...(options.settings ?? [])];
  return startServer([program], port!, settings, options);
}

async function startServer(
  begins: readonly string[],
  port: number,
  settings: readonly string[],
  { environment, password }: RedisServerOptions,
): Promise<RedisServer> {
  const folder = temporaryFolder();
  const begin = async () => {
    const words = [...begins, "--port", String(port), "--bind", "127.0.0.1", "--dir", folder, ...settings];
    const running = start(words, folder, environment);
    await running.waitFor(/Ready to accept connections|\+monitor master/);
    return running;
  };
  let running: Running = await begin();
  return Object.freeze({
    host: "127.0.0.1",
    port,
    folder,
    url: `redis://127.0.0.1:${port}`,
    command: (...[name, ...words]: readonly (string | number)[]) =>
      withClient(port, password, (client) => client.call(String(name), ...words)),
    signal: (name: NodeJS.Signals) => running.signal(name as "SIGTERM"),
    stop: async () => {
      running.signal("SIGKILL");
      await running.ended;
    },
    restart: async () => {
      running = await begin();
    },
  });
}

async function withClient<T>(
  port: number,
  password: string | undefined,
  work: (client: Redis) => Promise<T>,
): Promise<T> {
  const client = new Redis({ port, lazyConnect: true, retryStrategy: () => null, ...(password && { password }) });
  client.on("error", () => {});
  try {
    return await work(client);
  } finally {
    client.disconnect();
  }
}

/** Three masters, each with a replica. */
export interface RedisCluster {
  /** redis+cluster://… */
  readonly url: string;
  readonly masters: readonly RedisServer[];
  /** replicas[i] is that of masters[i]. */
  readonly replicas: readonly RedisServer[];
}

/** How long a master is missed before its replica takes over, ms. */
const NODE_TIMEOUT_MS = 1_000;
const MASTERS = 3;
const SLOTS = 16_384;

/** Starts a cluster and waits until it serves. */
export async function startRedisCluster(program: string, options: RedisServerOptions = {}): Promise<RedisCluster> {
  const ports = await freePorts(4 * MASTERS);
  const settings = ["--save", "", "--appendonly", "no", "--cluster-enabled", "yes"];
  const nodes = await Promise.all(
    ports.slice(0, 2 * MASTERS).map((port, i) => {
      const own = ["--cluster-port", String(ports[2 * MASTERS + i]), "--cluster-node-timeout", String(NODE_TIMEOUT_MS)];
      const quick = [...PROMPT_REPLICATION, "--cluster-replica-validity-factor", "0"];
      return startServer([program], port, [...settings, ...own, ...quick, ...(options.settings ?? [])], options);
    }),
  );
  const [masters, replicas] = [nodes.slice(0, MASTERS), nodes.slice(MASTERS)];
  for (const [i, master] of masters.entries()) {
    const from = Math.floor((i * SLOTS) / MASTERS);
    await master.command("CLUSTER", "ADDSLOTSRANGE", from, Math.floor(((i + 1) * SLOTS) / MASTERS) - 1);
    await master.command("CLUSTER", "SET-CONFIG-EPOCH", i + 1);
  }
  for (const [i, node] of nodes.entries()) {
    if (i > 0) await node.command("CLUSTER", "MEET", "127.0.0.1", ports[0]!, ports[2 * MASTERS]!);
  }
  await until("all nodes to know each other", async () => {
    const views = await Promise.all(nodes.map((node) => node.command("CLUSTER", "NODES")));
    return views.every(
      (view) => String(view).trim().split("\n").length === nodes.length && !/handshake/.test(String(view)),
    );
  });
  for (const [i, replica] of replicas.entries()) {
    await replica.command("CLUSTER", "REPLICATE", String(await masters[i]!.command("CLUSTER", "MYID")));
  }
  await until("the cluster to serve", async () => {
    const states = await Promise.all(nodes.map((node) => node.command("CLUSTER", "INFO")));
    const links = await Promise.all(replicas.map((replica) => replica.command("INFO", "replication")));
    return (
      states.every((state) => /cluster_state:ok/.test(String(state))) &&
      links.every((link) => /master_link_status:up/.test(String(link)))
    );
  });
  return Object.freeze({
    url: `redis+cluster://${masters.map(({ port }) => `127.0.0.1:${port}`).join()}`,
    masters,
    replicas,
  });
}

/** A master with a replica, and three Sentinels that know it as "main". */
export interface RedisSentinels {
  /** redis+sentinel://…/main */
  readonly url: string;
  readonly master: RedisServer;
  readonly replica: RedisServer;
}

/** Starts a master, a replica and their Sentinels. */
export async function startRedisSentinels(program: string): Promise<RedisSentinels> {
  const master = await startRedis(program, { settings: PROMPT_REPLICATION });
  const settings = [...PROMPT_REPLICATION, "--replicaof", `127.0.0.1 ${master.port}`];
  const replica = await startRedis(program, { settings });
  await until("the replica to follow", async () =>
    /master_link_status:up/.test(String(await replica.command("INFO", "replication"))),
  );
  const ports = await freePorts(3);
  const sentinels = await Promise.all(ports.map((port) => startSentinel(program, port, master)));
  await until("the Sentinels to know each other", async () => {
    const views = await Promise.all(sentinels.map((one) => one.command("SENTINEL", "CKQUORUM", "main").catch(String)));
    const known = await Promise.all(sentinels.map((one) => one.command("SENTINEL", "REPLICAS", "main")));
    return (
      views.every((view) => /^OK 3 usable/.test(String(view))) &&
      known.every((list) => (list as unknown[]).length === 1)
    );
  });
  return Object.freeze({
    url: `redis+sentinel://${ports.map((port) => `127.0.0.1:${port}`).join()}/main`,
    master,
    replica,
  });
}

/** Sentinel writes what it learns into the file that it is started with. */
async function startSentinel(program: string, port: number, master: RedisServer): Promise<RedisServer> {
  const lines = [
    `sentinel monitor main 127.0.0.1 ${master.port} 2`,
    `sentinel down-after-milliseconds main ${NODE_TIMEOUT_MS}`,
    "sentinel failover-timeout main 3000",
  ];
  const file = join(temporaryFolder(), "sentinel.conf");
  writeFileSync(file, `${lines.join("\n")}\n`);
  return startServer([program, file, "--sentinel"], port, [], {});
}

/** A server that speaks only TLS. */
export interface TlsRedis {
  /** rediss://…, without ?ca= */
  readonly url: string;
  /** The authority of its certificate, which names 127.0.0.1. */
  readonly caFile: string;
  readonly port: number;
}

/** Makes an authority and a certificate with openssl and starts a server with them. */
export async function startTlsRedis(program: string): Promise<TlsRedis> {
  const folder = temporaryFolder();
  const openssl = (words: string) => execFileSync("openssl", words.split(" "), { cwd: folder, stdio: "ignore" });
  const key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
  writeFileSync(join(folder, "names"), "subjectAltName=IP:127.0.0.1\n");
  openssl(`req -x509 ${key} -keyout ca.key -out ca.crt -subj /CN=test-authority -days 2`);
  openssl(`req ${key} -keyout server.key -out server.csr -subj /CN=127.0.0.1`);
  openssl("x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out server.crt -days 2 -extfile names");
  const [port] = await freePorts(1);
  const file = (name: string) => join(folder, name);
  const tls = ["--tls-port", String(port), "--tls-cert-file", file("server.crt"), "--tls-key-file", file("server.key")];
  const settings = [...tls, "--tls-ca-cert-file", file("ca.crt"), "--tls-auth-clients", "no", "--save", ""];
  await startServer([program], 0, settings, {});
  return Object.freeze({ url: `rediss://127.0.0.1:${port}`, caFile: file("ca.crt"), port: port! });
}

/** Moves a slot with its keys from one master to another, `between` running when half of the keys have moved. */
export async function moveSlot(
  slot: number,
  from: RedisServer,
  to: RedisServer,
  between: () => Promise<void>,
): Promise<void> {
  const [fromId, toId] = [await from.command("CLUSTER", "MYID"), await to.command("CLUSTER", "MYID")].map(String);
  await to.command("CLUSTER", "SETSLOT", slot, "IMPORTING", fromId!);
  await from.command("CLUSTER", "SETSLOT", slot, "MIGRATING", toId!);
  const count = Number(await from.command("CLUSTER", "COUNTKEYSINSLOT", slot));
  const move = async (limit: number) => {
    const keys = (await from.command("CLUSTER", "GETKEYSINSLOT", slot, limit)) as string[];
    if (keys.length > 0) await from.command("MIGRATE", to.host, to.port, "", 0, 5_000, "KEYS", ...keys);
    return keys.length;
  };
  await move(Math.ceil(count / 2));
  await between();
  while ((await move(1_000)) > 0);
  await to.command("CLUSTER", "SETSLOT", slot, "NODE", toId!);
  await from.command("CLUSTER", "SETSLOT", slot, "NODE", toId!);
}

/** Waits for a state of the servers. Throws when it does not come. */
export async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  for (let waitedMs = 0; waitedMs < START_TIMEOUT_MS; waitedMs += LOOK_PAUSE_MS) {
    if (await isSo().catch(() => false)) return;
    await pause(LOOK_PAUSE_MS);
  }
  throw new Error(`Waited ${START_TIMEOUT_MS} ms in vain for ${what}.`);
}

/** Ports of the loopback that nobody listens on. */
async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((closed) => server.close(closed))));
  return ports;
}
