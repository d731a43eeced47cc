import { expect, it } from "vitest";
import { barChart } from "./bar-chart.ts";
import { lineChart } from "./line-chart.ts";

/** Throws unless it is one element, every tag closed, every attribute quoted, no stray < or &. */
function assertWellFormed(xml: string): void {
  const open: string[] = [];
  const tag = /<(\/?)([a-zA-Z][\w:-]*)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>|<|&(?!(?:amp|lt|gt|quot);)/g;
  for (const [whole, isClosing, name, , isEmpty] of xml.matchAll(tag)) {
    if (name === undefined) throw new Error(`stray ${whole}`);
    if (isClosing === "/") {
      if (open.pop() !== name) throw new Error(`</${name}> closes another`);
    } else if (isEmpty !== "/") open.push(name);
  }
  expect(open).toEqual([]);
}

const heading = { title: 'Latency < "rate" & so on', subtitle: "5 > 3" };
const lines = [
  {
    label: "floor",
    color: 0,
    points: [
      { x: 1, y: 0.2 },
      { x: 8, y: 0.9 },
    ],
  },
  {
    label: "server <1>",
    color: 1,
    isDashed: true,
    points: [
      { x: 1, y: 0.3 },
      { x: 4, y: Number.POSITIVE_INFINITY },
      { x: 8, y: Number.POSITIVE_INFINITY },
    ],
  },
];

it("draws well-formed pictures, whatever the texts", () => {
  const chart = lineChart({ ...heading, x: { title: "a & b" }, y: { title: "<ms>", isLogarithmic: true }, lines });
  assertWellFormed(chart);
  assertWellFormed(barChart({ ...heading, bars: [{ label: "a < b", value: 3, color: 0 }] }));
  expect(chart).toContain("Latency &lt; &quot;rate&quot; &amp; so on");
  expect(() => assertWellFormed("<a><b></a>")).toThrow();
  expect(() => assertWellFormed("<a>R&D</a>")).toThrow();
});

it("asks for nothing from outside", () => {
  const chart = lineChart({ ...heading, x: { title: "" }, y: { title: "" }, lines });
  expect(chart.replace('xmlns="http://www.w3.org/2000/svg"', "")).not.toMatch(/https?:|url\(|<script|<image|@import/);
});

it("draws a bar's length in proportion to its value", () => {
  const bars = [
    { label: "one", value: 100, color: 0 },
    { label: "two", value: 50, color: 1 },
  ];
  const widths = [...barChart({ ...heading, bars }).matchAll(/width="([\d.]+)" height="20"/g)].map((m) => Number(m[1]));
  expect(widths[1]! / widths[0]!).toBeCloseTo(0.5, 2);
});

it("ends a line where it leaves the picture, and marks no point there", () => {
  const chart = lineChart({ ...heading, x: { title: "" }, y: { title: "" }, lines });
  expect(chart.match(/<circle/g)).toHaveLength(3);
  const dashed = /class="line c1 dashed" points="([^"]*)"/.exec(chart)![1]!;
  expect(dashed.split(" ")).toHaveLength(2);
});
