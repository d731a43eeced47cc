/**
 * What the store needs of a Redis, however it is run: which server has a key, a way to send it commands, and how long
 * to hope when it is away. `redis-single.ts` is one master (named or found by Sentinels), `redis-cluster.ts` many.
 */

import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import type { Command, Redis, RedisOptions } from "ioredis";
import { HeadgateError, reasonOf } from "../../errors.ts";
import type { RedisAddress } from "./redis-address.ts";
import { canPass, isLasting, redisFailure } from "./redis-failure.ts";
import type { ReconnectingClient, Reconnection } from "./redis-reconnection.ts";
import type { CommandSender } from "./redis-script.ts";

/** How long a server may say nothing while an answer is due before its connection is given up, ms. Lower finds a dead one sooner, and takes a stalled one (a fork, a long script) for dead. */
export const DEFAULT_SILENCE_MS = 1_000;
/** How long making a connection may take, ms, at start and after a loss. */
export const DEFAULT_CONNECT_MS = 2_000;
/** How long calls wait for a connection that was just lost to come back, ms; after that they fail at once. Longer rides out more restarts and holds more requests meanwhile. */
export const DEFAULT_RECONNECT_WAIT_MS = 500;
/** Between two attempts of one call, ms. */
export const RESEND_PAUSE_MS = 50;

/** The waits of a deployment. */
export interface RedisWaits {
  /** See DEFAULT_SILENCE_MS. */
  readonly silenceMs: number;
  /** See DEFAULT_CONNECT_MS. */
  readonly connectMs: number;
  /** See DEFAULT_RECONNECT_WAIT_MS. */
  readonly reconnectWaitMs: number;
}

/** A server that takes writes. */
export interface RedisMaster extends CommandSender {
  /** "host:port"; with Sentinel the master's name, as the server behind it changes. */
  readonly id: string;
}

/** A page of keys; `cursor` is absent on the last one. */
export interface KeyPage {
  readonly keys: readonly string[];
  readonly cursor?: string;
}

/** One master or a cluster of them. All methods reject with the client's own errors: see redis-failure.ts. */
export interface RedisDeployment {
  /** The address without secrets. */
  readonly address: string;
  readonly waits: RedisWaits;
  /** True where one server holds all keys, so that a script can declare them. */
  readonly holdsAllKeys: boolean;
  /** Undefined when commands can be sent now; else resolves when they can, or rejects when that takes too long. */
  ready(): Promise<void> | undefined;
  /** The master that has a key (a character a byte), as far as is known; undefined when none has. */
  masterOf(key: string): RedisMaster | undefined;
  masters(): readonly RedisMaster[];
  /** Sends a command that names its keys to where they are, following a slot that moves. */
  call(command: Command): Promise<unknown>;
  /** Called after a server was not there: looks anew who has what. */
  refresh(): void;
  /** Keys that begin so, a character a byte; at least `limit` of them where there are as many, sometimes more; see OnlineStore.scan. */
  keys(prefix: string, limit: number, cursor: string | undefined): Promise<KeyPage>;
  /** Opens one more connection to a master, with the same login; `options` go over those of the store's own. */
  connect(master: RedisMaster, options: RedisOptions): Redis;
  close(): Promise<void>;
}

/** What every connection to an address has in common. Throws CONFIG_INVALID when the certificates cannot be read. */
export function redisOptions(address: RedisAddress, waits: RedisWaits): RedisOptions {
  return {
    ...(address.username === undefined ? {} : { username: address.username }),
    ...(address.password === undefined ? {} : { password: address.password }),
    ...(address.isTls ? { tls: address.caFile === undefined ? {} : { ca: certificates(address.caFile) } } : {}),
    db: address.database,
    connectTimeout: waits.connectMs,
    socketTimeout: waits.silenceMs,
    disableClientInfo: true,
    connectionName: "headgate",
    // What was under way on a lost connection fails at once: whether it is sent again is for the caller to say.
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
  };
}

function certificates(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new HeadgateError(
      "CONFIG_INVALID",
      `The online store's address names ?ca=${file}, which cannot be read: ${reasonOf(cause)}.`,
    );
  }
}

/** What of a call goes to one master; `kind` is what such a part has but one of: a list of fields, a field. */
export interface Share<Item, Kind> {
  /** Undefined for keys whose slot nobody serves. */
  readonly master: RedisMaster | undefined;
  readonly kind: Kind;
  readonly items: Item[];
}

/** Parts items by master and kind; within a share their order is kept. */
export function sharesOf<Item, Kind>(
  deployment: RedisDeployment,
  items: readonly Item[],
  keyOf: (item: Item) => string,
  kindOf: (item: Item) => Kind,
): readonly Share<Item, Kind>[] {
  const shares: Share<Item, Kind>[] = [];
  const byMaster = new Map<RedisMaster | undefined, Map<Kind, Share<Item, Kind>>>();
  let last: Share<Item, Kind> | undefined;
  for (const item of items) {
    const master = deployment.masterOf(keyOf(item));
    const kind = kindOf(item);
    // Mostly all are of one master and kind.
    if (last !== undefined && last.master === master && last.kind === kind) {
      last.items.push(item);
      continue;
    }
    const byKind = byMaster.get(master) ?? new Map<Kind, Share<Item, Kind>>();
    const share = byKind.get(kind);
    if (share !== undefined) {
      share.items.push(item);
      last = share;
      continue;
    }
    const first = { master, kind, items: [item] };
    last = first;
    shares.push(first);
    byMaster.set(master, byKind.set(kind, first));
  }
  return shares;
}

/**
 * Resolves when a new client can be used. Rejects when that takes longer than `connectMs`, and at once when the error is
 * one that will not go by waiting.
 */
export function firstReady(client: ReconnectingClient, reconnection: Reconnection, connectMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(reconnection.error), connectMs);
    const settle = (then: () => void) => () => {
      clearTimeout(timer);
      then();
    };
    const failed = (error: Error) => {
      if (isLasting(error)) settle(() => reject(error))();
    };
    client.on("ready", settle(resolve));
    client.on("error", failed);
    client.on("node error", failed);
  });
}

/** A span of time, begun when it is made, in which a call is sent again; `isOver` tells when to stop. */
export class RetrySpan {
  isOver = false;

  constructor(spanMs: number) {
    const end = () => {
      this.isOver = true;
    };
    setTimeout(end, spanMs).unref();
  }
}

/** Runs what may safely run twice, again and again for a while where the error can pass. Throws what redisFailure makes of it. */
export async function untilAnswered<T>(deployment: RedisDeployment, work: () => Promise<T>): Promise<T> {
  let span: RetrySpan | undefined;
  for (;;) {
    try {
      await deployment.ready();
    } catch (thrown) {
      throw redisFailure(deployment.address, thrown);
    }
    try {
      return await work();
    } catch (thrown) {
      span ??= new RetrySpan(deployment.waits.reconnectWaitMs);
      if (span.isOver || !canPass(thrown)) throw redisFailure(deployment.address, thrown);
    }
    deployment.refresh();
    await pause(RESEND_PAUSE_MS);
  }
}
