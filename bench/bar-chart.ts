/** A bar chart as SVG: one horizontal bar a value, told at its end. Bars begin at 0, so their lengths can be compared. */

import { linearScale } from "./chart-scale.ts";
import { element, FRAME, type Heading, svgDocument, textAt } from "./svg-frame.ts";

/** One bar. */
export interface BarOfChart {
  readonly label: string;
  readonly value: number;
  /** 0 … 5, see svg-frame.ts. */
  readonly color: number;
}

/** What to draw. */
export interface BarChart extends Heading {
  readonly bars: readonly BarOfChart[];
}

const ROW = 34;
const BAR = 20;
const LEFT = 266;
/** Room for the values behind the longest bar. */
const VALUE_WIDTH = 72;

/** Draws a chart. */
export function barChart({ bars, ...heading }: BarChart): string {
  const scale = linearScale(bars.map(({ value }) => value));
  const most = Math.max(...bars.map(({ value }) => scale.place(value)));
  const width = (FRAME.right - LEFT - VALUE_WIDTH) / most;
  const drawn = bars.flatMap(({ label, value, color }, i) => {
    const y = FRAME.top + 12 + i * ROW;
    const length = Math.max(1, scale.place(value) * width);
    return [
      textAt(LEFT - 10, y + 15, label, { "text-anchor": "end" }),
      element("rect", { class: `area c${color}`, x: LEFT, y, width: length, height: BAR, rx: 2 }),
      textAt(LEFT + length + 8, y + 15, Math.round(value).toLocaleString("en-US")),
    ];
  });
  return svgDocument(heading, FRAME.top + 12 + bars.length * ROW + 10, drawn);
}
