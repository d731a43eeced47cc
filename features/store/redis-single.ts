/**
 * One master: a server at an address, or whichever the Sentinels name. One connection carries everything; it comes
 * back by itself with a bounded, jittered back-off (ioredis' own), and nothing is queued while it is away.
 */

import { type Command, Redis, type RedisOptions } from "ioredis";
import type { RedisAddress } from "./redis-address.ts";
import { binaryCommand } from "./redis-command.ts";
import {
  firstReady,
  type KeyPage,
  type RedisDeployment,
  type RedisMaster,
  type RedisWaits,
  redisOptions,
} from "./redis-deployment.ts";
import { Reconnection } from "./redis-reconnection.ts";

/** Connects to a master. Rejects with the client's error when that fails or takes longer than `waits.connectMs`. */
export async function openSingleRedis(address: RedisAddress, waits: RedisWaits): Promise<RedisDeployment> {
  const options = { ...redisOptions(address, waits), ...serverOptions(address), enableOfflineQueue: false };
  const client = new Redis(options);
  const reconnection = new Reconnection(client, address.shown, waits.reconnectWaitMs);
  try {
    await firstReady(client, reconnection, waits.connectMs);
  } catch (thrown) {
    client.disconnect();
    throw thrown;
  }
  return new SingleRedis(address, waits, client, reconnection);
}

class SingleRedis implements RedisDeployment {
  readonly address: string;
  readonly waits: RedisWaits;
  readonly holdsAllKeys = true;
  readonly #client: Redis;
  readonly #reconnection: Reconnection;
  readonly #master: RedisMaster;

  constructor(address: RedisAddress, waits: RedisWaits, client: Redis, reconnection: Reconnection) {
    this.address = address.shown;
    this.waits = waits;
    this.#client = client;
    this.#reconnection = reconnection;
    const id = address.masterName || `${address.hosts[0]!.host}:${address.hosts[0]!.port}`;
    this.#master = Object.freeze({ id, send: (command: Command) => this.call(command) });
  }

  ready(): Promise<void> | undefined {
    return this.#reconnection.ready();
  }

  masterOf(): RedisMaster {
    return this.#master;
  }

  masters(): readonly RedisMaster[] {
    return [this.#master];
  }

  call(command: Command): Promise<unknown> {
    return this.#client.sendCommand(command) as Promise<unknown>;
  }

  /** There is nothing to look up: the client finds the master anew when it reconnects. */
  refresh(): void {}

  async keys(prefix: string, limit: number, cursor = "0"): Promise<KeyPage> {
    const pattern = `${prefix.replace(/[\\*?[\]]/g, "\\$&")}*`;
    const options = ["MATCH", pattern, "COUNT", String(limit), "TYPE", "hash"];
    const [next, found] = (await this.call(binaryCommand("scan", [cursor, ...options]))) as [Buffer, Buffer[]];
    const keys = found.map((key) => key.toString("latin1"));
    return String(next) === "0" ? { keys } : { keys, cursor: String(next) };
  }

  connect(_master: RedisMaster, options: RedisOptions): Redis {
    return this.#client.duplicate(options);
  }

  async close(): Promise<void> {
    this.#reconnection.close();
    this.#client.disconnect();
  }
}

function serverOptions({ shape, hosts, masterName, isTls, sentinelPassword }: RedisAddress): RedisOptions {
  if (shape === "standalone") return { ...hosts[0]! };
  return {
    sentinels: [...hosts],
    name: masterName,
    enableTLSForSentinelMode: isTls,
    ...(sentinelPassword === undefined ? {} : { sentinelPassword }),
    // After a failover the old master comes back as a replica: ask the Sentinels anew.
    reconnectOnError: (error) => error.message.startsWith("READONLY"),
  };
}
