/**
 * A view's section of a parity run's page: its verdict and why, what was compared, the outcomes as a sum, the causes,
 * the features and the worst examples. A view that could not be compared has its error instead.
 */

import type { RepairCounts, ViewParity } from "./parity-result.ts";
import { standingParts } from "./parity-text.ts";
import { freshnessChart } from "./report-chart.ts";
import { dividedBar, type TrendPoint, trendChart } from "./report-chart-trend.ts";
import { type Html, html } from "./report-html.ts";
import { nameText } from "./report-page-code.ts";
import { causeList, exampleTable } from "./report-page-difference.ts";
import { featureTables } from "./report-page-feature.ts";
import { age, instant, NONE, percent, percentOf, wholeNumber } from "./report-page-number.ts";
import { OUTCOMES, verdictMark } from "./report-page-verdict.ts";

/** The section. `id` is where the summary's link goes; `trend` is the view in the last runs, this one last. */
export function viewSection(view: ViewParity, id: string, trend: readonly TrendPoint[]): Html {
  return html`<section class="view ${view.verdict}" id="${id}">
<h2>${verdictMark(view.verdict)} <span class="name">${nameText(view.view)}</span></h2>
${whyText(view)}${standingText(view)}
${facts(view)}
<div class="columns">${view.checked > 0 && outcomeTable(view)}<div class="charts">${trendFigure(view, trend)}${freshnessFigure(view)}</div></div>
${view.repair !== undefined && html`<p class="repair">${repairText(view.repair)}</p>`}
${causeList(view.causes)}${featureTables(view)}${exampleTable(view.examples)}
</section>`;
}

/** An error's detail is the reason, too. */
function whyText({ reason, error }: ViewParity): Html {
  if (error === undefined) return html`<p class="reason">${reason}</p>`;
  return html`<p class="failure"><code>${error.code}</code> ${error.detail}</p>`;
}

/** Where another verdict than this one counts. */
function standingText({ view, standing_failure: failure }: ViewParity): Html | false {
  if (failure === undefined) return false;
  const { why, command, effect } = standingParts(view, { ...failure, at: instant(failure.at) });
  return html`<p class="failure">${why} <code class="command">${command}</code> ${effect}</p>`;
}

function facts(view: ViewParity): Html {
  const { checked, compared, sample, materialized_to, error } = view;
  const how = sample === null ? "all" : `a sample of ${percent(sample.share)}, seed ${sample.seed}`;
  const to = materialized_to === null ? "never" : instant(materialized_to);
  const counts: readonly (readonly [string, string])[] = [
    ["Offline entities", wholeNumber(view.offline_entities)],
    ["Checked", `${wholeNumber(checked)} (${how})`],
    ["Compared", wholeNumber(compared)],
    ["Mismatch rate", rateText(view)],
  ];
  const list: typeof counts = [
    // Of a view that could not be compared it was not read.
    ...(error === undefined ? [["Materialized to", to] as const] : []),
    ...(checked > 0 ? counts : []),
    ["Took", age(view.seconds)],
  ];
  return html`<dl class="facts">${list.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}

/** The rate, and where only a sample was checked what it is at most. */
function rateText({ mismatch_rate, mismatch_rate_bound, checked, sample }: ViewParity): string {
  if (checked === 0) return NONE;
  const rate = percent(mismatch_rate);
  return sample === null
    ? rate
    : `${rate}, at most ${percent(mismatch_rate_bound)} of the entities in the files (95\u00a0%)`;
}

function repairText({ dry_run, written, replaced, left_newer, left_extra, overtaken }: RepairCounts): string {
  const [wrote, put] = [
    `${wholeNumber(written)} rows that the files have newer, or alone,`,
    `${wholeNumber(replaced)} of the same times, or ahead of the clock`,
  ];
  const left = `${wholeNumber(left_newer)} made later than the files' row, ${wholeNumber(left_extra)} that no file has, ${wholeNumber(overtaken)} written meanwhile`;
  return dry_run
    ? `A repair would write ${wrote} and replace ${put}; it would leave alone ${left}. This was a dry run: nothing was written.`
    : `The repair after this comparison wrote ${wrote} and replaced ${put}; it left alone ${left}.`;
}

function outcomeTable({ outcomes, checked }: ViewParity): Html {
  const parts = OUTCOMES.map(({ outcome }) => ({
    name: outcome,
    count: outcomes[outcome],
    paint: `paint-${outcome}`,
  }));
  const total = parts.reduce((sum, { count }) => sum + count, 0);
  const rows = OUTCOMES.map(({ outcome, meaning, isMismatch }) => {
    const count = outcomes[outcome];
    return html`<tr class="${isMismatch && count > 0 ? "mismatch" : ""}"><th scope="row"><svg class="swatch" viewBox="0 0 14 14" aria-hidden="true"><rect class="paint-${outcome}" width="14" height="14"/></svg>${outcome} <span class="quiet">${meaning}</span></th>
<td class="number">${wholeNumber(count)}</td><td class="number">${percentOf(count, total)}</td></tr>`;
  });
  return html`<div><h3>Outcomes</h3>${dividedBar(parts)}
<table class="outcomes"><thead class="unseen"><tr><th scope="col">Outcome</th><th scope="col">Entities</th><th scope="col">Share</th></tr></thead>
<tbody>${rows}</tbody>
<tfoot><tr><th scope="row">checked</th><td class="number">${wholeNumber(total)}</td><td class="number">${percentOf(total, total)}</td></tr></tfoot></table>
${total !== checked && html`<p class="failure">The outcomes do not add up to the ${wholeNumber(checked)} entities that were checked.</p>`}</div>`;
}

function trendFigure(view: ViewParity, trend: readonly TrendPoint[]): Html | false {
  const chart = trendChart(view.view, trend);
  return chart !== undefined && html`<figure><figcaption>Trend</figcaption>${chart}</figure>`;
}

function freshnessFigure({ view, freshness_seconds }: ViewParity): Html | false {
  return (
    freshness_seconds !== null &&
    html`<figure><figcaption>Freshness</figcaption>${freshnessChart(view, freshness_seconds)}</figure>`
  );
}
