/**
 * Timestamps are int64 microseconds since the epoch inside, RFC 3339 in UTC outside. A text without a zone is UTC;
 * digits past the microsecond are cut off, not rounded, so that nothing is ever dated later than it happened.
 */

/** The earliest event timestamp that is taken, µs: 1900-01-01. Anything before is a wrong unit or a wrong column. */
export const EARLIEST_EVENT_US = Date.UTC(1900, 0, 1) * 1_000;
/** The first event timestamp that is too late, µs: 2150-01-01. */
export const LATEST_EVENT_US = Date.UTC(2150, 0, 1) * 1_000;

/** True for a whole number of µs that can be an event's timestamp. */
export function isEventTimestampUs(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= EARLIEST_EVENT_US && (value as number) < LATEST_EVENT_US;
}

/** Parses RFC 3339, a date alone, or a date and time without zone (UTC). Undefined when it is none of these. */
export function parseTimestampUs(text: string): number | undefined {
  const match = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9}))?(Z|z|[+-]\d\d:\d\d)?)?$/.exec(text);
  if (match === null) return undefined;
  const [, date, time = "00:00:00", fraction = "", zone = "Z"] = match;
  const ms = Date.parse(`${date}T${time.length === 5 ? `${time}:00` : time}${zone.toUpperCase()}`);
  if (Number.isNaN(ms) || !isCalendarDay(date!)) return undefined;
  return ms * 1_000 + Number(fraction.padEnd(6, "0").slice(0, 6));
}

/** RFC 3339 in UTC: milliseconds, or microseconds where there are any. */
export function formatTimestampUs(timestampUs: number): string {
  const ms = Math.floor(timestampUs / 1_000);
  const us = timestampUs - ms * 1_000;
  const text = new Date(ms).toISOString();
  return us === 0 ? text : `${text.slice(0, -1)}${String(us).padStart(3, "0")}Z`;
}

/** Date.parse takes February 30th for March 2nd. */
function isCalendarDay(date: string): boolean {
  const midnight = new Date(`${date}T00:00:00Z`);
  return !Number.isNaN(midnight.getTime()) && midnight.toISOString().startsWith(date);
}
