/**
 * Numbers as the page of a parity run writes them: whole counts with separators, shares that never round to nothing or
 * to all, ages in the unit that fits, the ends of an axis with as many digits as tell them apart, times to the digit
 * that they were given with.
 */

import type { JsonValue } from "../../features/json-value.ts";
import { writeJson } from "../../features/json-value.ts";
import { percentNumber } from "./percent-text.ts";

/** What is written where there is no number. */
export const NONE = "–";

const WHOLE = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const SHORT = new Intl.NumberFormat("en-US", { notation: "compact", maximumSignificantDigits: 3 });
/** From here on an axis writes "12.3M"; tables never do. */
const SHORT_FROM = 10_000_000;
/** More digits than these a double does not have. */
const DOUBLE_DIGITS = 17;

/** A whole number with separators. */
export function wholeNumber(value: number): string {
  return Number.isFinite(value) ? WHOLE.format(value) : NONE;
}

/** A whole number for an axis. */
export function axisCount(value: number): string {
  return value < SHORT_FROM ? wholeNumber(value) : SHORT.format(value);
}

/** A share in 0..1 as percent. Two digits at least, and as many as it takes to differ from 0 and from 100. */
export function percent(share: number): string {
  return Number.isFinite(share) ? `${percentNumber(share)}\u00a0%` : NONE;
}

/** `part` of `whole` as percent; a dash where there is no whole. */
export function percentOf(part: number, whole: number): string {
  return whole === 0 ? NONE : percent(part / whole);
}

const AGE_UNITS = [
  { unit: "d", seconds: 86_400, from: 2 * 86_400 },
  { unit: "h", seconds: 3_600, from: 2 * 3_600 },
  { unit: "min", seconds: 60, from: 120 },
  { unit: "s", seconds: 1, from: 1 },
] as const;

/** A length of time in the unit that fits, to a tenth; below zero for what is dated ahead. */
export function age(seconds: number): string {
  if (!Number.isFinite(seconds)) return NONE;
  if (seconds === 0) return "0\u00a0s";
  const size = Math.abs(seconds);
  const found = AGE_UNITS.find(({ from }) => size >= from);
  const value = found === undefined ? size * 1_000 : size / found.seconds;
  const text = value.toLocaleString("en-US", { maximumFractionDigits: value < 10 ? 1 : 0 });
  return `${seconds < 0 ? "−" : ""}${text}\u00a0${found?.unit ?? "ms"}`;
}

/** A number of an axis from `low` to `high`, with four digits more than it takes to tell these apart. */
export function axisNumber(value: number, low: number, high: number): string {
  if (!Number.isFinite(value)) return String(value);
  const span = high / 2 - low / 2;
  if (value === 0 || Math.abs(value) < span * 1e-9) return "0";
  const extent = Math.max(Math.abs(low), Math.abs(high)) / 2;
  const digits = span > 0 ? Math.ceil(Math.log10(extent / span)) + 4 : 6;
  const shown = Math.min(Math.max(digits, 3), DOUBLE_DIGITS);
  const size = Math.abs(value);
  if (size >= SHORT_FROM || size < 1e-4) {
    return value
      .toExponential(shown - 1)
      .replace(/\.?0+e/, "e")
      .replace("e+", "e")
      .replace("-", "−");
  }
  return value.toLocaleString("en-US", { maximumSignificantDigits: shown }).replace("-", "−");
}

/** An RFC 3339 text for people: to the digit it was given with; what is none as it is. */
export function instant(text: string): string {
  const [, date, time, zone] = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d(?:\.\d+)?)(Z|[+-]\d\d:\d\d)$/.exec(text) ?? [];
  if (date === undefined) return text;
  return `${date} ${time!.replace(/\.0+$/, "")}${zone === "Z" ? "\u00a0UTC" : zone}`;
}

/** The most characters of a value that a cell shows; parity.json has all of it. */
const VALUE_CHARACTERS = 160;

/** A JSON value in one line, cut where it is long. */
export function jsonLine(value: JsonValue): string {
  const text = writeJson(value);
  return text.length <= VALUE_CHARACTERS ? text : `${text.slice(0, VALUE_CHARACTERS)}…`;
}
