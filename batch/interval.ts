/**
 * The stretch of event time that a materialization covers, as people write it: `headgate materialize <start> <end>`
 * and `materialize-incremental <end>`. Start is part of it, end is not, so that adjoining ones neither overlap nor miss.
 */

import { HeadgateError } from "../errors.ts";
import { formatTimestampUs, isEventTimestampUs, parseTimestampUs } from "../features/timestamp.ts";

/** Event timestamps in [startUs, endUs). */
export interface Interval {
  readonly startUs: number;
  readonly endUs: number;
}

/** Parses "now", RFC 3339 or a date (midnight UTC) to µs; `what` names the argument. Throws INTERVAL_INVALID. */
export function parseInstantUs(text: string, what: string, nowMs: number): number {
  const instantUs = text.trim().toLowerCase() === "now" ? Math.floor(nowMs * 1_000) : parseTimestampUs(text.trim());
  if (isEventTimestampUs(instantUs)) return instantUs;
  throw new HeadgateError(
    "INTERVAL_INVALID",
    `The ${what} ${JSON.stringify(text)} is not a time between 1900 and 2150; write 2026-11-22, 2026-11-22T02:00:00Z or now.`,
  );
}

/** Parses a start and an end. Throws INTERVAL_INVALID, also when the start is not before the end. */
export function parseInterval(start: string, end: string, nowMs: number): Interval {
  const startUs = parseInstantUs(start, "start", nowMs);
  const endUs = parseInstantUs(end, "end", nowMs);
  if (startUs < endUs) return { startUs, endUs };
  throw new HeadgateError(
    "INTERVAL_INVALID",
    `The start ${formatTimestampUs(startUs)} is not before the end ${formatTimestampUs(endUs)}; give the earlier time first.`,
  );
}

/**
 * Refuses an end that is ahead of the clock by more than events may be: a checkpoint there would say of rows that are
 * still to come that they are loaded. Throws INTERVAL_INVALID.
 */
export function checkEnd(endUs: number, nowMs: number, maxFutureMs: number): void {
  if (endUs <= (nowMs + maxFutureMs) * 1_000) return;
  throw new HeadgateError(
    "INTERVAL_INVALID",
    `The end ${formatTimestampUs(endUs)} is in the future: by this clock it is ${formatTimestampUs(Math.floor(nowMs) * 1_000)}, and more than maxFuture (${maxFutureMs / 1_000} s) ahead nothing can be loaded yet. Give an earlier end, or now.`,
  );
}
