/**
 * From what a Parquet page physically holds to canonical feature values (field.ts), exactly: 64-bit integers are never
 * rounded, times are whole µs (nanoseconds floored), decimals are the nearest double or the exact integer.
 */

import { isUtf8 } from "node:buffer";
import { canonicalInteger, type FieldType } from "../features/field.ts";
import type { LocalToUtc } from "../features/local-time.ts";
import type { ParquetColumn, ParquetValue, TimeUnit } from "./parquet-type.ts";

/** Makes one physical value canonical; a value that is none (a text that is not UTF-8) passes through to be refused. */
export type ConvertValue = (physical: unknown) => unknown;

const DAY_US = 86_400_000_000;

/** Compiles the conversion of a column, which canTake has let through, to the declared type; null stays null. */
export function compileConvert(column: ParquetColumn, type: FieldType, toUtc: LocalToUtc): ConvertValue {
  const one = compileOne(column.value, type, toUtc);
  const orNull: ConvertValue = (physical) => (physical === null || physical === undefined ? null : one(physical));
  if (!column.list) return orNull;
  return (physical) => {
    if (physical === null || physical === undefined) return null;
    // A typed array where all are present; map() would convert into its element type.
    return Array.from(physical as ArrayLike<unknown>, orNull);
  };
}

function compileOne(value: ParquetValue, type: FieldType, toUtc: LocalToUtc): ConvertValue {
  switch (value.is) {
    case "timestamp": {
      const toUs = (physical: unknown): number | bigint => toMicroseconds(physical as bigint, value.unit);
      return value.utc ? toUs : (physical) => shifted(toUs(physical), toUtc);
    }
    case "date":
      return (physical) => shifted((physical as number) * DAY_US, toUtc);
    case "decimal":
      return type.kind === "float64"
        ? (physical) => Number(`${unscaled(physical)}e${-value.scale}`)
        : (physical) => canonicalInteger(unscaled(physical));
    case "integer":
      if (value.bits === 64) return (physical) => canonicalInteger(physical as bigint);
      // Unsigned 32 bits lie in a signed word.
      return value.signed ? (physical) => physical : (physical) => (physical as number) >>> 0;
    case "binary":
      return type.kind === "string" ? (physical) => decodeText(physical as Uint8Array) : (physical) => physical;
    default:
      return (physical) => physical;
  }
}

/** The text of UTF-8 bytes; bytes that are not UTF-8 stay bytes, so that no field takes them for a text. */
export function decodeText(bytes: Uint8Array): string | Uint8Array {
  return isUtf8(bytes) ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8") : bytes;
}

/** Times beyond 2^53 µs (the year 2255) pass as they are: the zone's offset of then is anybody's guess. */
function shifted(localUs: number | bigint, toUtc: LocalToUtc): number | bigint {
  return typeof localUs === "number" && Number.isSafeInteger(localUs) ? toUtc(localUs) : localUs;
}

/** A stored time as µs, floored. INT96 comes as nanoseconds. */
function toMicroseconds(stored: bigint, unit: TimeUnit): number | bigint {
  if (unit === "MICROS") return canonicalInteger(stored);
  if (unit === "MILLIS") return canonicalInteger(stored * 1_000n);
  const remainder = stored % 1_000n;
  return canonicalInteger((remainder < 0n ? stored - 1_000n - remainder : stored - remainder) / 1_000n);
}

/** A decimal's digits as an integer: a word, or big-endian two's complement bytes. */
function unscaled(physical: unknown): bigint {
  if (!(physical instanceof Uint8Array)) return BigInt(physical as number | bigint);
  if (physical.length === 0) return 0n;
  const magnitude = BigInt(`0x${Buffer.from(physical).toString("hex")}`);
  return BigInt.asIntN(physical.length * 8, magnitude);
}
