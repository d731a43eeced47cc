/**
 * A circuit breaker around an online store: once it has failed several times in a row, calls fail at once instead of
 * each waiting for its time-out, so that a store that is away costs a request nothing and gets no storm of retries.
 *
 * It closes by itself: after a back-off a single ping goes through (half-open); an answer closes it, a failure doubles
 * the back-off up to a bound. The back-off is jittered, or all gateways of a fleet would probe at the same moment.
 * Failures of calls that were under way together count once: one cut connection is one failure.
 */

import { channel } from "node:diagnostics_channel";
import { HeadgateError, hasCode } from "../../errors.ts";
import type { OnlineStore } from "./online-store.ts";

/** Failures in a row that open it. Fewer open it for a hiccup; each costs its callers one time-out of the store. */
const DEFAULT_FAILURES_MAX = 3;
/** The first back-off, ms: how long at least calls fail at once after the store is back. */
const DEFAULT_BACKOFF_MS = 200;
/** The longest back-off, ms: how long at most it takes to notice that a store that was away for long is back. */
const DEFAULT_BACKOFF_MAX_MS = 5_000;

/** Settings of a breaker. */
export interface CircuitBreakerOptions {
  /** See DEFAULT_FAILURES_MAX. */
  readonly failuresMax?: number;
  /** See DEFAULT_BACKOFF_MS. */
  readonly backoffMs?: number;
  /** See DEFAULT_BACKOFF_MAX_MS. */
  readonly backoffMaxMs?: number;
  /** Monotonic clock, ms. */
  readonly now: () => number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/** Closed: calls go through. Open: they fail at once. Half-open: they do too, while one ping is under way. */
export type BreakerState = "closed" | "open" | "half-open";

/** A store behind a breaker. */
export interface BrokenCircuitStore extends OnlineStore {
  /** The state, and how long until the next probe, ms: what a caller may be told to wait. */
  breaker(): { readonly state: BreakerState; readonly retryAfterMs: number };
}

/** Published with the new state when it changes. */
const breakerChanged = channel("headgate:store-breaker");

/**
 * Puts a breaker before a store. While it is open every call but `ping` and the tiers' own reads, which are for
 * looking, fails with STORE_UNREACHABLE. Only STORE_UNREACHABLE counts as a failure: any other answer is one.
 */
export function createCircuitBreaker(remote: OnlineStore, options: CircuitBreakerOptions): BrokenCircuitStore {
  const circuit = new Circuit(remote, options);
  const { control } = remote;
  return Object.freeze({
    address: remote.address,
    tiers: remote.tiers,
    read: (requests) => circuit.call(() => remote.read(requests)),
    write: async (rows) => circuit.call(() => remote.write(rows)),
    replace: async (row, ifStored) => circuit.call(() => remote.replace(row, ifStored)),
    scan: async (field, limit, cursor) => circuit.call(() => remote.scan(field, limit, cursor)),
    control: Object.freeze({
      get: async (name: string) => circuit.call(() => control.get(name)),
      compareAndSet: async (name: string, expected: Uint8Array | undefined, next: Uint8Array | undefined) =>
        circuit.call(() => control.compareAndSet(name, expected, next)),
      list: async (prefix: string) => circuit.call(() => control.list(prefix)),
    }),
    subscribe: (listener) => remote.subscribe(listener),
    sweep: async (nowMs) => circuit.call(() => remote.sweep(nowMs)),
    history: async () => circuit.call(() => remote.history()),
    ping: () => remote.ping(),
    close: async () => {
      circuit.close();
      await remote.close();
    },
    breaker: () => circuit.state(),
  } satisfies BrokenCircuitStore);
}

class Circuit {
  readonly #remote: OnlineStore;
  readonly #failuresMax: number;
  readonly #backoffMs: number;
  readonly #backoffMaxMs: number;
  readonly #now: () => number;
  readonly #random: () => number;
  #state: BreakerState = "closed";
  /** In a row. */
  #failures = 0;
  /** Probes that failed since it opened. */
  #probes = 0;
  #probeAtMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #isOver = false;

  constructor(remote: OnlineStore, options: CircuitBreakerOptions) {
    this.#remote = remote;
    this.#failuresMax = options.failuresMax ?? DEFAULT_FAILURES_MAX;
    this.#backoffMs = options.backoffMs ?? DEFAULT_BACKOFF_MS;
    this.#backoffMaxMs = options.backoffMaxMs ?? DEFAULT_BACKOFF_MAX_MS;
    this.#now = options.now;
    this.#random = options.random;
  }

  state(): { readonly state: BreakerState; readonly retryAfterMs: number } {
    return {
      state: this.#state,
      retryAfterMs: this.#state === "open" ? Math.max(0, this.#probeAtMs - this.#now()) : 0,
    };
  }

  call<T>(work: () => T | Promise<T>): T | Promise<T> {
    if (this.#state !== "closed") throw this.#refusal();
    const failuresBefore = this.#failures;
    const failed = (cause: unknown): never => {
      this.#countFailure(cause, failuresBefore);
      throw cause;
    };
    let answer: T | Promise<T>;
    try {
      answer = work();
    } catch (cause) {
      return failed(cause);
    }
    if (answer instanceof Promise) return answer.then((value) => this.#succeeded(value), failed);
    return this.#succeeded(answer);
  }

  close(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
  }

  #succeeded<T>(value: T): T {
    // One that began before it opened says nothing of now.
    if (this.#state === "closed") this.#failures = 0;
    return value;
  }

  #countFailure(cause: unknown, failuresBefore: number): void {
    if (this.#state !== "closed" || this.#isOver) return;
    if (!hasCode(cause, "STORE_UNREACHABLE")) {
      this.#failures = 0;
      return;
    }
    // Another call that was under way with this one has been counted.
    if (failuresBefore !== this.#failures) return;
    this.#failures++;
    if (this.#failures < this.#failuresMax) return;
    this.#probes = 0;
    this.#open();
  }

  #open(): void {
    const backoffMs = Math.min(this.#backoffMaxMs, this.#backoffMs * 2 ** Math.min(this.#probes, 30));
    const waitMs = backoffMs * (0.5 + this.#random() / 2);
    this.#probeAtMs = this.#now() + waitMs;
    this.#become("open");
    this.#timer = setTimeout(() => void this.#probe(), waitMs).unref();
  }

  async #probe(): Promise<void> {
    this.#become("half-open");
    try {
      await this.#remote.ping();
    } catch {
      this.#probes++;
      if (!this.#isOver) this.#open();
      return;
    }
    this.#failures = 0;
    this.#become("closed");
  }

  #become(state: BreakerState): void {
    this.#state = state;
    if (breakerChanged.hasSubscribers) breakerChanged.publish(state);
  }

  #refusal(): HeadgateError {
    const { address } = this.#remote;
    return new HeadgateError(
      "STORE_UNREACHABLE",
      `The online store ${address} failed ${this.#failures} times in a row; it is probed and used again as soon as it answers. Check that it runs and can be reached from here.`,
    );
  }
}
