/**
 * One open-loop run: requests are sent when they are due, whatever has become of those before, and a latency counts
 * from the moment a request was due and not from the moment it was sent. A server that stops for a second so shows a
 * second of slow answers, where a closed loop shows a single one (the "coordinated omission" of
 * https://github.com/giltene/wrk2). The requests under way are bounded: one that is due while all places are taken is
 * missed, and counts as slower than every answer. The invariant: each request ends once, as a latency or as missed.
 */

import { percentile } from "./statistics.ts";

/** What a run needs. Times are ms of one clock. */
export interface OpenLoopOptions {
  /** Due times after the start, ascending. */
  readonly dueMs: Float64Array;
  /** Requests under way at most. */
  readonly maxInFlight: number;
  /** An answer later than this after its request was due is of no use to who asked; any is in time when it is left out. */
  readonly inTimeMs?: number;
  /** Requests due before this, after the start, are sent and not counted. */
  readonly warmUpMs: number;
  readonly now: () => number;
  /** Sends a request; `end` is called once, with false for an answer that is a failure. */
  readonly send: (end: (isGood: boolean) => void) => void;
}

/** What came of a run. Latencies are ms from the due time; Infinity where so many were missed or refused. */
export interface OpenLoopFigures {
  /** Due after the warm-up. */
  readonly requests: number;
  /** Of those, never sent: every place was taken. */
  readonly missed: number;
  /** Of those, sent and answered by another status than 200, or not at all. */
  readonly refused: number;
  /** Of those, well answered, but not in time. */
  readonly late: number;
  /** Good answers in time a second, from the first due time to the last answer. */
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
  /** 99th percentile of the good answers alone, the late ones included; NaN where there were none. */
  readonly goodP99Ms: number;
  /** When the last one was due that was missed, refused or late, ms after the start; −1 where none was. */
  readonly lastFailedMs: number;
  /** How late the generator itself sent, 99th percentile: a latency near it says more of the generator. */
  readonly sendLagP99Ms: number;
}

/** A run under way. */
export interface OpenLoopRun {
  /** Sends all that is due. Answers how long until the next is, ms; undefined when all have been due. */
  pump(): number | undefined;
  /** Requests under way. */
  inFlight(): number;
  /** What has come of it; those still under way count as refused. */
  figures(): OpenLoopFigures;
}

/** Starts the clock of a run. */
export function startOpenLoop(options: OpenLoopOptions): OpenLoopRun {
  const { dueMs, inTimeMs = Number.MAX_VALUE, maxInFlight, warmUpMs, now, send } = options;
  const startMs = now();
  const latenciesMs = new Float64Array(dueMs.length).fill(Number.POSITIVE_INFINITY);
  const lagsMs = new Float64Array(dueMs.length);
  let next = 0;
  let inFlight = 0;
  let missed = 0;
  let lastMs = startMs;
  const sendOne = (i: number) => {
    inFlight++;
    send((isGood) => {
      inFlight--;
      lastMs = now();
      if (isGood) latenciesMs[i] = lastMs - startMs - dueMs[i]!;
    });
  };
  const first = dueMs.findIndex((due) => due >= warmUpMs);
  return Object.freeze({
    pump() {
      const sinceMs = now() - startMs;
      for (; next < dueMs.length && dueMs[next]! <= sinceMs; next++) {
        lagsMs[next] = sinceMs - dueMs[next]!;
        if (inFlight < maxInFlight) sendOne(next);
        else if (next >= first) missed++;
      }
      return next === dueMs.length ? undefined : dueMs[next]! - sinceMs;
    },
    inFlight: () => inFlight,
    figures() {
      const sorted = latenciesMs.slice(first).sort();
      const answered = sorted.indexOf(Number.POSITIVE_INFINITY);
      const good = answered === -1 ? sorted.length : answered;
      const firstLate = sorted.findIndex((latencyMs) => latencyMs > inTimeMs);
      const inTime = firstLate === -1 ? sorted.length : firstLate;
      return {
        requests: sorted.length,
        missed,
        refused: sorted.length - good - missed,
        late: good - inTime,
        requestsPerSecond: inTime / ((lastMs - startMs - dueMs[first]!) / 1_000),
        p50Ms: percentile(sorted, 0.5),
        p99Ms: percentile(sorted, 0.99),
        p999Ms: percentile(sorted, 0.999),
        maxMs: sorted.at(-1)!,
        goodP99Ms: good === 0 ? Number.NaN : percentile(sorted.subarray(0, good), 0.99),
        lastFailedMs: dueMs[latenciesMs.findLastIndex((latencyMs) => latencyMs > inTimeMs)] ?? -1,
        sendLagP99Ms: percentile(lagsMs.slice(first).sort(), 0.99),
      };
    },
  });
}
