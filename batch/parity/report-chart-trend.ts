/**
 * The small charts of a parity run's page that compare runs and parts: the trend of a view's mismatch rate over the last
 * runs, and a bar that is divided as a whole is. A run's verdict is the shape of its point: a disc passed, a square
 * failed, a cross could not compare. The line is broken where a run has no rate.
 */

import type { ViewParity } from "./parity-result.ts";
import { type Html, html } from "./report-html.ts";
import { instant, percent, percentOf, wholeNumber } from "./report-page-number.ts";

/** What a run found of a view. */
export interface TrendPoint {
  /** RFC 3339. */
  readonly startedAt: string;
  readonly verdict: ViewParity["verdict"];
  readonly mismatchRate: number;
  readonly compared: number;
}

/** A rate that is as good as none: a sparkline whose rates are all less is flat, as its scale ends here. */
const SPARK_RATE_MIN = 0.001;
const SPARK = Object.freeze({ width: 132, height: 30, inset: 5 });
const TREND = Object.freeze({ width: 380, height: 110, left: 62, right: 372, top: 24, bottom: 88 });
/** Of more runs than this only what did not pass has a point, ever so small. */
const POINTS_DRAWN_MAX = 31;

/** The trend in the height of a line of text, oldest run first; undefined where there is no run before. */
export function sparkline(view: string, points: readonly TrendPoint[]): Html | undefined {
  if (points.length < 2) return undefined;
  const { width, height, inset } = SPARK;
  const area = { left: inset, right: width - inset, top: inset, bottom: height - inset };
  return html`<svg class="spark" viewBox="0 0 ${width} ${height}" role="img"><title>${toldTrend(view, points)}</title>${drawn(points, area, Math.max(SPARK_RATE_MIN, ...ratesOf(points)))}</svg>`;
}

/** The trend with its axes; undefined where there is no run before. */
export function trendChart(view: string, points: readonly TrendPoint[]): Html | undefined {
  if (points.length < 2) return undefined;
  const { width, height, left, right, top, bottom } = TREND;
  const rateMax = Math.max(...ratesOf(points));
  const [first, last] = [points[0]!, points.at(-1)!];
  return html`<svg class="chart" viewBox="0 0 ${width} ${height}" role="img"><title>${toldTrend(view, points)}</title>
<text class="tick" x="${left}" y="13">mismatch rate, last ${points.length} runs</text>
<path class="axis" d="M${left} ${bottom + 3}H${right}"/>
<text class="tick" x="${left - 6}" y="${bottom + 4}" text-anchor="end">0</text>
${rateMax > 0 && html`<path class="grid" d="M${left} ${top}H${right}"/><text class="tick" x="${left - 6}" y="${top + 4}" text-anchor="end">${percent(rateMax)}</text>`}
<text class="tick" x="${left}" y="${height - 5}">${dayOf(first)}</text><text class="tick" x="${right}" y="${height - 5}" text-anchor="end">${dayOf(last)}</text>
${drawn(points, { left: left + 4, right: right - 4, top, bottom }, rateMax)}</svg>`;
}

interface Area {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

function drawn(points: readonly TrendPoint[], { left, right, top, bottom }: Area, rateMax: number): Html {
  const step = (right - left) / Math.max(points.length - 1, 1);
  const placed = points.map((point, i) => {
    const height = rateMax > 0 && hasRate(point) ? (point.mismatchRate / rateMax) * (bottom - top) : 0;
    return { point, x: left + i * step, y: bottom - height };
  });
  const line = placed.map(({ point, x, y }, i) => {
    if (!hasRate(point)) return "";
    return `${i === 0 || !hasRate(points[i - 1]!) ? "M" : "L"}${x.toFixed(1)} ${y.toFixed(1)}`;
  });
  const isLast = (i: number) => i === points.length - 1;
  const marks = placed
    .filter(({ point }, i) => points.length <= POINTS_DRAWN_MAX || point.verdict !== "pass" || isLast(i))
    .map(({ point, x, y }) => mark(point, x, y));
  return html`<path class="trend-line" d="${line.join("")}"/>${marks}`;
}

function mark(point: TrendPoint, x: number, y: number): Html {
  const told = html`<title>${toldPoint(point)}</title>`;
  const [left, top] = [(x - 2.5).toFixed(1), (y - 2.5).toFixed(1)];
  if (point.verdict === "pass") {
    return html`<circle class="mark-pass" cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="2.2">${told}</circle>`;
  }
  if (point.verdict === "fail") {
    return html`<rect class="mark-fail" x="${left}" y="${top}" width="5" height="5">${told}</rect>`;
  }
  return html`<path class="mark-error" d="M${left} ${top}l5 5m0-5l-5 5">${told}</path>`;
}

function ratesOf(points: readonly TrendPoint[]): readonly number[] {
  return [0, ...points.filter(hasRate).map(({ mismatchRate }) => mismatchRate)];
}

/** A run that compared nothing has no rate, though it is written as 0. */
function hasRate({ verdict, mismatchRate, compared }: TrendPoint): boolean {
  return verdict !== "error" && (compared > 0 || mismatchRate > 0);
}

function dayOf({ startedAt }: TrendPoint): string {
  return startedAt.slice(0, "2026-01-01".length);
}

function toldPoint(point: TrendPoint): string {
  const { startedAt, verdict, mismatchRate, compared } = point;
  const rate = !hasRate(point) ? "" : `, ${percent(mismatchRate)} of mismatches, ${wholeNumber(compared)} compared`;
  return `${instant(startedAt)}: ${verdict}${rate}`;
}

function toldTrend(view: string, points: readonly TrendPoint[]): string {
  const passed = points.filter(({ verdict }) => verdict === "pass").length;
  const most = percent(Math.max(...ratesOf(points)));
  return `Mismatch rate of ${view} over ${points.length} runs: ${passed} passed, at most ${most}; the last: ${toldPoint(points.at(-1)!)}`;
}

/** A part of a whole: its count, its name, and the class that paints it. */
export interface BarPart {
  readonly name: string;
  readonly count: number;
  readonly paint: string;
}

const BAR = Object.freeze({ width: 1_000, height: 18, partMin: 6, gap: 2 });

/** A bar divided as `parts` divide their sum; a part that is there at all can be seen. */
export function dividedBar(parts: readonly BarPart[]): Html {
  const present = parts.filter(({ count }) => count > 0);
  const total = present.reduce((sum, { count }) => sum + count, 0);
  const title = present
    .map(({ name, count }) => `${name} ${wholeNumber(count)} (${percentOf(count, total)})`)
    .join(", ");
  const free = BAR.width - present.length * BAR.partMin;
  let left = 0;
  const drawnParts = present.map(({ name, count, paint }) => {
    const width = BAR.partMin + (count / total) * free;
    const rect = html`<rect class="${paint}" x="${left.toFixed(1)}" y="0" width="${Math.max(width - BAR.gap, 1).toFixed(1)}" height="${BAR.height}"><title>${name}: ${wholeNumber(count)}</title></rect>`;
    left += width;
    return rect;
  });
  return html`<svg class="divided" viewBox="0 0 ${BAR.width} ${BAR.height}" preserveAspectRatio="none" role="img"><title>${title === "" ? "nothing" : title}</title>${drawnParts}</svg>`;
}

/** A bar as long as a share of 0..1; what is more than nothing can be seen. */
export function shareBar(share: number): Html {
  const width = share > 0 ? Math.max(1, Math.min(share, 1) * 100) : 0;
  return html`<svg class="share" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"><rect class="share-rail" width="100" height="8"/><rect class="share-part" width="${width.toFixed(2)}" height="8"/></svg>`;
}
