/**
 * How a parity run's page looks: on light and dark screens, on a phone (where a table's rows become blocks, each cell
 * with its name) and on paper (always light, everything opened). Online is a solid blue line, offline an orange area with a dashed edge;
 * what differs is told apart by texture as well, for those who don't see the colours. Text has a contrast of at least
 * 4.5 to its ground, lines and marks of 3 (WCAG 2.2 AA, https://www.w3.org/TR/WCAG22/#contrast-minimum).
 */

import { type Html, html } from "./report-html.ts";

/** Textures that the outcomes are painted with, for every chart of the page. */
export const TEXTURES: Html = html`<svg class="unseen" aria-hidden="true"><defs>
<pattern id="texture-newer" width="6" height="6" patternUnits="userSpaceOnUse"><rect class="texture-ground" width="6" height="6"/><circle class="texture-calm" cx="3" cy="3" r="1.3"/></pattern>
<pattern id="texture-stale" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect class="texture-ground" width="6" height="6"/><rect class="texture-mark" width="3" height="6"/></pattern>
<pattern id="texture-missing" width="5" height="5" patternUnits="userSpaceOnUse"><rect class="texture-ground" width="5" height="5"/><rect class="texture-mark" width="5" height="2"/></pattern>
<pattern id="texture-extra" width="6" height="6" patternUnits="userSpaceOnUse"><rect class="texture-mark" width="6" height="6"/><circle class="texture-hole" cx="3" cy="3" r="1.5"/></pattern>
</defs></svg>`;

/** The page's only style. */
export const PAGE_STYLE: Html = html`<style>
:root {
  color-scheme: light;
  --ground: #ffffff; --raised: #f5f7f9; --ink: #1b2127; --quiet: #56616d; --rule: #d5dbe1; --rail: #e6eaee;
  --link: #0a5299; --online: #0a62b0; --offline: #b24a00; --tint: #b24a002e;
  --pass: #0a6457; --fail: #ad2415; --error: #67409f; --calm: #7d93a6; --mark: #c8401f;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    color-scheme: dark;
    --ground: #0f1317; --raised: #171c22; --ink: #e4e9ee; --quiet: #9ba7b3; --rule: #313a43; --rail: #262e36;
    --link: #7fb8f2; --online: #6db3f8; --offline: #f2a45c; --tint: #f2a45c3d;
    --pass: #58cdb5; --fail: #ff8f7a; --error: #c6a6f7; --calm: #64798c; --mark: #ef7454;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-behavior: smooth; }
body {
  margin: 0 auto; padding: 24px 28px 48px; max-width: 1180px; background: var(--ground); color: var(--ink);
  font: 14px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  font-variant-numeric: tabular-nums; overflow-wrap: anywhere;
}
h1, h2, h3, h4, p, dl, ol, figure { margin: 0; padding: 0; }
h1 { font-size: 24px; line-height: 1.25; font-weight: 600; display: flex; flex-wrap: wrap; align-items: baseline; gap: 4px 14px; }
h2 { font-size: 18px; line-height: 1.3; font-weight: 600; display: flex; flex-wrap: wrap; align-items: baseline; gap: 2px 12px; }
h3 { font-size: 14px; font-weight: 600; margin: 28px 0 8px; }
h4 { font-size: 13px; font-weight: 500; color: var(--quiet); margin: 20px 0 8px; }
a { color: var(--link); text-decoration-thickness: 1px; text-underline-offset: 3.5px; }
small { font-size: 12px; }
a:focus-visible, summary:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; border-radius: 2px; }
code { font: 12.5px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; unicode-bidi: isolate; }
.whole { white-space: nowrap; }
svg { display: block; }
.quiet { color: var(--quiet); font-weight: 400; }
.brand { color: var(--quiet); font-weight: 500; margin-bottom: 6px; }
header h1 { margin-bottom: 6px; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

.verdict { display: inline-flex; align-items: baseline; gap: 0.4em; font-weight: 600; white-space: nowrap; }
.icon { width: 0.92em; height: 0.92em; position: relative; top: 0.1em; flex: none; }
.icon * { fill: currentColor; }
.icon path { fill: none; stroke: var(--ground); stroke-width: 1.9; stroke-linecap: round; stroke-linejoin: round; }
.icon path.ground { fill: currentColor; stroke: none; }
.verdict.pass { color: var(--pass); }
.verdict.fail { color: var(--fail); }
.verdict.error { color: var(--error); }

table { width: 100%; border-collapse: collapse; }
th, thead td, tbody td, tfoot td { text-align: left; vertical-align: baseline; padding: 5px 16px 5px 0; font-weight: 400; border-bottom: 1px solid var(--rule); }
th:last-child, td:last-child { padding-right: 0; }
thead th { color: var(--quiet); font-size: 0.9em; font-weight: 500; white-space: nowrap; border-bottom-color: var(--quiet); }
thead td { border-bottom-color: var(--quiet); }
.number { text-align: right; white-space: nowrap; }
tfoot th, tfoot td { border-bottom: 0; border-top: 1px solid var(--quiet); font-weight: 600; }
.summary { margin-top: 20px; }
.summary td { vertical-align: middle; }
.summary th[scope="row"] { vertical-align: middle; font-weight: 500; }
.bar-cell { width: 110px; vertical-align: middle; }
.examples th, .examples td { font-size: 13px; }
.examples time { display: block; min-width: 23ch; font-size: 12px; }
.summary small { display: block; }
tr.mismatch .number { font-weight: 600; }

section.view, section.suites, main > section { margin-top: 44px; padding-top: 20px; border-top: 2px solid var(--rule); }
.reason { margin-top: 6px; max-width: 82ch; }
.failure { margin-top: 10px; padding: 8px 12px; background: var(--raised); border-left: 3px solid var(--error); max-width: 100ch; }
.failure code { font-weight: 600; margin-right: 6px; }
.facts { display: flex; flex-wrap: wrap; gap: 10px 34px; margin-top: 14px; }
.facts dt, .words dt { color: var(--quiet); font-size: 0.9em; }
.facts dd, .words dd { margin: 0; font-weight: 500; }
.repair { margin-top: 22px; }
.columns { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); gap: 0 44px; align-items: start; }
.columns > .charts { margin-top: 28px; grid-template-columns: minmax(0, 1fr); }

.divided { width: 100%; height: 16px; margin-bottom: 8px; }
.swatch { display: inline-block; width: 11px; height: 11px; margin-right: 8px; }
.outcomes th[scope="row"] { font-weight: 500; }
.outcomes th .quiet { margin-left: 6px; }
.paint-match { fill: var(--calm); }
.paint-newer { fill: url(#texture-newer); }
.paint-different { fill: var(--mark); }
.paint-stale { fill: url(#texture-stale); }
.paint-missing { fill: url(#texture-missing); }
.paint-extra { fill: url(#texture-extra); }
.texture-ground { fill: var(--rail); }
.texture-calm { fill: var(--calm); }
.texture-mark { fill: var(--mark); }
.texture-hole { fill: var(--ground); }

.causes { list-style: none; border-top: 1px solid var(--quiet); }
.causes li { display: grid; grid-template-columns: 250px minmax(0, 1fr); gap: 4px 28px; padding: 10px 0 11px; border-bottom: 1px solid var(--rule); break-inside: avoid; }
.cause-head { display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: 5px 10px; align-content: start; }
.cause-head strong { font-weight: 600; }
.cause-head .share { grid-column: 1 / -1; }
.cause-count { white-space: nowrap; }
.shown-by { display: flex; flex-wrap: wrap; align-items: baseline; gap: 2px 12px; margin-top: 5px; }
.shown-by .quiet { min-width: 0; }
.command { flex: 1 1 320px; min-width: 0; padding: 3px 10px; background: var(--raised); border-radius: 4px; user-select: all; white-space: pre-wrap; }

.share { width: 100%; height: 7px; }
.share-rail { fill: var(--rail); }
.share-part { fill: var(--mark); }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(320px, 100%), 1fr)); gap: 22px 30px; }
figure { break-inside: avoid; min-width: 0; }
figcaption { font-weight: 600; margin-bottom: 4px; }
figcaption code { font-weight: 600; }
.chart { width: 100%; max-width: 440px; height: auto; overflow: visible; }
.chart text { font: 11px/1 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; fill: var(--quiet); }
.axis, .grid { fill: none; stroke: var(--quiet); stroke-width: 1; shape-rendering: crispEdges; }
.grid { stroke: var(--rule); }
.online-line, .offline-line, .trend-line { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
.online-line { stroke: var(--online); }
.offline-line { stroke: var(--offline); stroke-width: 1.4; stroke-dasharray: 3 2.5; }
.offline-tint { fill: var(--tint); }
.bar { fill: var(--online); }
.hit { fill: transparent; }
.hit:hover { fill: var(--quiet); fill-opacity: 0.18; }
.spark { width: 132px; height: 30px; }
.trend-line { stroke: var(--quiet); stroke-width: 1.3; }
.mark-pass { fill: var(--pass); }
.mark-fail { fill: var(--fail); }
.mark-error { fill: none; stroke: var(--error); stroke-width: 1.8; }

.suite h3 { display: flex; flex-wrap: wrap; gap: 2px 12px; }
.suite p, .suite table { margin-bottom: 8px; }
.severity { color: var(--fail); font-size: 12.5px; font-weight: 600; }
details { margin-top: 10px; }
summary { cursor: pointer; color: var(--link); width: fit-content; }
footer { margin-top: 52px; padding-top: 16px; border-top: 2px solid var(--rule); color: var(--quiet); font-size: 13px; }
footer h2 { font-size: 14px; color: var(--ink); }
footer p { max-width: 100ch; margin: 6px 0 12px; }
.words { display: flex; flex-wrap: wrap; gap: 8px 30px; }
.words dt { color: var(--ink); font-weight: 600; }
.words dd { font-weight: 400; }

@media screen and (max-width: 860px) {
  .columns { grid-template-columns: minmax(0, 1fr); }
}
@media screen and (max-width: 680px) {
  body { padding: 16px 16px 40px; }
  h1 { font-size: 20px; }
  .causes li { grid-template-columns: minmax(0, 1fr); }
  .stack thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  .stack, .stack tbody, .stack tr, .stack th, .stack td { display: block; width: auto; }
  .stack tbody tr { padding: 8px 0; border-bottom: 1px solid var(--rule); }
  .stack tbody tr:first-child { border-top: 1px solid var(--quiet); }
  .stack th[scope="row"] { padding: 0 0 3px; border: 0; font-weight: 600; }
  .stack td { position: relative; min-height: 1.5em; padding: 1px 0 1px 116px; border: 0; text-align: left; white-space: normal; }
  .stack td::before { content: attr(data-label); position: absolute; left: 0; color: var(--quiet); }
  .stack .spark { margin-top: -5px; }
  .stack td.bar-cell { width: auto; min-height: 0; padding: 3px 0 4px 116px; }
  .stack .bar-cell::before { content: none; }
  .outcomes th .quiet { display: block; margin-left: 19px; }
}
@media print {
  body { padding: 0; max-width: none; font-size: 8.5pt; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  h1 { font-size: 15pt; }
  h2 { font-size: 12pt; }
  h3, h4 { font-size: 9pt; margin-top: 14pt; }
  code, .examples th, .examples td, thead th, small { font-size: 7.5pt; }
  th, thead td, tbody td, tfoot td { padding: 2.5pt 9pt 2.5pt 0; }
  .examples time { min-width: 0; font-size: 7pt; }
  .examples td:nth-child(-n + 3) { white-space: nowrap; }
  .causes li { grid-template-columns: 150pt minmax(0, 1fr); padding: 5pt 0; }
  .charts { grid-template-columns: repeat(auto-fill, minmax(150pt, 1fr)); gap: 10pt 16pt; }
  .bar-cell { width: 50pt; }
  .runs { display: none; }
  section.view, main > section { margin-top: 20pt; padding-top: 10pt; }
  a { color: inherit; text-decoration: none; }
  section.view { break-before: auto; }
  h2, h3, h4 { break-after: avoid; }
  tr { break-inside: avoid; }
  details::details-content { content-visibility: visible; display: block; height: auto; }
  details > summary { list-style: none; }
}
</style>`;
