/**
 * Real Redis servers for the tests: one (see redis-server.ts), a cluster, one watched by Sentinels.
 */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { freePorts } from "./free-ports.ts";
import { temporaryFolder } from "./project.ts";
import { type RedisServer, type RedisServerOptions, startRedis, startServer } from "./redis-server.ts";

export { englishCollation, findRedis, findValkey } from "./redis-program.ts";
export {
  GIVEN_REDIS,
  givenOrStartedRedis,
  type RedisAddressed,
  type RedisServer,
  startRedis,
  startTlsRedis,
} from "./redis-server.ts";

/** How long servers may take to come into a state, ms: a failover, on a machine that others use too. */
const STATE_TIMEOUT_MS = 50_000;
/** Between two looks at a server's state, ms. */
const LOOK_PAUSE_MS = 20;
/** A replica is sent all rows at once instead of after 5 s, in which others might come. */
const PROMPT_REPLICATION = ["--repl-diskless-sync-delay", "0"];

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
  await until("all nodes to know each other", async () => {
    const views = await Promise.all(nodes.map(async (node) => String(await node.command("CLUSTER", "NODES"))));
    if (views.some((view) => view.includes("handshake"))) return false;
    const strangers = nodes.filter((_, i) => views[i]!.trim().split("\n").length < nodes.length);
    // Again and again: a busy machine's handshake may take longer than a node is waited for, and is given up.
    for (const node of strangers) await node.command("CLUSTER", "MEET", "127.0.0.1", ports[0]!, ports[2 * MASTERS]!);
    return strangers.length === 0;
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
  for (let waitedMs = 0; waitedMs < STATE_TIMEOUT_MS; waitedMs += LOOK_PAUSE_MS) {
    if (await isSo().catch(() => false)) return;
    await pause(LOOK_PAUSE_MS);
  }
  throw new Error(`Waited ${STATE_TIMEOUT_MS} ms in vain for ${what}.`);
}
