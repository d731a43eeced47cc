/**
 * The online store as a gateway uses it. An embedded store is read as it is. A Redis gets a circuit breaker, and before
 * it memory kept coherent: nearest first, memory → breaker → Redis.
 */

import { type BrokenCircuitStore, createCircuitBreaker } from "./circuit-breaker.ts";
import type { ControlStore, OnlineStore } from "./online-store.ts";
import { isRemote, type OpenOnlineStoreOptions, openOnlineStore } from "./open.ts";
import { createTieredStore, type TieredStore } from "./tiered.ts";

/** A store opened for serving, and what can be asked of its parts. */
export interface ServingStore {
  readonly store: OnlineStore;
  /** The memory before a remote store; undefined for an embedded one, or when it is turned off. */
  readonly memory: TieredStore | undefined;
  /** The breaker before a remote store. */
  readonly breaker: BrokenCircuitStore | undefined;
  /** The store's records past the breaker: for looks in the background, which must neither open it nor keep it closed. */
  readonly watched: ControlStore;
}

/** How to serve from a remote store; an embedded one uses none of it. */
export interface ServingStoreOptions extends OpenOnlineStoreOptions {
  /** Memory for kept rows, bytes; 0: none. */
  readonly cacheBytes: number;
  readonly heartbeatIntervalMs: number;
  readonly heartbeatTimeoutMs: number;
  readonly breakerFailures: number;
  readonly breakerBackoffMs: number;
  readonly breakerBackoffMaxMs: number;
  /** Monotonic clock, ms. */
  readonly clock: () => number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/** Opens a store for serving; throws what openOnlineStore does. */
export async function openServingStore(url: string, options: ServingStoreOptions): Promise<ServingStore> {
  if (!isRemote(url)) {
    const store = await openOnlineStore(url, options);
    return { store, memory: undefined, breaker: undefined, watched: store.control };
  }
  const { clock: now, random, heartbeatIntervalMs, heartbeatTimeoutMs, cacheBytes } = options;
  const tracking = { heartbeatIntervalMs, heartbeatTimeoutMs, now, random };
  const redis = { ...options.redis, now, ...(cacheBytes > 0 ? { tracking } : {}) };
  const remote = await openOnlineStore(url, { ...options, redis });
  const breaker = createCircuitBreaker(remote, {
    failuresMax: options.breakerFailures,
    backoffMs: options.breakerBackoffMs,
    backoffMaxMs: options.breakerBackoffMaxMs,
    now,
    random,
  });
  const memory = cacheBytes > 0 ? createTieredStore(breaker, { maxBytes: cacheBytes, now }) : undefined;
  return { store: memory ?? breaker, memory, breaker, watched: remote.control };
}
