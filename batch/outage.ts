/**
 * Riding out a store that is away for a moment: a restart, a failover, a network that hiccups. What is under way waits
 * and is done again, which newest-wins makes harmless; past a bound the run fails, its checkpoint unmoved.
 */

import { setTimeout as pause } from "node:timers/promises";
import { hasCode } from "../errors.ts";
import type { Wait } from "./row-rate.ts";

const FIRST_PAUSE_MS = 100;
const MOST_PAUSE_MS = 2_000;

/** How an outage is ridden out. */
export interface OutageBounds {
  /** The most that is waited in all between attempts, ms; 0 fails at the first. */
  readonly outageMs: number;
  readonly wait: Wait;
  readonly signal: AbortSignal | undefined;
}

/** Does the work until it is done, something else than STORE_UNREACHABLE is thrown, or the bound is reached. */
export async function throughOutage<T>(work: () => Promise<T>, { outageMs, wait, signal }: OutageBounds): Promise<T> {
  for (let waitedMs = 0, pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, MOST_PAUSE_MS)) {
    signal?.throwIfAborted();
    try {
      return await work();
    } catch (cause) {
      const isAway = hasCode(cause, "STORE_UNREACHABLE");
      if (!isAway || waitedMs + pauseMs > outageMs) throw cause;
    }
    await wait(pauseMs, signal);
    waitedMs += pauseMs;
  }
}

/** Waits on the platform's timer. */
export const waitOnTimer: Wait = async (waitMs, signal) => {
  await pause(waitMs, undefined, signal === undefined ? {} : { signal }).catch(() => {});
  signal?.throwIfAborted();
};
