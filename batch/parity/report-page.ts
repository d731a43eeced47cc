/**
 * The page of a parity run: one HTML file that needs nothing else, neither script nor style nor picture nor network, and
 * says so to the browser (Content-Security-Policy), as it shows people's values. On top what is asked first: does online
 * serve what offline says, and of which view not; then each view, the suites, the runs before.
 */

import type { ParityReport, ViewParity } from "./parity-result.ts";
import { sparkline, type TrendPoint } from "./report-chart-trend.ts";
import type { HistoryRun, ParityHistory } from "./report-history.ts";
import { type Html, html, renderHtml } from "./report-html.ts";
import { nameText } from "./report-page-code.ts";
import { age, instant, NONE, percent, wholeNumber } from "./report-page-number.ts";
import { PAGE_STYLE, TEXTURES } from "./report-page-style.ts";
import { isMet, type ReportedSuite, suiteSection } from "./report-page-suite.ts";
import { CAUSE_NAMES, OUTCOMES, verdictMark } from "./report-page-verdict.ts";
import { viewSection } from "./report-page-view.ts";

/** What a page shows. */
export interface ParityPage {
  readonly report: ParityReport;
  readonly suites: readonly ReportedSuite[];
  /** The last runs, this one among them. */
  readonly history: ParityHistory;
}

/** Neither scripts nor anything from elsewhere, whatever the values are. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

/** What did not pass comes first. */
const VERDICTS: readonly ViewParity["verdict"][] = ["fail", "error", "pass"];

/** The page's text, for a file two folders below the reports directory. */
export function renderParityPage({ report, suites, history }: ParityPage): string {
  const views = [...report.views].sort((a, b) => VERDICTS.indexOf(a.verdict) - VERDICTS.indexOf(b.verdict));
  const trends = views.map(({ view }) => trendOf(view, report, history));
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="generator" content="Headgate">
<link rel="icon" href="data:,">
<title>${report.ok ? "Pass" : "Fail"}: parity of ${report.started_at.slice(0, 10)}</title>
${PAGE_STYLE}
</head>
<body>
${TEXTURES}
${pageHead(report, suites)}
<main>
${summaryTable(views, trends)}
${views.map((view, i) => viewSection(view, viewId(i), trends[i]!))}
${suites.length > 0 && html`<section id="suites"><h2>Suites</h2>${suites.map(suiteSection)}</section>`}
${runList(report, history)}
</main>
${pageFoot()}
</body>
</html>
`;
  return renderHtml(page);
}

function pageHead(report: ParityReport, suites: readonly ReportedSuite[]): Html {
  return html`<header>
<p class="brand">Headgate parity</p>
<h1>${verdictMark(report.ok ? "pass" : "fail")} <span>${headline(report)}</span></h1>
<p class="quiet">Run <code>${report.run}</code>, started ${instant(report.started_at)}, took ${age(report.seconds)}${suites.length > 0 && html`; <a href="#suites">${suiteCount(suites)}</a>`}. As JSON: <a href="parity.json">parity.json</a></p>
</header>`;
}

function headline({ ok, views }: ParityReport): string {
  if (views.length === 0) return "No view was compared";
  const counts = { fail: 0, error: 0, pass: 0 };
  for (const { verdict } of views) counts[verdict]++;
  const all = views.length === 1 ? "1 view" : `${wholeNumber(views.length)} views`;
  if (ok) return `Online serves what offline says, in ${views.length === 1 ? all : `all ${all}`}`;
  const parts = [
    ...(counts.fail > 0 ? [`${wholeNumber(counts.fail)} ${counts.fail === 1 ? "fails" : "fail"}`] : []),
    ...(counts.error > 0 ? [`${wholeNumber(counts.error)} could not be compared`] : []),
  ];
  return parts.length === 0 ? `Of ${all} not all pass` : `Of ${all} ${parts.join(", ")}`;
}

function suiteCount(suites: readonly ReportedSuite[]): string {
  const met = suites.filter(isMet).length;
  return `${wholeNumber(met)} of ${wholeNumber(suites.length)} ${suites.length === 1 ? "suite" : "suites"} met`;
}

function viewId(i: number): string {
  return `view-${i + 1}`;
}

function summaryTable(views: readonly ViewParity[], trends: readonly (readonly TrendPoint[])[]): Html | false {
  return (
    views.length > 0 &&
    html`<table class="stack summary">
<thead><tr><th scope="col">View</th><th scope="col">Verdict</th><th scope="col" class="number">Checked</th><th scope="col" class="number">Compared</th><th scope="col" class="number">Mismatches</th><th scope="col" class="number">Rate</th><th scope="col">Main cause</th><th scope="col">Trend</th></tr></thead>
<tbody>${views.map((view, i) => summaryRow(view, viewId(i), trends[i]!))}</tbody></table>`
  );
}

function summaryRow(view: ViewParity, id: string, trend: readonly TrendPoint[]): Html {
  const mismatches = OUTCOMES.filter(({ isMismatch }) => isMismatch).reduce(
    (n, { outcome }) => n + view.outcomes[outcome],
    0,
  );
  const cause = [...view.causes].sort((a, b) => b.entities - a.entities)[0]?.cause;
  return html`<tr><th scope="row"><a href="#${id}">${nameText(view.view)}</a></th><td data-label="Verdict">${verdictCell(view)}</td>
<td class="number" data-label="Checked">${wholeNumber(view.checked)}</td><td class="number" data-label="Compared">${wholeNumber(view.compared)}</td>
<td class="number" data-label="Mismatches">${view.checked === 0 ? NONE : wholeNumber(mismatches)}</td><td class="number" data-label="Rate">${rateCell(view)}</td>
<td data-label="Main cause">${cause === undefined ? NONE : CAUSE_NAMES[cause]}</td><td data-label="Trend">${sparkline(view.view, trend) ?? NONE}</td></tr>`;
}

/** The verdict, and below it that an earlier one counts. */
function verdictCell({ verdict, standing_failure }: ViewParity): Html {
  const standing = standing_failure !== undefined && html`<small class="quiet">an earlier failure stays</small>`;
  return html`<span>${verdictMark(verdict)}${standing}</span>`;
}

/** The rate, and below it what it is at most where only a sample was checked. */
function rateCell({ checked, mismatch_rate, mismatch_rate_bound, sample }: ViewParity): Html {
  if (checked === 0) return html`${NONE}`;
  const bound = sample !== null && html`<small class="quiet">at most ${percent(mismatch_rate_bound)}</small>`;
  return html`<span>${percent(mismatch_rate)}${bound}</span>`;
}

/** A view in the runs up to this one. */
function trendOf(view: string, { run }: ParityReport, history: ParityHistory): readonly TrendPoint[] {
  const last = history.runs.findIndex((one) => one.run === run);
  return history.runs.slice(0, last + 1).flatMap(({ started_at, views }) =>
    views
      .filter((one) => one.view === view)
      .map(({ verdict, mismatch_rate, compared }) => ({
        ...{ startedAt: started_at, verdict, mismatchRate: mismatch_rate, compared },
      })),
  );
}

/** The last runs, newest first. A page is found from the reports directory, two folders up. */
function runList({ run }: ParityReport, { runs }: ParityHistory): Html | false {
  return (
    runs.length > 1 &&
    html`<section class="runs"><h2>Runs</h2><details><summary>The last ${wholeNumber(runs.length)}</summary><table class="stack">
<thead><tr><th scope="col">Started</th><th scope="col">Verdict</th><th scope="col">Views that do not pass</th></tr></thead>
<tbody>${[...runs].reverse().map((one) => runRow(one, one.run === run))}</tbody></table></details></section>`
  );
}

function runRow({ started_at, ok, page, views }: HistoryRun, isThis: boolean): Html {
  const failing = views.filter(({ verdict }) => verdict !== "pass");
  const told = failing.map(({ view, verdict, mismatch_rate }, i) => {
    const why = verdict === "error" ? "error" : percent(mismatch_rate);
    return html`${i > 0 && ", "}${view} <span class="quiet">${why}</span>`;
  });
  const started = instant(started_at);
  return html`<tr><th scope="row">${isThis ? `${started} (this run)` : html`<a href="../../${page}">${started}</a>`}</th><td data-label="Verdict">${verdictMark(ok ? "pass" : "fail")}</td><td data-label="Do not pass">${told.length === 0 ? NONE : told}</td></tr>`;
}

function pageFoot(): Html {
  const words = OUTCOMES.map(
    ({ outcome, meaning, isMismatch }) =>
      html`<div><dt>${outcome}</dt><dd>${meaning}${isMismatch && " (a mismatch)"}</dd></div>`,
  );
  return html`<footer><h2>How to read it</h2>
<p>Offline is the latest row per entity, by event and then created timestamp, in the interval that was materialized; online is what /predict would have read. Compared are the entities with a row of the same event time on both sides; an entity that is beyond the ttl on both sides is a match. The mismatch rate is the share of the checked entities that are different, stale, missing or extra.</p>
<dl class="words">${words}</dl></footer>`;
}
