/**
 * JSON text parsed exactly: JSON.parse rounds integers past 2^53, so a text that holds a token which may be one goes
 * through a slower parser that makes them bigints. All others pay one regular expression.
 */

import { parse as parseLossless } from "lossless-json";
import { canonicalInteger } from "./field.ts";

/**
 * An integer token from 9 × 10^15 on, which JSON.parse may round; microseconds of our days are less. Fractions and
 * exponents are none.
 */
const LONG_INTEGER = /(?:^|[[,:\s-])(?:9\d{15}|\d{17,})(?![\d.eE])/;

/**
 * Parses JSON. Integers past 2^53 are bigints, all other numbers are numbers; of a member that is there twice the last
 * counts. Throws SyntaxError, and RangeError for a text that is nested too deeply.
 */
export function parseJson(text: string): unknown {
  return LONG_INTEGER.test(text) ? parseLossless(text, undefined, EXACT) : JSON.parse(text);
}

/** As many characters as the longest int64 has; BigInt takes a time that is the square of a token's length. */
const INT64_CHARACTERS = 20;

function exactNumber(token: string): number | bigint {
  const rounded = Number(token);
  const isExact = Number.isSafeInteger(rounded) || token.length > INT64_CHARACTERS || !/^-?\d+$/.test(token);
  return isExact ? rounded : canonicalInteger(BigInt(token));
}

/** The last of two members of one name counts, as it does for JSON.parse. */
const EXACT = { parseNumber: exactNumber, onDuplicateKey: ({ newValue }: { newValue: unknown }) => newValue };
