/**
 * Values as Feast's feature server writes and takes them in JSON: a whole float is 1.0 (its client takes 1 for an int64),
 * a timestamp is whole seconds since the epoch, bytes are base64, NaN and the infinities are texts; an event time has
 * no fraction, or 3 or 6 digits of one. Found by running Feast 0.67.
 */

import { type Accept, canonicalInteger, type FeatureValue, type FieldType, REFUSED } from "../../features/field.ts";
import { compileFromJson } from "../../features/json-value.ts";

/** Writes a value of one type as JSON. */
export type FeastText = (value: FeatureValue) => string;

/** Compiles the writing of a type. */
export function compileFeastText({ kind, list }: FieldType): FeastText {
  const textOf = TEXTS[kind] as (value: FeatureValue) => string;
  const scalar: FeastText = (value) => (value === null ? "null" : textOf(value));
  if (!list) return scalar;
  return (value) => (value === null ? "null" : `[${(value as readonly FeatureValue[]).map(scalar).join(",")}]`);
}

const TEXTS: Readonly<Record<FieldType["kind"], (value: never) => string>> = {
  int32: String,
  int64: String,
  bool: String,
  float32: floatText,
  float64: floatText,
  string: (value: string) => JSON.stringify(value),
  bytes: (value: Uint8Array) => `"${Buffer.from(value).toString("base64")}"`,
  timestamp: (value: number | bigint) => String(wholeSeconds(value)),
};

/** From here on a double's own text has an exponent, which says that it is a float. */
const EXPONENT_FROM = 1e21;

function floatText(value: number): string {
  if (!Number.isInteger(value)) return Number.isFinite(value) ? String(value) : `"${value}"`;
  if (Math.abs(value) >= EXPONENT_FROM) return String(value);
  return Object.is(value, -0) ? "-0.0" : `${value}.0`;
}

/** The second that an instant of µs is in. */
function wholeSeconds(timestampUs: number | bigint): number | bigint {
  if (typeof timestampUs === "number") return Math.floor(timestampUs / 1_000_000);
  const beyond = ((timestampUs % 1_000_000n) + 1_000_000n) % 1_000_000n;
  return (timestampUs - beyond) / 1_000_000n;
}

/** The event time of what has none: join keys, what was computed, what is not there. */
export const EPOCH_TEXT = '"1970-01-01T00:00:00Z"';

/** Quotes event times, in µs. Rows of one load share theirs, so the last one's text is kept. */
export function compileEventTimeText(): (timestampUs: number) => string {
  let lastUs: number | undefined;
  let text = "";
  return (timestampUs) => {
    if (timestampUs === lastUs) return text;
    lastUs = timestampUs;
    text = `"${eventTimeText(timestampUs)}"`;
    return text;
  };
}

const SECONDS_CHARACTERS = "1970-01-01T00:00:00".length;

function eventTimeText(timestampUs: number): string {
  const ms = Math.floor(timestampUs / 1_000);
  const us = timestampUs - ms * 1_000;
  const text = new Date(ms).toISOString();
  if (us !== 0) return `${text.slice(0, -1)}${String(us).padStart(3, "0")}Z`;
  return ms % 1_000 === 0 ? `${text.slice(0, SECONDS_CHARACTERS)}Z` : text;
}

/** The int64 that numpy, and so Feast, writes where a timestamp is missing. */
const NOT_A_TIME = -(2n ** 63n);

/** Compiles the taking of a feature's value: as anywhere in Headgate, but for timestamps, whose whole numbers are seconds. */
export function compileFeastTake(type: FieldType): Accept {
  const take = compileFromJson(type);
  const json = compileFeastJson(type);
  return (value) => take(json(value));
}

/**
 * Compiles the taking of a join key, which Feast turns into its declared type: "1001" is 1001 for an integer, 1001 is
 * "1001" for a text. What is not exact is refused where Feast rounds: 1.7 is no integer.
 */
export function compileFeastTakeKey(type: FieldType): Accept {
  const take = compileFromJson(type);
  const json = compileFeastKeyJson(type);
  return (value) => take(json(value));
}

/** A value of Feast's JSON as that of POST /features/{view}/rows. What is alike, right or wrong, is handed on as it is. */
export type FeastJson = (value: unknown) => unknown;

/** Compiles it for a feature: whole numbers of a timestamp are seconds there. REFUSED for a number that can't be seconds. */
export function compileFeastJson({ kind, list }: FieldType): FeastJson {
  if (kind !== "timestamp") return alike;
  if (!list) return ofSeconds;
  return (value) => {
    if (!Array.isArray(value)) return value;
    const all = value.map(ofSeconds);
    return all.includes(REFUSED) ? REFUSED : all;
  };
}

/** Compiles it for a join key; see compileFeastTakeKey. */
export function compileFeastKeyJson(type: FieldType): FeastJson {
  if (type.kind === "string") return (value) => (isInteger(value) ? String(value) : value);
  if (type.kind !== "int32" && type.kind !== "int64") return compileFeastJson(type);
  return (value) => (typeof value === "string" && INTEGER.test(value) ? canonicalInteger(BigInt(value)) : value);
}

const alike: FeastJson = (value) => value;

/** The most seconds either side of the epoch whose microseconds an int64 holds. */
const SECONDS_MAX = (2n ** 63n - 1n) / 1_000_000n;

function ofSeconds(value: unknown): unknown {
  if (value === NOT_A_TIME) return null;
  if (!isInteger(value)) return typeof value === "number" ? REFUSED : value;
  const seconds = BigInt(value);
  return seconds > SECONDS_MAX || seconds < -SECONDS_MAX ? REFUSED : canonicalInteger(seconds * 1_000_000n);
}

/** As long as the longest int64; BigInt takes a time that is the square of a text's length. */
const INTEGER = /^-?\d{1,19}$/;

const isInteger = (value: unknown): value is number | bigint =>
  typeof value === "bigint" || Number.isSafeInteger(value);
