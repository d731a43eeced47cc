/**
 * When the requests of an open loop are due: a schedule made before the clock starts, so that no answer can move it. A
 * constant rate is the calmest traffic there is; Poisson arrivals are what many users who know nothing of one another
 * send, with the bursts that come of it.
 */

import { seededRandom } from "./statistics.ts";

/** Evenly spaced, or by a Poisson process of the same mean. */
export type Arrivals = "constant" | "poisson";

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
