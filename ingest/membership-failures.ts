/**
 * How a consumer goes on when memberships fail one after another: with growing pauses while Kafka is away, for ever, and
 * not at all where Kafka refuses again and again.
 */

import type { HeadgateError } from "../errors.ts";

/** The first back-off after a failure, ms. */
export const BACKOFF_MS = 250;
/** The longest back-off, ms: how long at most it takes to notice that Kafka is back. */
const BACKOFF_MAX_MS = 5_000;
/** A membership that lasted for so long was a success, ms: what failed before it is over. */
const STEADY_MS = 30_000;
/** Refusals in a row after which it ends: a broker that is just starting may not know its logins yet. */
const DENIALS_MAX = 3;

/** The back-off after this one, ms. */
export function nextBackoffMs(backoffMs: number): number {
  return Math.min(2 * backoffMs, BACKOFF_MAX_MS);
}

/** The failures since the last membership that lasted. */
export class MembershipFailures {
  #backoffMs = BACKOFF_MS;
  #denials = 0;

  /** Counts a failure of a membership that had lasted so long, 0 when none came about; returns how long to wait. Throws the problem when it is to end. */
  backoffMs(problem: HeadgateError, lastedMs: number): number {
    if (lastedMs >= STEADY_MS) [this.#backoffMs, this.#denials] = [BACKOFF_MS, 0];
    this.#denials = problem.code === "STREAM_UNREACHABLE" ? 0 : this.#denials + 1;
    if (this.#denials >= DENIALS_MAX) throw problem;
    const backoffMs = this.#backoffMs;
    this.#backoffMs = nextBackoffMs(backoffMs);
    return backoffMs;
  }
}
