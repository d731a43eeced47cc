/**
 * The histograms of a parity run's page, drawn as SVG: the values of a feature on both sides over the same bins, and the
 * ages of the served rows. Each says in its title what it shows, tells a bin's exact counts where it is pointed at, and
 * draws a bin that holds anything at all at least a pixel high. Colours and textures are the page's (report-page-style.ts);
 * the two sides differ in form, too: offline is an area with a dashed edge, online is a solid line before it.
 */

import type { FeatureParity, Histogram } from "./parity-result.ts";
import { type Html, html } from "./report-html.ts";
import { age, axisCount, axisNumber, wholeNumber } from "./report-page-number.ts";

const WIDTH = 380;
const HEIGHT = 150;
/** Where the bins are drawn: left, right, top, bottom of it. */
const PLOT = Object.freeze({ left: 62, right: WIDTH - 8, top: 26, bottom: HEIGHT - 22 });
const MIDDLE = (PLOT.left + PLOT.right) / 2;
/** The width of a bar that is alone. */
const LONE_BAR = 40;
const LABEL_CHARACTERS_MAX = 14;

/** A bin: its ends, and where they are drawn. */
interface Bin {
  readonly low: number;
  readonly high: number;
  readonly left: number;
  readonly right: number;
}

/** A feature's values online against offline; undefined where a side has no histogram. */
export function distributionChart({ feature, online, offline }: FeatureParity): Html | undefined {
  if (online === null || offline === null) return undefined;
  const bins = binsOf(online);
  const countMax = Math.max(0, ...online.counts, ...offline.counts);
  const totals = `online ${wholeNumber(sum(online))}, offline ${wholeNumber(sum(offline))} values`;
  const text = axisTextOf(online, axisNumber);
  const title = `${feature}: ${totals}${countMax === 0 ? "" : `, ${farthestBin(bins, online, offline, text)}`}`;
  const tinted = outline(bins, offline.counts, countMax);
  return html`<svg class="chart" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img"><title>${title}</title>
${sideLegend(sum(online), sum(offline))}${axes(online, countMax, text)}
<path class="offline-tint" d="${tinted}Z"/><path class="offline-line" d="${tinted}"/>
<path class="online-line" d="${outline(bins, online.counts, countMax)}"/>
${bins.map((bin, i) => pointedAt(bin, `${text(bin.low)} to ${text(bin.high)}: online ${wholeNumber(online.counts[i] ?? 0)}, offline ${wholeNumber(offline.counts[i] ?? 0)}`))}</svg>`;
}

/** How old the served rows are. Where all are as old as each other, in the digits that ages are told with, that is one bar. */
export function freshnessChart(view: string, given: Histogram): Html {
  const [low, high] = [given.edges[0] ?? 0, given.edges.at(-1) ?? 0];
  const isOneAge = age(low) === age(high);
  const ages = isOneAge ? { edges: [low, low], counts: [sum(given)] } : given;
  const bins = isOneAge ? [{ low, high, left: MIDDLE - LONE_BAR / 2, right: MIDDLE + LONE_BAR / 2 }] : binsOf(given);
  const countMax = Math.max(0, ...ages.counts);
  const title = `Freshness of ${view}: ${wholeNumber(sum(ages))} served rows, ${ageRange(low, high)} old`;
  const bars = bins.map((bin, i) => {
    const top = heightOf(ages.counts[i] ?? 0, countMax);
    const width = Math.max(bin.right - bin.left - 1, 0.5);
    return html`<rect class="bar" x="${round(bin.left)}" y="${round(top)}" width="${round(width)}" height="${round(PLOT.bottom - top)}"/>`;
  });
  const legend = html`<text class="tick" x="${PLOT.left}" y="13">served rows by age</text>`;
  return html`<svg class="chart" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img"><title>${title}</title>
${legend}${axes(ages, countMax, age)}
${bars}
${bins.map((bin, i) => pointedAt(bin, `${ageRange(bin.low, bin.high)}: ${wholeNumber(ages.counts[i] ?? 0)} rows`))}</svg>`;
}

function ageRange(low: number, high: number): string {
  const [from, to] = [age(low), age(high)];
  return from === to ? from : `${from} to ${to}`;
}

/** What is left of a histogram whose edges and counts do not fit each other is as many bins as both have. */
function binsOf({ edges, counts }: Histogram): readonly Bin[] {
  const bins = Math.max(0, Math.min(edges.length - 1, counts.length));
  const [low, span] = [edges[0] ?? 0, (edges[bins] ?? 0) - (edges[0] ?? 0)];
  // Where the edges are, as the axis has them; without room between them, one beside the other.
  const shareAt = (i: number) => (span > 0 && Number.isFinite(span) ? (edges[i]! - low) / span : i / bins);
  const placeAt = (i: number) => PLOT.left + shareAt(i) * (PLOT.right - PLOT.left);
  return Array.from({ length: bins }, (_, i) => {
    return { low: edges[i]!, high: edges[i + 1]!, left: placeAt(i), right: placeAt(i + 1) };
  });
}

function sum({ counts }: Histogram): number {
  return counts.reduce((total, count) => total + count, 0);
}

/** The top of a bin, at least a pixel above the axis where it holds anything. */
function heightOf(count: number, countMax: number): number {
  if (!(count > 0)) return PLOT.bottom;
  return PLOT.bottom - Math.max(1, (count / countMax) * (PLOT.bottom - PLOT.top));
}

/** Steps from bin to bin, beginning and ending on the axis. */
function outline(bins: readonly Bin[], counts: readonly number[], countMax: number): string {
  const steps = bins.map(({ right }, i) => `V${round(heightOf(counts[i] ?? 0, countMax))}H${round(right)}`);
  return `M${PLOT.left} ${PLOT.bottom}${steps.join("")}V${PLOT.bottom}`;
}

type AxisText = (value: number) => string;

function axisTextOf({ edges }: Histogram, format: typeof axisNumber): AxisText {
  const [low, high] = [edges[0] ?? 0, edges.at(-1) ?? 0];
  return (value) => format(value, low, high);
}

function axes({ edges }: Histogram, countMax: number, text: AxisText): Html {
  const { left, right, top, bottom } = PLOT;
  const [low, high] = [edges[0] ?? 0, edges.at(-1) ?? 0];
  const labels = [text(low), text(low / 2 + high / 2), text(high)] as const;
  const isRoomy = labels.every((label) => label.length <= LABEL_CHARACTERS_MAX) && new Set(labels).size === 3;
  const countTicks = countMax === 0 ? [] : [{ count: countMax, y: top }];
  return html`<path class="axis" d="M${left} ${bottom}H${right}"/>
${countTicks.map(({ y }) => html`<path class="grid" d="M${left} ${y}H${right}"/>`)}
<text class="tick" x="${left - 6}" y="${bottom}" text-anchor="end">0</text>
${countTicks.map(({ count, y }) => html`<text class="tick" x="${left - 6}" y="${y + 4}" text-anchor="end">${axisCount(count)}</text>`)}
<text class="tick" ${low < high ? html`x="${left}"` : html`x="${MIDDLE}" text-anchor="middle"`} y="${HEIGHT - 6}">${labels[0]}</text>
${isRoomy && html`<text class="tick" x="${MIDDLE}" y="${HEIGHT - 6}" text-anchor="middle">${labels[1]}</text>`}
${low < high && html`<text class="tick" x="${right}" y="${HEIGHT - 6}" text-anchor="end">${labels[2]}</text>`}
${countMax === 0 && html`<text class="tick" x="${MIDDLE}" y="${(top + bottom) / 2}" text-anchor="middle">no values</text>`}`;
}

function sideLegend(online: number, offline: number): Html {
  const { left } = PLOT;
  const second = left + 150;
  return html`<path class="online-line" d="M${left} 9h18"/><text class="tick" x="${left + 23}" y="13">online ${axisCount(online)}</text>
<path class="offline-tint" d="M${second} 4h18v10h-18Z"/><path class="offline-line" d="M${second} 14v-10h18v10"/><text class="tick" x="${second + 23}" y="13">offline ${axisCount(offline)}</text>`;
}

function farthestBin(bins: readonly Bin[], online: Histogram, offline: Histogram, text: AxisText): string {
  const differences = bins.map((_, i) => Math.abs((online.counts[i] ?? 0) - (offline.counts[i] ?? 0)));
  const most = Math.max(...differences);
  const bin = bins[differences.indexOf(most)];
  if (most === 0 || bin === undefined) return "equal in every bin";
  return `they differ most from ${text(bin.low)} to ${text(bin.high)}, by ${wholeNumber(most)}`;
}

/** An unseen area over a bin that tells its counts. */
function pointedAt({ left, right }: Bin, told: string): Html {
  const { top, bottom } = PLOT;
  return html`<rect class="hit" x="${round(left)}" y="${top}" width="${round(right - left)}" height="${bottom - top}"><title>${told}</title></rect>`;
}

/** A tenth of a pixel is enough. */
function round(pixels: number): number {
  return Math.round(pixels * 10) / 10;
}
