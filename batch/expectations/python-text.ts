/**
 * Values as Python writes them: str(1.0) is "1.0", str(b"a") is "b'a'", a timestamp is isoformat. Great Expectations
 * matches patterns and counts lengths on these texts, and puts some of them into its results.
 */

import type { FeatureValue, FieldType } from "../../features/field.ts";
import type { JsonValue } from "../../features/json-value.ts";

/** str() of a double: at least one decimal, an exponent from 1e16 on and below 1e-4. */
export function floatText(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
  if (Object.is(value, -0)) return "-0.0";
  return pythonNotation(value, value !== 0 && (Math.abs(value) < 1e-4 || Math.abs(value) >= 1e16));
}

/** str() of a float32: the shortest digits that are that single, with an exponent from 1e6 on and below 1e-4 already. */
export function singleText(value: number): string {
  if (!Number.isFinite(value) || value === 0) return floatText(value);
  // The single that is written 1e-4 is a little less than it.
  const hasExponent = Math.abs(value) < 1e-4 || Math.abs(value) >= 1e6;
  for (let digits = 1; digits <= 9; digits++) {
    const short = Number(value.toExponential(digits - 1));
    if (Math.fround(short) === value) return pythonNotation(short, hasExponent);
  }
  return floatText(value);
}

function pythonNotation(value: number, hasExponent: boolean): string {
  const [digits, exponent] = value.toExponential().split("e") as [string, string];
  const power = Number(exponent);
  if (hasExponent) {
    return `${digits}e${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
  }
  const text = power < 0 ? value.toFixed(Math.min(100, digits.replace(/[-.]/g, "").length - 1 - power)) : String(value);
  return text.includes(".") ? text : `${text}.0`;
}

/** repr() of bytes. */
export function bytesText(value: Uint8Array): string {
  const quote = value.includes(0x27) && !value.includes(0x22) ? '"' : "'";
  let text = "";
  for (const byte of value) text += byteText(byte, quote);
  return `b${quote}${text}${quote}`;
}

const ESCAPES: Readonly<Record<number, string>> = { 9: "\\t", 10: "\\n", 13: "\\r", 92: "\\\\" };

function byteText(byte: number, quote: string): string {
  const character = String.fromCharCode(byte);
  if (character === quote) return `\\${quote}`;
  return ESCAPES[byte] ?? (byte >= 32 && byte < 127 ? character : `\\x${byte.toString(16).padStart(2, "0")}`);
}

const US_PER_SECOND = 1_000_000n;

/** How many digits a second's fraction has; six or none where it depends on the value. */
type FractionDigits = 0 | 3 | 6 | "as needed";

/** A timestamp in µs as "2026-11-23T00:00:00". */
function timestampText(timestampUs: number | bigint, separator: string, digits: FractionDigits): string {
  const whole = BigInt(timestampUs);
  const us = ((whole % US_PER_SECOND) + US_PER_SECOND) % US_PER_SECOND;
  const date = new Date(Number((whole - us) / 1_000n));
  if (Number.isNaN(date.getTime())) return String(timestampUs);
  const seconds = date.toISOString().slice(0, -5).replace("T", separator);
  if (digits === 0 || (us === 0n && digits === "as needed")) return seconds;
  return `${seconds}.${String(us)
    .padStart(6, "0")
    .slice(0, digits === 3 ? 3 : 6)}`;
}

/** isoformat() of a timestamp in UTC. */
function isoText(timestampUs: number | bigint): string {
  return `${timestampText(timestampUs, "T", "as needed")}+00:00`;
}

/** A timestamp as numpy writes it: no zone, always microseconds. */
export function numpyTimeText(timestampUs: number | bigint): string {
  return timestampText(timestampUs, "T", 6);
}

/**
 * How the texts of a column are written, which is decided by all of its values: integers beside a null as floats ("1.0"),
 * timestamps with as many digits as the one that needs most.
 */
export type TextStyle = "plain" | "float" | "milliseconds" | "microseconds";

/** The styles a column of the type may turn out to have. */
export function textStyles({ kind, list }: FieldType): readonly TextStyle[] {
  if (list) return ["plain"];
  if (kind === "timestamp") return ["plain", "milliseconds", "microseconds"];
  return kind.startsWith("int") ? ["plain", "float"] : ["plain"];
}

/** A byte order mark is a character of the text, as it is to Python. */
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Compiles str() for a column, as pandas does it. */
export function compileText(type: FieldType, style: TextStyle): (value: FeatureValue) => string {
  const one = compileScalarText(type, style);
  return type.list ? (value) => `[${(value as readonly FeatureValue[]).map((each) => one(each)).join(" ")}]` : one;
}

function compileScalarText({ kind }: FieldType, style: TextStyle): (value: FeatureValue) => string {
  switch (kind) {
    case "int32":
    case "int64":
      return style === "float" ? (value) => floatText(Number(value)) : String;
    case "float32":
      return (value) => singleText(value as number);
    case "float64":
      return (value) => floatText(value as number);
    case "bool":
      return (value) => (value ? "True" : "False");
    case "timestamp": {
      const digits = style === "plain" ? 0 : style === "milliseconds" ? 3 : 6;
      return (value) => `${timestampText(value as number, " ", digits)}+00:00`;
    }
    case "bytes":
      return (value) => UTF8.decode(value as Uint8Array);
    default:
      return String;
  }
}

/** A value as a result shows it: null for null and NaN, timestamps and bytes as texts. */
export function resultValue(type: FieldType, value: FeatureValue): JsonValue {
  if (value === null || (typeof value === "number" && Number.isNaN(value))) {
    return type.kind === "timestamp" && !type.list ? "NaT" : null;
  }
  if (Array.isArray(value))
    return value.map((one) => (one === null ? null : resultValue({ ...type, list: false }, one)));
  if (value instanceof Uint8Array) return bytesText(value);
  if (type.kind === "timestamp") return isoText(value as number | bigint);
  return type.kind === "bool" ? Boolean(value) : (value as JsonValue);
}
