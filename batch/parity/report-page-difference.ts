/**
 * What differs in a view, on a parity run's page: the causes, each with what it means and the command that shows one of
 * them, and the worst examples with what either side says.
 */

import type { JsonValue } from "../../features/json-value.ts";
import type { CauseCount, ParityExample } from "./parity-result.ts";
import { shareBar } from "./report-chart-trend.ts";
import { type Html, html } from "./report-html.ts";
import { code, codeMembers } from "./report-page-code.ts";
import { instant, jsonLine, percentOf, wholeNumber } from "./report-page-number.ts";
import { CAUSE_NAMES } from "./report-page-verdict.ts";

/** Examples of a view that the page shows at once. */
const EXAMPLES_OPEN = 8;
/** Examples that it has at all; parity.json has all of them. */
const EXAMPLES_SHOWN = 40;

/** The causes, most entities first; undefined where there are none. */
export function causeList(given: readonly CauseCount[]): Html | undefined {
  if (given.length === 0) return undefined;
  const causes = [...given].sort((a, b) => b.entities - a.entities);
  const total = causes.reduce((sum, { entities }) => sum + entities, 0);
  return html`<h3>Causes</h3>
<ol class="causes">${causes.map((cause) => causeItem(cause, total))}</ol>`;
}

function causeItem({ cause, entities, meaning, example, shown_by }: CauseCount, total: number): Html {
  return html`<li><div class="cause-head"><strong>${CAUSE_NAMES[cause]}</strong><span class="cause-count">${wholeNumber(entities)} <span class="quiet">${percentOf(entities, total)}</span></span>${shareBar(entities / total)}</div>
<div class="cause-text"><p>${meaning}</p><p class="shown-by"><span class="quiet">such as ${codeMembers(Object.entries(example))}</span><code class="command">${shown_by}</code></p></div></li>`;
}

/** The worst examples; undefined where there are none. */
export function exampleTable(examples: readonly ParityExample[]): Html | undefined {
  if (examples.length === 0) return undefined;
  const [open, folded] = [examples.slice(0, EXAMPLES_OPEN), examples.slice(EXAMPLES_OPEN, EXAMPLES_SHOWN)];
  const rest = Math.max(0, examples.length - EXAMPLES_SHOWN);
  return html`<h3>Worst examples</h3>${rowsOf(open)}
${folded.length > 0 && html`<details><summary>${wholeNumber(folded.length)} more</summary>${rowsOf(folded)}</details>`}
${rest > 0 && html`<p class="quiet">${wholeNumber(rest)} more in <a href="parity.json">parity.json</a>.</p>`}`;
}

function rowsOf(examples: readonly ParityExample[]): Html {
  return html`<table class="stack examples">
<thead><tr><th scope="col">Entity</th><th scope="col">Outcome</th><th scope="col">Cause</th><th scope="col">Feature</th><th scope="col">Online</th><th scope="col">Offline</th></tr></thead>
<tbody>${examples.map(exampleRow)}</tbody></table>`;
}

function exampleRow(example: ParityExample): Html {
  const { entity, outcome, cause, feature } = example;
  const isOfRow = feature === null;
  return html`<tr><th scope="row">${codeMembers(Object.entries(entity))}</th><td data-label="Outcome">${outcome}</td><td data-label="Cause">${CAUSE_NAMES[cause]}</td>
<td data-label="Feature">${isOfRow ? html`<span class="quiet">whole row</span>` : code(feature)}</td>
<td data-label="Online">${side(example.online, example.online_event_timestamp, isOfRow)}</td><td data-label="Offline">${side(example.offline, example.offline_event_timestamp, isOfRow)}</td></tr>`;
}

function side(value: JsonValue, eventTimestamp: string | null, isOfRow: boolean): Html {
  if (eventTimestamp === null) return html`<span class="quiet">no row</span>`;
  const time = html`<time class="quiet">${instant(eventTimestamp)}</time>`;
  return isOfRow ? time : html`<div>${code(jsonLine(value))}${time}</div>`;
}
