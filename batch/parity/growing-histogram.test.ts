import fc from "fast-check";
import { expect, test } from "vitest";
import { GrowingHistograms } from "./growing-histogram.ts";

const histogramsOf = (values: readonly (readonly [number, number])[]) => {
  const growing = new GrowingHistograms(2);
  for (const [series, value] of values) growing.add(series, value);
  return growing.finish();
};

test("no value is lost, whatever the range and the order", () => {
  const values = fc.array(fc.tuple(fc.nat(1), fc.double({ noNaN: true, min: -1e150, max: 1e150 })), {
    maxLength: 1_500,
  });
  fc.assert(
    fc.property(values, (added) => {
      const histograms = histogramsOf(added);
      if (added.length === 0) {
        expect(histograms).toBeUndefined();
        return;
      }
      for (const series of [0, 1]) {
        const { edges, counts } = histograms![series]!;
        const own = added.filter(([of]) => of === series).map(([, value]) => value);
        expect(counts.reduce((sum, count) => sum + count, 0)).toBe(own.length);
        expect(edges.length).toBe(counts.length + 1);
        if (own.length > 0) {
          const margin = Math.abs(edges.at(-1)! - edges[0]!) * 1e-9;
          expect(Math.min(...own)).toBeGreaterThanOrEqual(edges[0]! - margin);
          expect(Math.max(...own)).toBeLessThanOrEqual(edges.at(-1)! + margin);
        }
      }
    }),
  );
});

test("bins are where the values are", () => {
  const values = Array.from({ length: 100_000 }, (_, i) => [i % 2, i / 1_000] as const);
  const [online, offline] = histogramsOf(values)!;
  expect(online!.edges).toEqual(offline!.edges);
  expect(online!.edges.length).toBeGreaterThan(16);
  const width = online!.edges[1]! - online!.edges[0]!;
  for (const count of online!.counts.slice(1, -1)) expect(Math.abs(count - width * 500)).toBeLessThanOrEqual(1);
});

test("the outer bins end at the least and the greatest value, wherever the range grew to", () => {
  const first = Array.from({ length: 600 }, (_, i) => [0, 10 + i / 100] as const);
  const [online] = histogramsOf([...first, [0, 9.5], [1, 17.25]])!;
  expect([online!.edges[0], online!.edges.at(-1)]).toEqual([9.5, 17.25]);
  for (const [i, edge] of online!.edges.slice(1).entries()) expect(edge).toBeGreaterThan(online!.edges[i]!);
});

test("bins whose edges are rounded hold their values, too", () => {
  const [online] = histogramsOf([
    [0, -Number.MIN_VALUE],
    [0, Number.MIN_VALUE],
  ])!;
  expect(online).toEqual({ edges: [-Number.MIN_VALUE, Number.MIN_VALUE], counts: [2] });
});

test("one value alone has a bin, and what is not finite has none", () => {
  expect(
    histogramsOf([
      [0, Number.NaN],
      [1, Number.POSITIVE_INFINITY],
    ]),
  ).toBeUndefined();
  const [online] = histogramsOf([
    [0, 5],
    [0, 5],
    [1, Number.NaN],
  ])!;
  expect(online!.counts).toEqual([2]);
  expect(online!.edges[0]).toBeLessThanOrEqual(5);
  expect(online!.edges[1]).toBeGreaterThanOrEqual(5);
});
