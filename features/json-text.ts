/**
 * JSON text parsed exactly: JSON.parse rounds integers past 2^53 and fractions next to a whole number. So a text that
 * holds a token which it may round goes through a slower parser, which makes them bigints and RoundedNumbers. All others
 * pay a look at every sixteenth character.
 */

import { parse as parseLossless } from "lossless-json";
import { canonicalInteger } from "./field.ts";
import { RoundedNumber } from "./rounded-number.ts";

/**
 * Parses JSON. Integers past 2^53 are bigints, a number that is not whole while its nearest double is comes as a
 * RoundedNumber, all others are numbers, infinite where they are past every double; of a member that is there twice the
 * last counts. Throws SyntaxError, and RangeError for a text that is nested too deeply.
 */
export function parseJson(text: string): unknown {
  return mayBeRounded(text) ? parseLossless(text, undefined, EXACT) : JSON.parse(text);
}

/** Shorter tokens are exact: doubles keep any 15 digits, and the integers of 16 up to 2^53. */
const TOKEN_CHARACTERS_MIN = 16;

/** True when there is a token that JSON.parse may round to a whole number which it is not. */
function mayBeRounded(text: string): boolean {
  for (let at = TOKEN_CHARACTERS_MIN - 1; at < text.length; at += TOKEN_CHARACTERS_MIN) {
    if (!isNumeral(text.charCodeAt(at))) continue;
    let begin = at;
    while (begin > 0 && isNumeral(text.charCodeAt(begin - 1))) begin--;
    while (at < text.length && isNumeral(text.charCodeAt(at))) at++;
    if (at - begin < TOKEN_CHARACTERS_MIN || !isTokenBegin(text.charCodeAt(begin - 1))) continue;
    if (ROUNDED.test(text.slice(begin, at + EXPONENT_CHARACTERS))) return true;
  }
  return false;
}

/** A digit or a point. */
const isNumeral = (code: number) => code >= 46 && code <= 57 && code !== 47;

/** What may be before a number: nothing, whitespace, "-", ",", ":" or "[". A quotation mark makes it a text. */
const isTokenBegin = (code: number) =>
  Number.isNaN(code) || code <= 32 || code === 45 || code === 44 || code === 58 || code === 91;

/** What a token may have behind its digits that matters here: "e+1". */
const EXPONENT_CHARACTERS = 3;
const ROUNDED_TOKENS = [
  // An integer from 9 × 10^15 on; microseconds of our days are less.
  /(?:9\d{15}|\d{17,})(?![\d.eE])/,
  // The more digits before the point, the fewer zeros or nines behind it make a difference that is rounded away.
  /\d{16,}[.eE]/,
  /(?=[\d.]{18})\d{13,}\.[09]/,
  /(?=[\d.]{18})\d{10,}\.(?:0{4}|9{4})/,
  /(?=[\d.]{18})\d+\.(?:0{7}|9{7})/,
  /[\d.]{17,}[eE]\+?\d/,
];
const ROUNDED = new RegExp(`^(?:${ROUNDED_TOKENS.map(({ source }) => source).join("|")})`);

/** As many characters as the longest int64 has; BigInt takes a time that is the square of a token's length. */
const INT64_CHARACTERS = 20;

function exactNumber(token: string): number | bigint | RoundedNumber {
  const rounded = Number(token);
  if (!/^-?\d+$/.test(token)) {
    return Number.isSafeInteger(rounded) && !isWhole(token) ? new RoundedNumber(token) : rounded;
  }
  const isExact = Number.isSafeInteger(rounded) || token.length > INT64_CHARACTERS;
  return isExact ? rounded : canonicalInteger(BigInt(token));
}

const TOKEN = /^-?(\d+)(?:\.(\d*))?(?:[eE](.+))?$/;

/** True for a token without a fraction, 1.50e1 for one. */
function isWhole(token: string): boolean {
  const [, whole = "", fraction = "", exponent = "0"] = TOKEN.exec(token) ?? [];
  const digits = withoutZerosBehind(`${whole}${fraction}`);
  return digits === 0 || digits <= whole.length + Number(exponent);
}

/** How many digits are left. A regular expression would take the square of a run of zeros. */
function withoutZerosBehind(digits: string): number {
  let end = digits.length;
  while (end > 0 && digits[end - 1] === "0") end--;
  return end;
}

/** The last of two members of one name counts, as it does for JSON.parse. */
const EXACT = { parseNumber: exactNumber, onDuplicateKey: ({ newValue }: { newValue: unknown }) => newValue };
