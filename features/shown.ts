/**
 * A value as refusals show it: recognizable, short, and safe to make. Whoever sends a wrong value chooses it, so the
 * work is bounded whatever it is: no text past its first characters, no list or object past its kind.
 */

import { RoundedNumber } from "./rounded-number.ts";

const TEXT_MAX_LENGTH = 60;
const INTEGER_LIMIT = 2n ** 64n;

/** A short text for any value; never throws. Texts are quoted, so that "17" and 17 differ. */
export function shown(value: unknown): string {
  switch (typeof value) {
    case "string":
      return value.length > TEXT_MAX_LENGTH
        ? `${JSON.stringify(value.slice(0, TEXT_MAX_LENGTH))}…`
        : JSON.stringify(value);
    case "bigint":
      // The decimal digits of a huge integer take time that grows with its square.
      return value > -INTEGER_LIMIT && value < INTEGER_LIMIT ? String(value) : "an integer beyond 64 bits";
    case "object":
      return shownObject(value);
    case "function":
      return "a function";
    case "symbol":
      return "a symbol";
    default:
      return Object.is(value, -0) ? "-0" : String(value);
  }
}

function shownObject(value: object | null): string {
  if (value === null) return "null";
  if (value instanceof RoundedNumber) return String(value);
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  return Array.isArray(value) ? `a list of ${value.length}` : "an object";
}
