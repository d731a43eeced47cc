/**
 * Requests over a network that drops, stalls and answers "slow down": each is tried a bounded number of times, with a
 * back-off that doubles and is jittered, so that many loaders do not come back at the same moment; each try ends when
 * nothing comes for a while, however long the whole takes; and only so many run at once.
 */

import { randomInt } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { linkAbort } from "../linked-abort.ts";

/** Tries of one request. More outlast a longer outage; a materialization that fails can be started again anyway. */
const DEFAULT_ATTEMPTS = 6;
/** The wait after the first failed try, ms; it doubles. With six tries a request fails after some 6 s of refusals. */
const DEFAULT_BACKOFF_MS = 200;
/** The longest wait between two tries, ms. */
const DEFAULT_BACKOFF_MAX_MS = 5_000;
/** How long a try may go without a byte, ms. Lower, slow answers are taken for lost; higher, lost ones cost time. */
const DEFAULT_STALL_MS = 15_000;
/** Requests at once, each with a connection. More fill a fast network; S3 slows down who asks too much. */
const DEFAULT_REQUESTS_MAX = 16;
/** Bytes of one ranged read; larger ranges are read in such parts side by side. */
const DEFAULT_PART_BYTES = 8 * 1024 * 1024;

/** Bounds of what is asked of S3. */
export interface S3Limits {
  /** See DEFAULT_ATTEMPTS. */
  readonly attempts?: number;
  /** See DEFAULT_BACKOFF_MS. */
  readonly backoffMs?: number;
  /** See DEFAULT_BACKOFF_MAX_MS. */
  readonly backoffMaxMs?: number;
  /** See DEFAULT_STALL_MS. */
  readonly stallMs?: number;
  /** See DEFAULT_REQUESTS_MAX. */
  readonly requestsMax?: number;
  /** See DEFAULT_PART_BYTES. */
  readonly partBytes?: number;
  /** Uniform in [0, 1), for the jitter. */
  readonly random?: () => number;
}

/** Limits, each given or its default. */
export function s3Limits(given: S3Limits = {}): Required<S3Limits> {
  return {
    attempts: DEFAULT_ATTEMPTS,
    backoffMs: DEFAULT_BACKOFF_MS,
    backoffMaxMs: DEFAULT_BACKOFF_MAX_MS,
    stallMs: DEFAULT_STALL_MS,
    requestsMax: DEFAULT_REQUESTS_MAX,
    partBytes: DEFAULT_PART_BYTES,
    random: () => randomInt(2 ** 31) / 2 ** 31,
    ...given,
  };
}

/** One try of a request. */
export interface Attempt {
  /** Aborts when nothing has come for `stallMs`, and when everything is ended. */
  readonly signal: AbortSignal;
  /** Says that something has come. */
  progress(): void;
}

/** A try in which nothing came for too long. */
export class StallError extends Error {
  override readonly name = "StallError";
}

/** Whether a failed request may be tried again, after so many tries. */
export type MayRetry = (cause: unknown, tried: number) => boolean;

/** Runs requests within their limits until ended. */
export class S3Attempts {
  readonly #limits: Required<S3Limits>;
  readonly #ending = new AbortController();
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(limits: Required<S3Limits>) {
    this.#limits = limits;
  }

  /**
   * Tries until it succeeds, fails for good or has been tried often enough; rejects with the last try's failure, or
   * with what everything was ended for.
   */
  async run<T>(tryOnce: (attempt: Attempt) => Promise<T>, mayRetry: MayRetry): Promise<T> {
    const { attempts, backoffMs, backoffMaxMs, random } = this.#limits;
    const { signal } = this.#ending;
    for (let tried = 1; ; tried++) {
      try {
        return await this.#inTurn(tryOnce);
      } catch (cause) {
        if (signal.aborted) throw signal.reason;
        if (tried >= attempts || !mayRetry(cause, tried)) throw cause;
      }
      const longestMs = Math.min(backoffMaxMs, backoffMs * 2 ** (tried - 1));
      await pause(longestMs * (0.5 + random() / 2), undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }

  /** Ends at once, for this reason, what is under way and what will be asked for: requests, turns and waits. */
  end(reason: unknown): void {
    this.#ending.abort(reason);
  }

  /** Waiting for others takes nothing from a try's own time. */
  async #inTurn<T>(tryOnce: (attempt: Attempt) => Promise<T>): Promise<T> {
    if (this.#running >= this.#limits.requestsMax) await new Promise<void>((next) => this.#waiting.push(next));
    else this.#running++;
    try {
      return await this.#watched(tryOnce);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }

  async #watched<T>(tryOnce: (attempt: Attempt) => Promise<T>): Promise<T> {
    const { stallMs } = this.#limits;
    const { controller: abandoned, release } = linkAbort(this.#ending.signal);
    const { signal } = abandoned;
    const timer = setTimeout(() => abandoned.abort(new StallError(`nothing came for ${stallMs} ms`)), stallMs);
    try {
      signal.throwIfAborted();
      // Not all that the client waits for heeds a signal: credentials do not.
      const aborted = new Promise<never>((_, fail) => {
        signal.addEventListener("abort", () => fail(signal.reason), { once: true });
      });
      return await Promise.race([tryOnce({ signal, progress: () => timer.refresh() }), aborted]);
    } catch (cause) {
      // Whatever the abort looks like from below.
      throw signal.aborted ? signal.reason : cause;
    } finally {
      clearTimeout(timer);
      release();
    }
  }
}
