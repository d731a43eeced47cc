/**
 * Markup as a value: the `html` tag escapes whatever is put into it, so that the names and values of people's features
 * are only ever text. What it makes is known by a symbol, which no JSON can hold; there is no way to pass raw markup but
 * through the tag. Attributes are always written in double quotes.
 */

const MARKUP = Symbol("markup");

/** Markup that has been escaped. */
export interface Html {
  readonly [MARKUP]: string;
}

/** What may stand in a template: markup, text to be escaped, lists of both; null, undefined and false stand for nothing. */
export type HtmlPart = Html | string | number | null | undefined | false | readonly HtmlPart[];

/** A piece of HTML or SVG. */
export function html(literals: TemplateStringsArray, ...parts: readonly HtmlPart[]): Html {
  return { [MARKUP]: literals.reduce((text, literal, i) => text + escaped(parts[i - 1]) + literal) };
}

/** The text of a piece. */
export function renderHtml(piece: Html): string {
  return piece[MARKUP];
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function escaped(part: HtmlPart): string {
  if (part === null || part === undefined || part === false) return "";
  if (typeof part !== "object") return String(part).replace(/[&<>"']/g, (character) => ENTITIES[character]!);
  return MARKUP in part ? part[MARKUP] : part.map(escaped).join("");
}
