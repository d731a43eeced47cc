/** A line chart as SVG: some series over one horizontal axis. A point at infinity is drawn as leaving by the top. */

import { linearScale, logarithmicScale, type Scale } from "./chart-scale.ts";
import { element, FRAME, type Heading, pixel, svgDocument, textAt } from "./svg-frame.ts";

/** One line. */
export interface Series {
  /** In the legend; empty for one that is told with another. */
  readonly label: string;
  /** 0 … 5, see svg-frame.ts. */
  readonly color: number;
  readonly isDashed?: boolean;
  /** Ascending in x. */
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

/** What to draw. */
export interface LineChart extends Heading {
  readonly x: { readonly title: string };
  readonly y: { readonly title: string; readonly isLogarithmic?: boolean };
  readonly lines: readonly Series[];
}

const HEIGHT = 420;
const PLOT = Object.freeze({ left: 66, right: FRAME.right, top: 122, bottom: HEIGHT - 56 });
/** A legend entry's width: its stroke and the gap after its text; a character takes about 7 pixels. */
const LEGEND = Object.freeze({ stroke: 24, gap: 44, character: 7 });

/** Draws a chart. */
export function lineChart({ x, y, lines, ...heading }: LineChart): string {
  const points = lines.flatMap((line) => line.points);
  const across = linearScale(points.map((point) => point.x));
  const up = (y.isLogarithmic ? logarithmicScale : linearScale)(points.map((point) => point.y));
  return svgDocument(heading, HEIGHT, [
    ...legend(lines),
    textAt(FRAME.left, PLOT.top - 12, y.title, { class: "quiet" }),
    textAt(PLOT.right, HEIGHT - 16, x.title, { class: "quiet", "text-anchor": "end" }),
    ...up.ticks.flatMap((tick) => {
      const at = yOf(up, tick);
      return [
        element("line", { class: "grid", x1: PLOT.left, x2: PLOT.right, y1: at, y2: at }),
        textAt(PLOT.left - 8, at + 4, String(tick), { class: "quiet", "text-anchor": "end" }),
      ];
    }),
    ...across.ticks.map((tick) =>
      textAt(xOf(across, tick), PLOT.bottom + 18, String(tick), { class: "quiet", "text-anchor": "middle" }),
    ),
    ...lines.flatMap((line) => drawn(line, across, up)),
  ]);
}

const xOf = (scale: Scale, value: number) => PLOT.left + scale.place(value) * (PLOT.right - PLOT.left);
const yOf = (scale: Scale, value: number) =>
  Number.isFinite(value) ? PLOT.bottom - scale.place(value) * (PLOT.bottom - PLOT.top) : PLOT.top - 6;

function legend(lines: readonly Series[]): readonly string[] {
  let left = FRAME.left;
  return lines
    .filter(({ label }) => label !== "")
    .flatMap(({ label, color }) => {
      const start = left;
      left += LEGEND.stroke + LEGEND.gap + label.length * LEGEND.character;
      const y = FRAME.top + 12;
      return [
        element("line", { class: `line c${color}`, x1: start, x2: start + LEGEND.stroke, y1: y, y2: y }),
        textAt(start + LEGEND.stroke + 8, y + 4, label),
      ];
    });
}

function drawn({ points, color, isDashed }: Series, across: Scale, up: Scale): readonly string[] {
  // What follows the first point at infinity is of a server that no longer keeps up.
  const end = points.findIndex(({ y }) => !Number.isFinite(y));
  const shown = end === -1 ? points : points.slice(0, end + 1);
  const places = shown.map(({ x, y }) => `${pixel(xOf(across, x))},${pixel(yOf(up, y))}`);
  const line = element("polyline", {
    class: `line c${color}${isDashed ? " dashed" : ""}`,
    points: places.join(" "),
  });
  const dots = shown
    .filter(({ y }) => Number.isFinite(y))
    .map(({ x, y }) => element("circle", { class: `area c${color}`, cx: xOf(across, x), cy: yOf(up, y), r: 3 }));
  return [line, ...dots];
}
