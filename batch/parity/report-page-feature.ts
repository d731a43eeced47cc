/**
 * The features of a view on a parity run's page: how often each differs and how often it is null on either side, the
 * worst first, and the distributions of those that are numbers.
 */

import type { FeatureParity, ViewParity } from "./parity-result.ts";
import { distributionChart } from "./report-chart.ts";
import { shareBar } from "./report-chart-trend.ts";
import { type Html, html } from "./report-html.ts";
import { code } from "./report-page-code.ts";
import { percentOf, wholeNumber } from "./report-page-number.ts";

/** The table and the charts; undefined where a view has no feature to tell of. */
export function featureTables(view: ViewParity): Html | undefined {
  if (view.features.length === 0) return undefined;
  const features = [...view.features].sort((a, b) => shareOf(b) - shareOf(a));
  // Each row that is served has an age.
  const served = (view.freshness_seconds?.counts ?? []).reduce((sum, count) => sum + count, 0);
  return html`<h3>Features</h3>
<table class="stack">
<thead><tr><th scope="col">Feature</th><th scope="col">Type</th><th scope="col" class="number">Compared</th><th scope="col" class="number">Mismatched</th><th scope="col" class="number">Share</th><td class="bar-cell"></td><th scope="col" class="number">Nulls online</th><th scope="col" class="number">Nulls offline</th></tr></thead>
<tbody>${features.map((feature) => featureRow(feature, served, view.offline_entities))}</tbody></table>
${distributions(features)}`;
}

function shareOf({ compared, mismatched }: FeatureParity): number {
  return compared === 0 ? 0 : mismatched / compared;
}

function featureRow(feature: FeatureParity, served: number, offline: number): Html {
  const { compared, mismatched, online_nulls, offline_nulls } = feature;
  return html`<tr><th scope="row">${code(feature.feature)}</th><td class="quiet" data-label="Type">${code(feature.type)}</td>
<td class="number" data-label="Compared">${wholeNumber(compared)}</td><td class="number" data-label="Mismatched">${wholeNumber(mismatched)}</td>
<td class="number" data-label="Share">${percentOf(mismatched, compared)}</td><td class="bar-cell">${shareBar(shareOf(feature))}</td>
<td class="number" data-label="Nulls online">${nulls(online_nulls, served)}</td><td class="number" data-label="Nulls offline">${nulls(offline_nulls, offline)}</td></tr>`;
}

function nulls(count: number, rows: number): Html {
  return html`${wholeNumber(count)}${count > 0 && html` <span class="quiet">${percentOf(count, rows)}</span>`}`;
}

function distributions(features: readonly FeatureParity[]): Html | false {
  const figures = features.flatMap((feature) => {
    const chart = distributionChart(feature);
    return chart === undefined
      ? []
      : [html`<figure><figcaption>${code(feature.feature)}</figcaption>${chart}</figure>`];
  });
  return figures.length > 0 && html`<h4>Distributions, online against offline</h4><div class="charts">${figures}</div>`;
}
