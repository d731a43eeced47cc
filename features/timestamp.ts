/**
 * Timestamps are int64 microseconds since the epoch inside, RFC 3339 in UTC outside. A text without a zone is UTC;
 * digits past the microsecond are cut off, not rounded, so that nothing is ever dated later than it happened.
 */

import { canonicalInteger } from "./field.ts";

/** The earliest event timestamp that is taken, µs: 1900-01-01. Anything before is a wrong unit or a wrong column. */
export const EARLIEST_EVENT_US = Date.UTC(1900, 0, 1) * 1_000;
/** The first event timestamp that is too late, µs: 2150-01-01. */
export const LATEST_EVENT_US = Date.UTC(2150, 0, 1) * 1_000;

const EARLIEST_TEXT_US = BigInt(Date.parse("0000-01-01T00:00:00Z")) * 1_000n;
const END_TEXT_US = BigInt(Date.UTC(10_000, 0, 1)) * 1_000n;

/** True for a whole number of µs that can be an event's timestamp. */
export function isEventTimestampUs(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= EARLIEST_EVENT_US && (value as number) < LATEST_EVENT_US;
}

/**
 * Parses RFC 3339, a date alone, or a date and time without zone (UTC), as µs. Undefined when it is none of these.
 * Exact for whatever can be an event's timestamp; a value can lie beyond, see parseTimestampValueUs.
 */
export function parseTimestampUs(text: string): number | undefined {
  const parsed = parse(text);
  return parsed === undefined ? undefined : parsed.ms * 1_000 + parsed.us;
}

/** The same for a timestamp that is a value: exact for every year, as a bigint where a number is not (9999-12-31). */
export function parseTimestampValueUs(text: string): number | bigint | undefined {
  const parsed = parse(text);
  return parsed === undefined ? undefined : canonicalInteger(BigInt(parsed.ms) * 1_000n + BigInt(parsed.us));
}

function parse(text: string): { readonly ms: number; readonly us: number } | undefined {
  const match = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9}))?(Z|z|[+-]\d\d:\d\d)?)?$/.exec(text);
  if (match === null) return undefined;
  const [, date, time = "00:00:00", fraction = "", zone = "Z"] = match;
  const ms = Date.parse(`${date}T${time.length === 5 ? `${time}:00` : time}${zone.toUpperCase()}`);
  if (Number.isNaN(ms) || !isCalendarDay(date!)) return undefined;
  return { ms, us: Number(fraction.padEnd(6, "0").slice(0, 6)) };
}

/** RFC 3339 in UTC: milliseconds, or microseconds where there are any. */
export function formatTimestampUs(timestampUs: number): string {
  const ms = Math.floor(timestampUs / 1_000);
  return formatInstant(ms, timestampUs - ms * 1_000);
}

function formatInstant(ms: number, us: number): string {
  const text = new Date(ms).toISOString();
  return us === 0 ? text : `${text.slice(0, -1)}${String(us).padStart(3, "0")}Z`;
}

/** A value as RFC 3339 in UTC, or as the integer it is where no four-digit year holds it. */
export function formatTimestampValueUs(timestampUs: number | bigint): string | number | bigint {
  if (timestampUs < EARLIEST_TEXT_US || timestampUs >= END_TEXT_US) return timestampUs;
  if (typeof timestampUs === "number") return formatTimestampUs(timestampUs);
  const us = ((timestampUs % 1_000n) + 1_000n) % 1_000n;
  return formatInstant(Number((timestampUs - us) / 1_000n), Number(us));
}

/** Date.parse takes February 30th for March 2nd. */
function isCalendarDay(date: string): boolean {
  const midnight = new Date(`${date}T00:00:00Z`);
  return !Number.isNaN(midnight.getTime()) && midnight.toISOString().startsWith(date);
}
