/**
 * Feature values as JSON and back, exactly: integers are numbers whatever their size (the parser hands those past
 * 2^53 over as bigints), non-finite floats are the texts "NaN", "Infinity" and "-Infinity", bytes are base64,
 * timestamps are RFC 3339 in UTC. A text that only looks like a number is refused.
 */

import { parseBase64 } from "./base64.ts";
import { type Accept, compileAccept, type FeatureValue, type FieldType, REFUSED } from "./field.ts";
import { RoundedNumber } from "./rounded-number.ts";
import { formatTimestampValueUs, parseTimestampValueUs } from "./timestamp.ts";

/** A value that writeJson can write: JSON's own kinds, and bigint for integers past 2^53. */
export type JsonValue =
  | null
  | number
  | bigint
  | string
  | boolean
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

/** True for an object with members, as JSON has them: neither null nor a list. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const NON_FINITE: ReadonlyMap<unknown, number> = new Map([
  ["NaN", Number.NaN],
  ["Infinity", Number.POSITIVE_INFINITY],
  ["-Infinity", Number.NEGATIVE_INFINITY],
]);

/** Compiles the taking of a parsed JSON value as a type; REFUSED when it is not of it. */
export function compileFromJson(type: FieldType): Accept {
  const accept = compileAccept(type);
  const fromJson = FROM_JSON[type.kind];
  if (fromJson === undefined) return accept;
  return (value) => accept(type.list && Array.isArray(value) ? value.map(fromJson) : fromJson(value));
}

/** A number that is not finite was past every double: infinity is written as a text. */
function fromJsonFloat(value: unknown): unknown {
  if (typeof value === "number") return Number.isFinite(value) ? value : REFUSED;
  return typeof value === "bigint" || value instanceof RoundedNumber ? Number(value) : (NON_FINITE.get(value) ?? value);
}

const FROM_JSON: Partial<Record<FieldType["kind"], (value: unknown) => unknown>> = {
  float32: fromJsonFloat,
  float64: fromJsonFloat,
  bytes: (value) => (typeof value === "string" ? (parseBase64(value) ?? REFUSED) : value),
  timestamp: (value) => (typeof value === "string" ? (parseTimestampValueUs(value) ?? REFUSED) : value),
};

/** A value of a type as JSON. */
export function toJson(type: FieldType, value: FeatureValue): JsonValue {
  if (value === null) return null;
  if (Array.isArray(value)) return value.map((one) => toJson(type, one));
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  if (type.kind === "timestamp") return formatTimestampValueUs(value as number | bigint);
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  return value as JsonValue;
}

/** JSON text with exact integers (bigint), non-finite numbers as texts and −0 as -0, which JSON.stringify all lose. */
export function writeJson(value: JsonValue): string {
  if (typeof value === "number") return writeNumber(value);
  if (typeof value === "bigint") return value.toString();
  if (Array.isArray(value)) {
    let text = "[";
    for (let i = 0; i < value.length; i++) text += i === 0 ? writeJson(value[i]) : `,${writeJson(value[i])}`;
    return `${text}]`;
  }
  if (typeof value === "object" && value !== null) {
    const members = Object.entries(value).filter(([, member]) => member !== undefined);
    return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${writeJson(member)}`).join(",")}}`;
  }
  return JSON.stringify(value);
}

function writeNumber(value: number): string {
  if (Number.isFinite(value)) return value === 0 && Object.is(value, -0) ? "-0" : String(value);
  return `"${value}"`;
}
