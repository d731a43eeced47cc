/**
 * The driver for Redis: one server, one found by Sentinels, or a cluster. One hash for each entity key, one field for
 * each feature view, so that an entity is one key, one slot and one expiry. Newest wins inside the server, by a script.
 *
 * Control records are the fields of one more hash: few, small, and listed without a walk over all keys.
 *
 * A call that meets a lost connection is sent again for a bounded while, where that is safe; then, and while the server
 * stays away, it fails at once with STORE_UNREACHABLE. Nothing is queued.
 */

import { Command } from "ioredis";
import type {
  ControlStore,
  EntityRows,
  InvalidationListener,
  InvalidationSubscription,
  OnlineStore,
  ReadRequest,
  RowWrite,
  ScanPage,
  StoreTier,
  WriteOutcome,
} from "./online-store.ts";
import { createPackedLayout } from "./packed-layout.ts";
import { parseRedisAddress, type RedisAddress } from "./redis-address.ts";
import { DEFAULT_WRITE_TARGET_MS } from "./redis-call-size.ts";
import { openRedisCluster } from "./redis-cluster.ts";
import { binaryCommand } from "./redis-command.ts";
import {
  DEFAULT_CONNECT_MS,
  DEFAULT_RECONNECT_WAIT_MS,
  DEFAULT_SILENCE_MS,
  type RedisDeployment,
  type RedisWaits,
  untilAnswered,
} from "./redis-deployment.ts";
import { redisClosed, redisFailure } from "./redis-failure.ts";
import { readRedisHistory } from "./redis-history.ts";
import type { RedisLayout } from "./redis-layout.ts";
import { DEFAULT_READ_CALL_ROWS, REDIS_TIER, RowReads } from "./redis-row-reads.ts";
import {
  DEFAULT_REPLICA_WAIT_MS,
  DEFAULT_WRITE_CALL_BYTES,
  DEFAULT_WRITE_CALL_ROWS,
  RowWrites,
} from "./redis-row-writes.ts";
import { type Argument, COMPARE_AND_SET, optionalArguments } from "./redis-script.ts";
import { checkServers } from "./redis-server-check.ts";
import { openSingleRedis } from "./redis-single.ts";
import { type RedisTrackingOptions, trackRedis } from "./redis-tracking.ts";

/** After the prefix, where no row is. */
const CONTROL_KEY = "~control";
/** The fewest keys asked for by one step of a scan. */
const SCAN_KEYS_MIN = 100;

/** How to use a Redis. */
export interface RedisStoreOptions extends Partial<RedisWaits> {
  /** The project: what its keys begin with, before a ":". Projects share a server by having different ones. */
  readonly keyPrefix: string;
  /** Makes the layout of the rows; without it they are packed. */
  readonly layout?: (control: ControlStore) => RedisLayout;
  /** Replicas that must have a row before it counts as written. Default 0: a failover may lose the last writes. */
  readonly minReplicas?: number;
  /** See DEFAULT_REPLICA_WAIT_MS. */
  readonly replicaWaitMs?: number;
  /** How changes are tracked for a cache in front of the store; without it that cache stays in doubt. */
  readonly tracking?: Omit<RedisTrackingOptions, "prefix" | "keySpaces">;
  /** See DEFAULT_READ_CALL_ROWS. */
  readonly readCallRows?: number;
  /** See DEFAULT_WRITE_CALL_ROWS. */
  readonly writeCallRows?: number;
  /** See DEFAULT_WRITE_CALL_BYTES. */
  readonly writeCallBytes?: number;
  /** See DEFAULT_WRITE_TARGET_MS. */
  readonly writeTargetMs?: number;
  /** Monotonic clock, ms, by which round trips are told and write calls sized; without it they are neither. */
  readonly now?: () => number;
}

/**
 * Connects to the Redis at an address (see redis-address.ts for its forms). Throws STORE_URL_INVALID when it is not
 * understood, STORE_UNREACHABLE when the server is away, refuses the login, is too old or is no Redis.
 */
export async function openRedisStore(url: string, options: RedisStoreOptions): Promise<OnlineStore> {
  const address = parseRedisAddress(url);
  const waits: RedisWaits = {
    silenceMs: options.silenceMs ?? DEFAULT_SILENCE_MS,
    connectMs: options.connectMs ?? DEFAULT_CONNECT_MS,
    reconnectWaitMs: options.reconnectWaitMs ?? DEFAULT_RECONNECT_WAIT_MS,
  };
  const opened: RedisDeployment[] = [];
  const open = async () => {
    const deployment = await openDeployment(address, waits);
    opened.push(deployment);
    return deployment;
  };
  try {
    const reads = await open();
    await checkServers(reads.address, reads.holdsAllKeys ? "standalone" : "cluster", reads.masters());
    // Whoever waits for replicas blocks its connection, and reads do not wait for that.
    const writes = (options.minReplicas ?? 0) > 0 ? await open() : reads;
    return new RedisStore(reads, writes, options);
  } catch (thrown) {
    await Promise.all(opened.map((deployment) => deployment.close()));
    throw redisFailure(address.shown, thrown);
  }
}

function openDeployment(address: RedisAddress, waits: RedisWaits): Promise<RedisDeployment> {
  return address.shape === "cluster" ? openRedisCluster(address, waits) : openSingleRedis(address, waits);
}

class RedisStore implements OnlineStore {
  readonly address: string;
  readonly tiers: readonly StoreTier[];
  readonly control: ControlStore;
  readonly #prefix: string;
  readonly #reads: RedisDeployment;
  readonly #writes: RedisDeployment;
  readonly #tracking: RedisStoreOptions["tracking"];
  readonly #layout: RedisLayout;
  readonly #rowReads: RowReads;
  readonly #rowWrites: RowWrites;
  #isOpen = true;

  constructor(reads: RedisDeployment, writes: RedisDeployment, options: RedisStoreOptions) {
    this.address = reads.address;
    this.#prefix = `${options.keyPrefix}:`;
    this.#reads = reads;
    this.#writes = writes;
    this.#tracking = options.tracking;
    this.control = Object.freeze({
      get: (name: string) => this.#record(name),
      compareAndSet: (name: string, expected: Uint8Array | undefined, next: Uint8Array | undefined) =>
        this.#setRecord(name, expected, next),
      list: (prefix: string) => this.#recordNames(prefix),
    });
    this.#layout = options.layout?.(this.control) ?? createPackedLayout(this.#prefix);
    this.#rowReads = new RowReads(reads, this.#layout, options.readCallRows ?? DEFAULT_READ_CALL_ROWS, options.now);
    this.#rowWrites = new RowWrites(writes, this.#layout, {
      callRows: options.writeCallRows ?? DEFAULT_WRITE_CALL_ROWS,
      callBytes: options.writeCallBytes ?? DEFAULT_WRITE_CALL_BYTES,
      minReplicas: options.minReplicas ?? 0,
      replicaWaitMs: options.replicaWaitMs ?? DEFAULT_REPLICA_WAIT_MS,
      targetMs: options.writeTargetMs ?? DEFAULT_WRITE_TARGET_MS,
      now: options.now,
    });
    this.tiers = Object.freeze([
      Object.freeze({ name: REDIS_TIER, read: (requests) => this.read(requests) } as StoreTier),
    ]);
  }

  async read(requests: readonly ReadRequest[]): Promise<readonly EntityRows[]> {
    this.#assertOpen();
    return this.#rowReads.read(requests);
  }

  async write(rows: readonly RowWrite[]): Promise<readonly WriteOutcome[]> {
    this.#assertOpen();
    return this.#rowWrites.write(rows);
  }

  async replace(row: RowWrite, ifStored: Uint8Array | undefined): Promise<boolean> {
    this.#assertOpen();
    const key = this.#layout.writtenKeyOf(row);
    const call = await this.#layout.replacement(row, key, ifStored, (fields) =>
      untilAnswered(this.#writes, async () => {
        return (await this.#writes.call(binaryCommand("hmget", [key, ...fields]))) as (Buffer | null)[];
      }),
    );
    return call !== undefined && this.#isSet(key, call);
  }

  /** A cursor carries the keys that Redis named beyond the page. */
  async scan(field: string, limit: number, cursor?: string): Promise<ScanPage> {
    this.#assertOpen();
    const space = this.#layout.keySpace(field);
    let named = cursor === undefined ? { keys: [] } : (JSON.parse(cursor) as NamedKeys);
    if (named.keys.length === 0) {
      const page = await untilAnswered(this.#reads, () =>
        this.#reads.keys(space.prefix, Math.max(limit, SCAN_KEYS_MIN), named.next),
      );
      named = { keys: page.keys.flatMap((key) => space.entityKeyOf(key) ?? []), next: page.cursor };
    }
    const keys = named.keys.slice(0, limit);
    const fields = [field];
    const entities = await this.#rowReads.read(keys.map((key) => ({ key, fields })));
    const rows = entities.flatMap(({ rows: [row] }, i) => (row ? [{ key: keys[i]!, bytes: row.bytes }] : []));
    const rest: NamedKeys = { keys: named.keys.slice(limit), next: named.next };
    return rest.keys.length === 0 && rest.next === undefined ? { rows } : { rows, cursor: JSON.stringify(rest) };
  }

  subscribe(listener: InvalidationListener): InvalidationSubscription {
    if (this.#tracking === undefined) {
      return Object.freeze({ stalenessBoundMs: 0, lagMs: () => Number.POSITIVE_INFINITY, stop: () => {} });
    }
    const keySpaces = this.#layout.keySpaces();
    return trackRedis(this.#reads, { ...this.#tracking, prefix: this.#prefix, keySpaces }, listener);
  }

  /** Redis expires by itself. */
  async sweep(): Promise<number> {
    this.#assertOpen();
    return 0;
  }

  async history(): Promise<string> {
    this.#assertOpen();
    return untilAnswered(this.#reads, () => readRedisHistory(this.#reads));
  }

  async ping(): Promise<void> {
    this.#assertOpen();
    const pings = () => Promise.all(this.#reads.masters().map((master) => master.send(new Command("ping"))));
    await untilAnswered(this.#reads, pings);
  }

  async close(): Promise<void> {
    this.#isOpen = false;
    await Promise.all([this.#reads.close(), this.#writes.close()]);
  }

  async #record(name: string): Promise<Uint8Array | undefined> {
    this.#assertOpen();
    const command = () => new Command("hget", [this.#prefix + CONTROL_KEY, name]);
    const bytes = await untilAnswered(this.#reads, () => this.#reads.call(command()));
    return (bytes as Buffer | null) ?? undefined;
  }

  async #recordNames(prefix: string): Promise<readonly string[]> {
    this.#assertOpen();
    const command = () => new Command("hkeys", [this.#prefix + CONTROL_KEY]);
    const names = (await untilAnswered(this.#reads, () => this.#reads.call(command()))) as Buffer[];
    return names
      .map(String)
      .filter((name) => name.startsWith(prefix))
      .sort();
  }

  async #setRecord(name: string, expected: Uint8Array | undefined, next: Uint8Array | undefined): Promise<boolean> {
    this.#assertOpen();
    const key = this.#prefix + CONTROL_KEY;
    const values = [expected, next].flatMap(optionalArguments);
    return this.#isSet(key, [COMPARE_AND_SET.lua, "1", key, Buffer.from(name), ...values, ""]);
  }

  /** Calls a script that compares and sets under a key. Not sent again when its answer is lost: the second would say that the first was not there. */
  async #isSet(key: string, call: readonly Argument[]): Promise<boolean> {
    try {
      await this.#writes.ready();
      const isSet = Number(await this.#writes.call(binaryCommand("eval", call))) === 1;
      if (isSet) await this.#rowWrites.confirm(key);
      return isSet;
    } catch (thrown) {
      throw redisFailure(this.address, thrown);
    }
  }

  #assertOpen(): void {
    if (!this.#isOpen) throw redisClosed(this.address);
  }
}

/** Keys that a scan has been told of, and where Redis goes on. */
interface NamedKeys {
  readonly keys: readonly string[];
  readonly next?: string | undefined;
}
