/**
 * Redis tells of every key that changes: `CLIENT TRACKING` in broadcast mode with the rows' prefixes, one connection
 * to each master. Broadcast, because it depends on nothing but its own connection: in the default mode the server
 * remembers what was read over which connection, and forgets it without a word when that one reconnects.
 *
 * The client library passes on no invalidations under RESP3, so the connection speaks RESP2 and redirects to itself.
 * A connection that reconnects no longer tracks, so it never does: each lives once, and after any trouble all masters
 * are asked for anew and all connections are made anew.
 *
 * A heartbeat proves that changes are told, end to end: a key of the tracked masters is written as rows are, through
 * the connection that reads them, and its invalidation must come back. What a server sends over one connection comes in
 * order, so everything acknowledged before the write has been told by then. Heartbeats are `heartbeatIntervalMs` apart,
 * and one that is not back after `heartbeatTimeoutMs` puts the feed in doubt; hence
 *
 *   stalenessBoundMs = heartbeatIntervalMs + heartbeatTimeoutMs
 *
 * which is the time from a heartbeat's departure to the moment at which the next one is given up. Ordinarily a change
 * is told within a millisecond of its acknowledgement.
 */

import { channel } from "node:diagnostics_channel";
import { reasonOf } from "../../errors.ts";
import type { InvalidationListener, InvalidationSubscription } from "./online-store.ts";
import type { KeySpace } from "./redis-layout.ts";
import { readRedisTopology, type TrackedDeployment } from "./redis-topology.ts";
import { TrackingConnection } from "./redis-tracking-connection.ts";

/** How far heartbeats are apart, ms. Shorter tightens the bound and costs each master one small write more often. */
const DEFAULT_HEARTBEAT_INTERVAL_MS = 500;
/** How long a heartbeat may take, ms. Shorter tightens the bound; below the longest stall of network or server, memory is dropped for nothing. */
const DEFAULT_HEARTBEAT_TIMEOUT_MS = 1_000;
/** The first wait after the feed failed, ms. It doubles up to the last. */
const REARM_MS = 50;
/** The longest wait before the feed is tried again, ms. */
const REARM_MAX_MS = 2_000;

/** How changes are tracked. */
export interface RedisTrackingOptions {
  /** What heartbeats' keys begin with, ASCII. */
  readonly prefix: string;
  /** Where rows are. */
  readonly keySpaces: readonly KeySpace[];
  /** See DEFAULT_HEARTBEAT_INTERVAL_MS. */
  readonly heartbeatIntervalMs?: number;
  /** See DEFAULT_HEARTBEAT_TIMEOUT_MS. */
  readonly heartbeatTimeoutMs?: number;
  /** Monotonic clock, ms. */
  readonly now: () => number;
  /** Uniform in [0, 1): names this feed's heartbeats and jitters its waits. */
  readonly random: () => number;
}

/** Published with `{ reason }` each time that the feed fails, also while it tries again. */
const trackingFailed = channel("headgate:store-tracking-failed");

/**
 * Tells the listener of every row that changes on the deployment, until it is stopped. Never throws: while it
 * can't be done the listener is in doubt and it is tried again, with waits up to REARM_MAX_MS. Rows must be read from
 * masters: a replica may give an old row after its change was told.
 */
export function trackRedis(
  deployment: TrackedDeployment,
  options: RedisTrackingOptions,
  listener: InvalidationListener,
): InvalidationSubscription {
  const feed = new RedisTracking(deployment, options, listener);
  return Object.freeze({
    stalenessBoundMs: feed.stalenessBoundMs,
    lagMs: () => options.now() - feed.provenMs,
    stop: () => feed.stop(),
  });
}

class RedisTracking {
  readonly stalenessBoundMs: number;
  /** When the last heartbeat that came back from every master left. */
  provenMs = Number.NEGATIVE_INFINITY;
  readonly #deployment: TrackedDeployment;
  readonly #options: RedisTrackingOptions;
  readonly #listener: InvalidationListener;
  readonly #intervalMs: number;
  readonly #timeoutMs: number;
  /** Tells this feed's heartbeats from those of the other processes. */
  readonly #name: string;
  /** Counts the attempts: whatever an earlier one still brings is of no interest. */
  #attempt = 0;
  #failures = 0;
  #isArmed = false;
  #isStopped = false;
  #connections: readonly TrackingConnection[] = [];
  #signature = "";
  #heartbeats = 0;
  /** The one timer that runs: for the next attempt, the next heartbeat, or the end of one's time. */
  #timer: NodeJS.Timeout | undefined;

  constructor(deployment: TrackedDeployment, options: RedisTrackingOptions, listener: InvalidationListener) {
    this.#deployment = deployment;
    this.#options = options;
    this.#listener = listener;
    this.#intervalMs = options.heartbeatIntervalMs ?? DEFAULT_HEARTBEAT_INTERVAL_MS;
    this.#timeoutMs = options.heartbeatTimeoutMs ?? DEFAULT_HEARTBEAT_TIMEOUT_MS;
    this.stalenessBoundMs = this.#intervalMs + this.#timeoutMs;
    const digits = () => Math.floor(options.random() * 36 ** 6).toString(36);
    this.#name = digits() + digits();
    void this.#arm();
  }

  stop(): void {
    this.#isStopped = true;
    this.#attempt++;
    this.#disconnect();
  }

  async #arm(): Promise<void> {
    const attempt = ++this.#attempt;
    this.#wait(this.#timeoutMs, () => this.#fail(attempt, "the masters did not answer in time"));
    try {
      const { masters, signature } = await readRedisTopology(this.#deployment);
      if (attempt !== this.#attempt) return;
      this.#signature = signature;
      this.#connections = masters.map(
        (master) => new TrackingConnection(master, this.#options.prefix, this.#options.keySpaces, this.#timeoutMs),
      );
      await Promise.all(
        this.#connections.map((connection) =>
          connection.open({
            invalidated: (keys) => this.#isArmed && this.#listener.invalidated(keys),
            // Everything may have changed: for whoever keeps rows it is as if tracking began only now.
            flushed: () => this.#isArmed && this.#listener.armed(),
            closed: (reason) => this.#fail(attempt, `${connection.id}: ${reason}`),
          }),
        ),
      );
      if (attempt === this.#attempt) await this.#beat(attempt);
    } catch (cause) {
      this.#fail(attempt, reasonOf(cause));
    }
  }

  /** Sends one heartbeat to each master, waits for all to come back and plans the next. */
  async #beat(attempt: number): Promise<void> {
    const sentMs = this.#options.now();
    // Two names in turn: what is left of the last one, or of an earlier attempt, is not taken for this one.
    const name = `${this.#name}.${attempt}.${++this.#heartbeats % 2}`;
    this.#wait(this.#timeoutMs, () => {
      // After a stall of this process what has come in is read first, in the poll phase before setImmediate.
      setImmediate(() => {
        if (this.provenMs < sentMs) this.#fail(attempt, `a heartbeat was not back after ${this.#timeoutMs} ms`);
      });
    });
    const topology = readRedisTopology(this.#deployment);
    await Promise.all([topology, ...this.#connections.map((one) => one.beat(this.#deployment, name))]);
    if (attempt !== this.#attempt) return;
    if ((await topology).signature !== this.#signature) return this.#fail(attempt, "the cluster's masters changed");
    this.provenMs = sentMs;
    if (!this.#isArmed) {
      this.#isArmed = true;
      this.#failures = 0;
      this.#listener.armed();
    }
    this.#wait(sentMs + this.#intervalMs - this.#options.now(), () =>
      this.#beat(attempt).catch((cause: unknown) => this.#fail(attempt, reasonOf(cause))),
    );
  }

  /** Doubts, and begins again after a wait. */
  #fail(attempt: number, reason: string): void {
    if (attempt !== this.#attempt || this.#isStopped) return;
    this.#attempt++;
    this.#disconnect();
    if (this.#isArmed) {
      this.#isArmed = false;
      this.#listener.doubted();
    }
    if (trackingFailed.hasSubscribers) trackingFailed.publish({ reason });
    const waitMs = Math.min(REARM_MAX_MS, REARM_MS * 2 ** Math.min(this.#failures++, 20));
    this.#wait(waitMs * (0.5 + this.#options.random() / 2), () => void this.#arm());
  }

  #disconnect(): void {
    clearTimeout(this.#timer);
    for (const connection of this.#connections) connection.close();
    this.#connections = [];
  }

  #wait(waitMs: number, then: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(then, Math.max(0, waitMs)).unref();
  }
}
