/**
 * A cluster: every key has a slot and every slot a master. Calls go straight to the connections of the masters, one
 * for all of a master's keys; what a master does not serve, because a slot moves, goes through the client's own routing
 * (MOVED, ASK). The client learns who has what at the start, every few seconds, from every MOVED, and when asked.
 *
 * Reads go to masters: a replica may answer with a row older than a write that was acknowledged.
 */

import { Cluster, type Command, Redis, type RedisOptions } from "ioredis";
import type { RedisAddress } from "./redis-address.ts";
import {
  firstReady,
  type KeyPage,
  type RedisDeployment,
  type RedisMaster,
  type RedisWaits,
  redisOptions,
} from "./redis-deployment.ts";
import { slotNotServed } from "./redis-failure.ts";
import { Reconnection } from "./redis-reconnection.ts";
import { SLOTS, slotOf } from "./redis-slot.ts";

/** Redirections followed by one command: more than one is a slot that moves while it is asked for. */
const REDIRECTIONS_MAX = 5;
/** How often the client looks anew who has what, ms; a MOVED makes it do so at once. */
const TOPOLOGY_INTERVAL_MS = 5_000;
/** Before the client looks again for any node of a cluster that is gone, ms: rising to the second. */
const RECONNECT_MS = 100;
const RECONNECT_MAX_MS = 2_000;
/** Slots that one step of a scan counts the keys of. */
const SCANNED_SLOTS = 1_024;

/** Connects to a cluster. Rejects with the client's error when that fails or takes longer than `waits.connectMs`. */
export async function openRedisCluster(address: RedisAddress, waits: RedisWaits): Promise<RedisDeployment> {
  const { db: _, ...options } = redisOptions(address, waits);
  const client = new Cluster([...address.hosts], {
    redisOptions: options,
    enableOfflineQueue: false,
    // A cluster that has lost a master serves the slots of the others.
    enableReadyCheck: false,
    maxRedirections: REDIRECTIONS_MAX,
    // Only who sends a call knows whether it may be sent twice.
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    slotsRefreshTimeout: waits.connectMs,
    slotsRefreshInterval: TOPOLOGY_INTERVAL_MS,
    clusterRetryStrategy: (attempt) => Math.min(RECONNECT_MS * attempt, RECONNECT_MAX_MS),
    // A certificate names the host, not its address.
    ...(address.isTls ? { dnsLookup: (host, found) => found(null, host) } : {}),
  });
  const deployment = new RedisCluster(address, waits, client, options);
  try {
    await deployment.connected();
    return deployment;
  } catch (thrown) {
    await deployment.close();
    throw thrown;
  }
}

/** A master and the connection to it. */
interface ClusterMaster extends RedisMaster {
  readonly node: Redis;
}

class RedisCluster implements RedisDeployment {
  readonly address: string;
  readonly waits: RedisWaits;
  readonly holdsAllKeys = false;
  readonly #client: Cluster;
  readonly #options: RedisOptions;
  readonly #reconnection: Reconnection;
  /** By "host:port"; replicas too, as any may be a master soon. */
  readonly #nodes = new Map<string, ClusterMaster>();

  constructor(address: RedisAddress, waits: RedisWaits, client: Cluster, options: RedisOptions) {
    this.address = address.shown;
    this.waits = waits;
    this.#client = client;
    this.#options = options;
    this.#reconnection = new Reconnection(client, address.shown, waits.reconnectWaitMs);
    client.on("+node", (node: Redis) => this.#add(node));
    client.on("-node", (node: Redis) => {
      if (this.#nodes.get(idOf(node))?.node === node) this.#nodes.delete(idOf(node));
    });
  }

  /** Resolves when the masters can be sent commands, or all but those that are away. */
  async connected(): Promise<void> {
    await firstReady(this.#client, this.#reconnection, this.waits.connectMs);
    const pings = await Promise.allSettled(this.#client.nodes("master").map((node) => node.ping()));
    if (pings.some(({ status }) => status === "fulfilled")) return;
    throw pings.find((ping) => ping.status === "rejected")?.reason ?? slotNotServed();
  }

  ready(): Promise<void> | undefined {
    return this.#reconnection.ready();
  }

  masterOf(key: string): RedisMaster | undefined {
    return this.#masterOfSlot(slotOf(key));
  }

  masters(): readonly RedisMaster[] {
    return this.#masters();
  }

  call(command: Command): Promise<unknown> {
    return this.#client.sendCommand(command) as Promise<unknown>;
  }

  refresh(): void {
    this.#client.refreshSlotsCache();
  }

  /**
   * Slot by slot, since SCAN of one server after the other would miss keys whose slot moves meanwhile from one not yet
   * scanned to one that was. A slot's owner is asked before the others: its keys can only move away from it.
   */
  async keys(prefix: string, limit: number, cursor = "0"): Promise<KeyPage> {
    const step = Array.from({ length: Math.min(SCANNED_SLOTS, SLOTS - Number(cursor)) }, (_, i) => Number(cursor) + i);
    const counts = await this.#askOwners(step, "COUNTKEYSINSLOT");
    let total = 0;
    const slots = step.filter((_, i) => {
      const isIn = total < limit;
      total += isIn ? Number(counts[i]) : 0;
      return isIn;
    });
    const ofOwners = await this.#askOwners(
      slots.filter((_, i) => Number(counts[i]) > 0),
      "GETKEYSINSLOT",
      SLOT_KEYS_MAX,
    );
    const ofOthers = await Promise.all(
      this.#masters().map(({ node }) => strayKeys(node, this.#othersThan(node, slots))),
    );
    const named = [...(ofOwners as (readonly Buffer[])[]), ...ofOthers].flat().map((key) => key.toString("latin1"));
    const keys = [...new Set(named)].filter((key) => key.startsWith(prefix));
    const next = slots.at(-1)! + 1;
    return next === SLOTS ? { keys } : { keys, cursor: String(next) };
  }

  connect(master: RedisMaster, options: RedisOptions): Redis {
    const colon = master.id.lastIndexOf(":");
    const server = { host: master.id.slice(0, colon), port: Number(master.id.slice(colon + 1)) };
    return new Redis({ ...this.#options, ...server, enableOfflineQueue: false, ...options });
  }

  async close(): Promise<void> {
    this.#reconnection.close();
    this.#client.disconnect();
  }

  #add(node: Redis): void {
    const id = idOf(node);
    const send = (command: Command) => node.sendCommand(command) as Promise<unknown>;
    this.#nodes.set(id, Object.freeze({ id, node, send }));
    handleAsking(node);
    // The first command to it shall not wait for the connection.
    if (!node.options.readOnly && node.status === "wait") node.connect().catch(() => {});
  }

  #masters(): readonly ClusterMaster[] {
    return this.#client.nodes("master").flatMap((node) => this.#nodes.get(idOf(node)) ?? []);
  }

  #masterOfSlot(slot: number): ClusterMaster | undefined {
    const id = this.#client.slots[slot]?.[0];
    return id === undefined ? undefined : this.#nodes.get(id);
  }

  #othersThan(node: Redis, slots: readonly number[]): readonly number[] {
    return slots.filter((slot) => this.#masterOfSlot(slot)?.node !== node);
  }

  /** One answer a slot, in order. */
  async #askOwners(
    slots: readonly number[],
    question: string,
    ...more: readonly number[]
  ): Promise<readonly unknown[]> {
    const byOwner = new Map<Redis | undefined, number[]>();
    for (const [place, slot] of slots.entries()) {
      const owner = this.#masterOfSlot(slot)?.node;
      const places = byOwner.get(owner) ?? [];
      byOwner.set(owner, places);
      places.push(place);
    }
    const answers = new Array<unknown>(slots.length);
    const ask = async (owner: Redis | undefined, places: readonly number[]) => {
      if (owner === undefined) throw slotNotServed();
      const own = await askSlots(
        owner,
        places.map((place) => slots[place]!),
        question,
        ...more,
      );
      for (const [i, place] of places.entries()) answers[place] = own[i];
    };
    await Promise.all([...byOwner].map(([owner, places]) => ask(owner, places)));
    return answers;
  }
}

/** More keys than a slot has. */
const SLOT_KEYS_MAX = 2 ** 31 - 1;

/** Keys that a master has of slots that are not its own: they are on their way to it. */
async function strayKeys(node: Redis, slots: readonly number[]): Promise<readonly Buffer[]> {
  const counts = await askSlots(node, slots, "COUNTKEYSINSLOT");
  const some = slots.filter((_, i) => Number(counts[i]) > 0);
  return ((await askSlots(node, some, "GETKEYSINSLOT", SLOT_KEYS_MAX)) as (readonly Buffer[])[]).flat();
}

/** Asks a server one question for each slot, in one round trip. */
async function askSlots(
  node: Redis,
  slots: readonly number[],
  question: string,
  ...more: readonly number[]
): Promise<readonly unknown[]> {
  if (slots.length === 0) return [];
  const pipeline = node.pipeline();
  for (const slot of slots) pipeline.callBuffer("CLUSTER", question, slot, ...more);
  const answers = (await pipeline.exec()) ?? [];
  return answers.map(([error, answer]) => {
    if (error) throw error;
    return answer;
  });
}

/**
 * The client sends ASKING ahead of a command whose slot is on the move and looks at its answer no more: were the
 * connection lost then, that rejection would be nobody's and end this process. The command itself is rejected too.
 */
function handleAsking(node: Redis): void {
  const asking = node.asking.bind(node) as () => Promise<"OK">;
  node.asking = () => {
    const answer = asking();
    answer.catch(() => {});
    return answer;
  };
}

function idOf({ options }: Redis): string {
  return `${options.host}:${options.port}`;
}
