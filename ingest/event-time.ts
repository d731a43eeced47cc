/**
 * When an event happened, as events write it: RFC 3339 text, a whole number of the source's unit, a Date of a map's, or
 * a time that the event's schema declares. What has no zone is read on the wall clock of the source's.
 */

import { compileLocalToUtc, type LocalToUtc } from "../features/local-time.ts";
import { shown } from "../features/shown.ts";
import type { KafkaSource, TimestampUnit } from "../features/source.ts";
import { parseTimestampValueUs } from "../features/timestamp.ts";
import { EventTime, toMicroseconds } from "./logical-type.ts";

/** Turns a value into µs since the epoch, exactly; undefined when it is no time. */
export type ReadTime = (value: unknown) => number | bigint | undefined;

const UNIT_NAMES: Readonly<Record<TimestampUnit, string>> = {
  s: "seconds",
  ms: "milliseconds",
  us: "microseconds",
  ns: "nanoseconds",
};

const WITH_ZONE = /[Zz]$|[+-]\d\d:\d\d$/;

/** Compiles the reading of a source's times. */
export function compileReadTime({ timezone, timestampUnit }: KafkaSource): ReadTime {
  const toUtc = compileLocalToUtc(timezone);
  // Beyond 2^53 µs (the year 2255) the zone's offset is anybody's guess.
  const shifted = (localUs: number | bigint | undefined) => (typeof localUs === "number" ? toUtc(localUs) : localUs);
  return (value) => {
    if (typeof value === "string") {
      const quick = parseQuickly(value, toUtc);
      if (quick !== undefined) return quick;
      const us = parseTimestampValueUs(value);
      return us === undefined || WITH_ZONE.test(value) ? us : shifted(us);
    }
    if (value instanceof EventTime) return value.isLocal ? shifted(value.us) : value.us;
    if (value instanceof Date) return toMicroseconds(value.getTime(), "ms");
    return toMicroseconds(value, timestampUnit);
  };
}

/**
 * What nearly every text is, "2026-11-22T10:11:12" with or without fraction and zone, in a tenth of the time that the
 * general parser takes; undefined for all others, which are that one's.
 */
function parseQuickly(text: string, toUtc: LocalToUtc): number | undefined {
  const year = twoDigits(text, 0) * 100 + twoDigits(text, 2);
  const month = twoDigits(text, 5);
  const day = twoDigits(text, 8);
  const [hour, minute, second] = [twoDigits(text, 11), twoDigits(text, 14), twoDigits(text, 17)];
  const isTime = hour < 24 && minute < 60 && second < 60 && hasSeparators(text);
  if (!(isTime && year >= 1970 && year < 2200 && month >= 1 && month <= 12 && day >= 1)) return undefined;
  if (day > daysOf(year, month)) return undefined;
  let us = ((daysSince1970(year, month, day) * 24 + hour) * 60 + minute) * 60 * 1_000_000 + second * 1_000_000;
  let end = 19;
  if (text[end] === ".") {
    let unit = 100_000;
    for (end++; end < 29 && isDigit(text.charCodeAt(end)); end++, unit /= 10) {
      if (unit >= 1) us += unit * (text.charCodeAt(end) - ZERO);
    }
    if (end === 20) return undefined;
  }
  if (end === text.length) return toUtc(us);
  return text[end] === "Z" && end + 1 === text.length ? us : undefined;
}

const ZERO = 48;
const isDigit = (code: number) => code >= ZERO && code < ZERO + 10;

/** NaN where there are none, which no comparison lets through. */
function twoDigits(text: string, at: number): number {
  const [tens, ones] = [text.charCodeAt(at), text.charCodeAt(at + 1)];
  return isDigit(tens) && isDigit(ones) ? (tens - ZERO) * 10 + ones - ZERO : Number.NaN;
}

function hasSeparators(text: string): boolean {
  const isDate = text[4] === "-" && text[7] === "-" && (text[10] === "T" || text[10] === " ");
  return isDate && text[13] === ":" && text[16] === ":";
}

const MONTH_DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
const DAYS_BEFORE_MONTH = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];

const isLeap = (year: number) => (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;

function daysOf(year: number, month: number): number {
  return month === 2 && isLeap(year) ? 29 : MONTH_DAYS[month - 1]!;
}

/** Every fourth year since 1968 has a day more, but 2100 has not. */
function daysSince1970(year: number, month: number, day: number): number {
  const inYear = DAYS_BEFORE_MONTH[month - 1]! + day - 1 + (month > 2 && isLeap(year) ? 1 : 0);
  const leapDays = Math.floor((year - 1_969) / 4) - (year > 2_100 ? 1 : 0);
  return (year - 1_970) * 365 + leapDays + inYear;
}

/** Why a value is no time: a sentence for the dead letter. */
export function refusedTime(name: string, value: unknown, { timestampUnit }: KafkaSource): string {
  if (value === undefined) return `the timestamp "${name}" is missing`;
  return `"${name}" is ${shown(value)}; a timestamp is RFC 3339 text or whole ${UNIT_NAMES[timestampUnit]} since the epoch`;
}
