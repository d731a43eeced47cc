/**
 * The classes of characters in patterns of Python's `re`, as parts of JavaScript's: Unicode's, and ASCII's under the flag
 * `a`. Python's `\s` has the separators of files and records that JavaScript's lacks, and not the byte order mark.
 */

const DIGIT = "\\p{Nd}";
const WORD = "\\p{L}\\p{N}_";
const SPACE = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
/** Unicode's, by the letter after the backslash. */
export const CLASSES: Readonly<Record<string, string>> = {
  d: `[${DIGIT}]`,
  D: `[^${DIGIT}]`,
  w: `[${WORD}]`,
  W: `[^${WORD}]`,
  s: `[${SPACE}]`,
  S: `[^${SPACE}]`,
};

/** ASCII's. */
export const ASCII_CLASSES: Readonly<Record<string, string>> = {
  d: "[0-9]",
  D: "[^0-9]",
  w: "[a-zA-Z0-9_]",
  W: "[^a-zA-Z0-9_]",
  s: "[\\t-\\r\\x20]",
  S: "[^\\t-\\r\\x20]",
};

/** A character that stands for itself, inside a set and out. */
export function literal(character: string): string {
  if (/[a-zA-Z0-9_]/.test(character)) return character;
  const code = character.codePointAt(0)!;
  return code < 128 ? `\\x${code.toString(16).padStart(2, "0")}` : character;
}
