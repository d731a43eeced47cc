/**
 * When the requests of an open loop are due: a schedule made before the clock starts, so that no answer can move it. A
 * constant rate is the calmest traffic there is; Poisson arrivals are what many users who know nothing of one another
 * send, with the bursts that come of it.
 */

import { seededRandom } from "./statistics.ts";

/** Evenly spaced, or by a Poisson process of the same mean. */
export type Arrivals = "constant" | "poisson";

/** A rate that lasts for so long. */
export interface RateStep {
  readonly perSecond: number;
  readonly seconds: number;
}

/** The due times of one rate after the other, as those of a single one. */
export function steppedTimesMs(arrivals: Arrivals, steps: readonly RateStep[], seed: number): Float64Array {
  let startMs = 0;
  const parts = steps.map(({ perSecond, seconds }, i) => {
    const from = startMs;
    startMs += seconds * 1_000;
    // Poisson arrivals may go beyond the end of their step by a little.
    return dueTimesMs(arrivals, perSecond, seconds, seed + i).map((dueMs) => Math.min(from + dueMs, startMs));
  });
  return Float64Array.from(parts.flatMap((part) => [...part]));
}

/** The due times of `perSecond × seconds` requests, ms after the start, ascending; the seed matters to Poisson only. */
export function dueTimesMs(arrivals: Arrivals, perSecond: number, seconds: number, seed: number): Float64Array {
  const gapMs = 1_000 / perSecond;
  const dueMs = new Float64Array(Math.round(perSecond * seconds));
  if (arrivals === "constant") return dueMs.map((_, i) => i * gapMs);
  const random = seededRandom(seed);
  let atMs = 0;
  for (let i = 0; i < dueMs.length; i++) {
    dueMs[i] = atMs;
    // Inverse of the exponential distribution; 1 − random is never 0.
    atMs -= gapMs * Math.log(1 - random());
  }
  return dueMs;
}
