/** The words of a `row_condition`: names, texts, numbers and signs, as Python's tokenizer would cut them. */

import { excerpt } from "../../errors.ts";
import { ExpectationFault } from "./expectation-fault.ts";

/** What fails when a condition can't be read or applied. */
export const CONDITION_METRICS: readonly string[] = ["table.row_count", "table.column_types"];

/** The fault of a condition that is not understood; `why` is a sentence. */
export function untranslatable(text: string, why: string): ExpectationFault {
  const detail = `The row_condition ${JSON.stringify(excerpt(text))} can't be applied: ${why}`;
  return new ExpectationFault(`${detail} docs/expectations.md says what it may hold.`, CONDITION_METRICS);
}

const TOKEN =
  /\s*(?:(`[^`]*`)|("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|((?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|([\p{L}_][\p{L}\p{N}_]*)|(==|!=|<=|>=|[<>&|~()[\],.-]))/uy;

/** A word. */
export interface Token {
  readonly kind: "quoted" | "text" | "number" | "word" | "sign";
  readonly text: string;
}

/** The words of a condition. Throws ExpectationFault for what is none. */
export function tokensOf(condition: string): readonly Token[] {
  const text = condition.trim();
  const tokens: Token[] = [];
  for (let at = 0; at < text.length; at = TOKEN.lastIndex) {
    TOKEN.lastIndex = at;
    const found = TOKEN.exec(text);
    if (found === null) throw untranslatable(condition, `"${text.slice(at, at + 10).trim()}" is not understood.`);
    const [, quoted, string, number, word, sign] = found;
    if (quoted !== undefined) tokens.push({ kind: "quoted", text: quoted.slice(1, -1) });
    else if (string !== undefined) tokens.push({ kind: "text", text: unescaped(condition, string.slice(1, -1)) });
    else if (number !== undefined) tokens.push({ kind: "number", text: number });
    else if (word !== undefined) tokens.push({ kind: "word", text: word });
    else tokens.push({ kind: "sign", text: sign! });
  }
  return tokens;
}

const ESCAPES: Readonly<Record<string, string>> = {
  "\\": "\\",
  "'": "'",
  '"': '"',
  n: "\n",
  t: "\t",
  r: "\r",
};

/** Escapes that mean the same to everybody; Python has more, and keeps a backslash before all others. */
function unescaped(condition: string, text: string): string {
  return text.replace(/\\(.)/gsu, (escaped, character: string) => {
    const meant = ESCAPES[character];
    if (meant !== undefined) return meant;
    throw untranslatable(condition, `it has the escape ${escaped}; write the character itself.`);
  });
}
