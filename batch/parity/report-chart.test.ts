import fc from "fast-check";
import { expect, test } from "vitest";
import { GrowingHistograms } from "./growing-histogram.ts";
import type { FeatureParity, Histogram } from "./parity-result.ts";
import { distributionChart, freshnessChart } from "./report-chart.ts";
import { dividedBar, shareBar, sparkline, type TrendPoint, trendChart } from "./report-chart-trend.ts";
import { type Html, renderHtml } from "./report-html.ts";

const feature = (online: Histogram | null, offline: Histogram | null): FeatureParity => ({
  ...{ feature: "aov_30d", type: "float32", compared: 10, mismatched: 0, online_nulls: 0, offline_nulls: 0 },
  ...{ online, offline },
});
const drawn = (online: Histogram, offline = online) => svgOf(distributionChart(feature(online, offline)));
const svgOf = (chart: Html | undefined) => {
  const svg = renderHtml(chart!);
  expect(svg).not.toMatch(/NaN|Infinity|undefined|null/);
  return svg;
};
const titleOf = (svg: string) => /<title>(.*?)<\/title>/.exec(svg)![1];

test("two sides over the same bins: both lines, both ends of both axes, what differs most in the title", () => {
  const svg = drawn(
    { edges: [0, 10, 20, 30], counts: [5, 0, 1_234] },
    { edges: [0, 10, 20, 30], counts: [5, 12, 1_222] },
  );
  expect(svg).toContain('class="online-line"');
  expect(svg).toContain('class="offline-line"');
  for (const tick of ["0", "15", "30", "1,234"]) expect(svg).toContain(`>${tick}</text>`);
  expect(titleOf(svg)).toBe("aov_30d: online 1,239, offline 1,239 values, they differ most from 10 to 20, by 12");
  expect(svg).toContain("<title>10 to 20: online 0, offline 12</title>");
  expect(titleOf(drawn({ edges: [0, 1], counts: [3] }))).toContain("equal in every bin");
});

test("a bin that holds anything is drawn at least a pixel high", () => {
  const svg = drawn({ edges: [0, 1, 2], counts: [1_000_000, 1] });
  const [, path] = /class="online-line" d="(M62 128V[^"]*)"/.exec(svg)!;
  expect(path).toBe("M62 128V26H217V127H372V128");
});

test("edge cases draw something that says so", () => {
  expect(drawn({ edges: [0, 1, 2], counts: [0, 0] })).toContain("no values");
  expect(drawn({ edges: [], counts: [] })).toContain("no values");
  expect(drawn({ edges: [7, 7], counts: [3] })).toContain(">7</text>");
  expect(drawn({ edges: [0, 1, 2, 3], counts: [1] })).toContain("online 1");
  expect(drawn({ edges: [-1.7e308, 0, 1.7e308], counts: [2 ** 53, 1e300] })).toContain(">1.7e308</text>");
  expect(distributionChart(feature(null, null))).toBeUndefined();
  expect(distributionChart(feature({ edges: [0, 1], counts: [1] }, null))).toBeUndefined();
});

test("no histogram breaks the charts", () => {
  const histogram = fc
    .uniqueArray(fc.double({ noNaN: true, noDefaultInfinity: true }), { maxLength: 12 })
    .chain((edges) =>
      fc
        .array(fc.oneof(fc.nat(), fc.constant(0), fc.maxSafeNat()), { maxLength: 12 })
        .map((counts) => ({ edges: [...edges].sort((a, b) => a - b), counts })),
    );
  fc.assert(
    fc.property(histogram, histogram, (online, offline) => {
      svgOf(distributionChart(feature(online, { edges: online.edges, counts: offline.counts })));
      svgOf(freshnessChart("view", online));
    }),
  );
});

test("freshness is told in units of time", () => {
  const svg = svgOf(freshnessChart("orders", { edges: [0, 3_600, 7_200, 10_800], counts: [3, 0, 1] }));
  expect(titleOf(svg)?.replaceAll("\u00a0", " ")).toBe("Freshness of orders: 4 served rows, 0 s to 3 h old");
  expect(svg.match(/class="bar"/g)).toHaveLength(3);
});

/** What stands on the chart, and what is told where it is pointed at. */
const textsOf = (svg: string, tag: "text" | "title") =>
  [...svg.matchAll(new RegExp(`<${tag}[^>]*>([^<]*)<`, "g"))].map(([, text]) => text!.replaceAll("\u00a0", " "));

test("rows of one age are one bar with one label", () => {
  const ages = new GrowingHistograms(1);
  for (let i = 0; i < 1_000; i++) ages.add(0, 86_400);
  const one = svgOf(freshnessChart("orders", ages.finish()![0]!));
  expect(textsOf(one, "text")).toEqual(["served rows by age", "0", "1,000", "24 h"]);
  expect(textsOf(one, "title")).toEqual(["Freshness of orders: 1,000 served rows, 24 h old", "24 h: 1,000 rows"]);
  // Seconds apart, which nobody tells of a day.
  for (let i = 0; i < 64; i++) ages.add(0, 86_400 + i);
  expect(textsOf(svgOf(freshnessChart("orders", ages.finish()![0]!)), "text").at(-1)).toBe("24 h");
  expect(svgOf(freshnessChart("orders", ages.finish()![0]!)).match(/class="bar"/g)).toHaveLength(1);
});

test("an age is on the axis once", () => {
  const edges = [176_400, 178_000, 181_000];
  const near = svgOf(freshnessChart("orders", { edges, counts: [3, 1] }));
  expect(textsOf(near, "text").slice(3)).toEqual(["2 d", "2.1 d"]);
});

const point = (verdict: TrendPoint["verdict"], mismatchRate: number, compared = 10): TrendPoint => ({
  ...{ startedAt: "2026-11-22T02:15:00.000Z", verdict, mismatchRate, compared },
});

test("a trend tells verdicts by shape, and has no rate where nothing was compared", () => {
  const svg = svgOf(
    trendChart("orders", [point("pass", 0), point("error", 0, 0), point("fail", 0.5), point("fail", 0, 0)]),
  );
  expect([svg.match(/<circle/g), svg.match(/<rect/g), svg.match(/mark-error/g)].map((found) => found?.length)).toEqual([
    ...[1, 2, 1],
  ]);
  const [, line] = /class="trend-line" d="([^"]*)"/.exec(svg)!;
  expect(line!.match(/M/g)).toHaveLength(2);
  expect(line).not.toContain("L");
  expect(titleOf(svg)).toContain("1 passed, at most 50");
});

test("a trend of one run is none; one without mismatches is flat", () => {
  expect(trendChart("orders", [point("fail", 1)])).toBeUndefined();
  expect(sparkline("orders", [])).toBeUndefined();
  const svg = svgOf(sparkline("orders", [point("pass", 0), point("pass", 0)]));
  expect(svg).toContain('d="M5.0 25.0L127.0 25.0"');
});

test("of a long trend only what did not pass, and the last, has a mark", () => {
  const long = Array.from({ length: 90 }, (_, i) => point(i === 40 ? "fail" : "pass", i === 40 ? 0.1 : 0));
  const svg = svgOf(sparkline("orders", long));
  expect([svg.match(/<circle/g)?.length, svg.match(/<rect/g)?.length]).toEqual([1, 1]);
});

test("a divided bar shows every part, in the order given, and fills itself", () => {
  const parts = [
    { name: "match", count: 999_999, paint: "a" },
    { name: "stale", count: 0, paint: "b" },
    { name: "extra", count: 1, paint: "c" },
  ];
  const svg = svgOf(dividedBar(parts));
  const rects = [...svg.matchAll(/class="(\w)" x="([\d.]+)" y="0" width="([\d.]+)"/g)].map(([, ...found]) => found);
  expect(rects).toEqual([
    ["a", "0.0", "992.0"],
    ["c", "994.0", "4.0"],
  ]);
  expect(titleOf(svgOf(dividedBar([])))).toBe("nothing");
});

test("a share bar stays within itself", () => {
  const widths = [0, 1e-9, 0.5, 1, 7].map((share) => /share-part" width="([^"]*)"/.exec(svgOf(shareBar(share)))![1]);
  expect(widths).toEqual(["0.00", "1.00", "50.00", "100.00", "100.00"]);
});
