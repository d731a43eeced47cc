/**
 * One connection on which a master tells what changes. It lives once: when it closes it says so and is done.
 *
 * Armed by `CLIENT TRACKING ON REDIRECT <its own id> BCAST PREFIX …` and `SUBSCRIBE __redis__:invalidate`. The payload
 * of a message is an array of keys, or null after a flush.
 * https://redis.io/docs/latest/develop/reference/client-side-caching/
 */

import { Command, type Redis } from "ioredis";
import { reasonOf } from "../../errors.ts";
import type { KeySpace } from "./redis-layout.ts";
import type { TrackedDeployment, TrackedMaster } from "./redis-topology.ts";

/** What is heard on the connection. */
export interface TrackingHandlers {
  /** Entity keys. */
  invalidated(keys: readonly string[]): void;
  flushed(): void;
  /** It ended, not by `close`. */
  closed(reason: string): void;
}

/** A heartbeat's key is collected when its process has been gone for this long, ms. */
const HEARTBEAT_TTL_MS = 60_000;
/** A server that answers so takes no writes from anyone, and tells of what it expires and deletes all the same. */
const REFUSES_WRITES = /^(OOM|MISCONF|NOREPLICAS)\b/;
/** After the row prefix, where no entity key is: those begin with a join key's name. */
const HEARTBEAT = "~heartbeat:";

/** The connection. */
export class TrackingConnection {
  readonly id: string;
  readonly #master: TrackedMaster;
  readonly #prefix: string;
  readonly #keySpaces: readonly KeySpace[];
  readonly #redis: Redis;
  #handlers: TrackingHandlers | undefined;
  #awaited: { readonly heartbeat: string; readonly isBack: () => void } | undefined;

  /** Each step of opening it, and each of its heartbeats' answers, may take `timeoutMs`. */
  constructor(master: TrackedMaster, prefix: string, keySpaces: readonly KeySpace[], timeoutMs: number) {
    this.id = master.id;
    this.#master = master;
    this.#prefix = prefix;
    this.#keySpaces = keySpaces;
    this.#redis = master.connect({
      protocol: 2,
      lazyConnect: true,
      retryStrategy: () => null,
      autoResubscribe: false,
      keyPrefix: "",
      connectTimeout: timeoutMs,
      commandTimeout: timeoutMs,
    });
  }

  /** Connects and arms. Rejects when that fails. */
  async open(handlers: TrackingHandlers): Promise<void> {
    this.#handlers = handlers;
    let reason = "the connection was closed";
    this.#redis.on("error", (error) => {
      reason = reasonOf(error);
    });
    this.#redis.on("end", () => this.#handlers?.closed(reason));
    this.#redis.on("messageBuffer", (_channel: Buffer, keys: unknown) => this.#hear(keys));
    await this.#redis.connect();
    const id = String(await this.#redis.client("ID"));
    // Redis takes no prefix that is a part of another.
    const prefixes = new Set([this.#prefix, ...this.#keySpaces.map(({ prefix }) => prefix)]);
    const words = [...prefixes].flatMap((prefix) => ["PREFIX", Buffer.from(prefix, "latin1")]);
    await this.#redis.call("CLIENT", "TRACKING", "ON", "REDIRECT", id, "BCAST", ...words);
    await this.#redis.subscribe("__redis__:invalidate");
  }

  /**
   * Resolves when a write of the heartbeat `name` on this master, by the connection that reads rows, has come back here. A master that owns no
   * slot or refuses writes is asked for an echo on this connection instead, which comes after all that it told before.
   */
  async beat(deployment: TrackedDeployment, name: string): Promise<void> {
    const { tag } = this.#master;
    if (tag === undefined) return this.#echo(name);
    const heartbeat = `${HEARTBEAT}${tag}${name}`;
    const isBack = new Promise<void>((resolve) => {
      this.#awaited = { heartbeat, isBack: resolve };
    });
    try {
      await deployment.call(new Command("set", [this.#prefix + heartbeat, "", "PX", HEARTBEAT_TTL_MS]));
    } catch (cause) {
      if (REFUSES_WRITES.test(reasonOf(cause))) return this.#echo(name);
      throw cause;
    }
    return isBack;
  }

  close(): void {
    this.#handlers = undefined;
    this.#redis.disconnect();
  }

  async #echo(name: string): Promise<void> {
    await this.#redis.ping(name);
  }

  #hear(keys: unknown): void {
    if (!Array.isArray(keys)) {
      this.#handlers?.flushed();
      return;
    }
    const changed: string[] = [];
    for (const bytes of keys as readonly Buffer[]) {
      const key = bytes.toString("latin1");
      const entityKey = this.#entityKeyOf(key);
      if (entityKey !== undefined) changed.push(entityKey);
      else if (this.#awaited !== undefined && key === this.#prefix + this.#awaited.heartbeat) this.#awaited.isBack();
    }
    if (changed.length > 0) this.#handlers?.invalidated(changed);
  }

  #entityKeyOf(key: string): string | undefined {
    for (const space of this.#keySpaces) if (key.startsWith(space.prefix)) return space.entityKeyOf(key);
    return undefined;
  }
}
