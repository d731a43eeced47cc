/**
 * Names and values on a parity run's page, in the type of code: short ones are never broken, longer ones break after the
 * characters that join their words before they break anywhere.
 */

import type { JsonValue } from "../../features/json-value.ts";
import { type Html, html } from "./report-html.ts";
import { jsonLine, NONE } from "./report-page-number.ts";

/** Characters that fit in one line of a phone beside a label. */
const WHOLE_CHARACTERS = 26;

/** A text as code. */
export function code(text: string): Html {
  return text.length <= WHOLE_CHARACTERS
    ? html`<code class="whole">${text}</code>`
    : html`<code>${nameText(text)}</code>`;
}

/** A name in the type around it, to be broken between its words. */
export function nameText(text: string): Html {
  const words = text.split(/(?<=[_=.,/:])(?![_=.,/:])/);
  return html`${words.map((word, i) => html`${i > 0 && html`<wbr>`}${word}`)}`;
}

/** `name=value` for each member, with commas between; a dash where there is none. */
export function codeMembers(members: readonly (readonly [name: string, value: JsonValue])[]): Html {
  if (members.length === 0) return html`${NONE}`;
  return html`${members.map(([name, value], i) => html`${i > 0 && ", "}${code(`${name}=${jsonLine(value)}`)}`)}`;
}
