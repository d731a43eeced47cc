import fc from "fast-check";
import { Counter, Histogram, Registry } from "prom-client";
import { expect, test } from "vitest";
import { registerCounter, registerHistogram } from "./metric-series.ts";

const BUCKETS = [0.1, 1, 10];
const about = { name: "m", help: "What it is.", labelNames: ["a", "b"] };

test("what is scraped is what prom-client's own metrics would have written", async () => {
  const value = fc.oneof(fc.double({ min: 0, max: 20, noNaN: true }), fc.constantFrom(...BUCKETS, 0));
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(fc.constantFrom("x", "y"), value)), async (observations) => {
      const [ours, theirs] = [new Registry(), new Registry()];
      const series = registerHistogram(ours, { ...about, buckets: BUCKETS });
      const total = registerCounter(ours, { ...about, name: "t_total" });
      const histogram = new Histogram({ ...about, buckets: BUCKETS, registers: [theirs] });
      const counter = new Counter({ ...about, name: "t_total", registers: [theirs] });
      const bound = new Map<string, readonly [ReturnType<typeof series>, ReturnType<typeof total>]>();
      for (const [label, observed] of observations) {
        const own = bound.get(label) ?? ([series(label, "z"), total(label, "z")] as const);
        bound.set(label, own);
        own[0].observe(observed);
        own[1].inc(1);
        histogram.labels(label, "z").observe(observed);
        counter.labels(label, "z").inc();
      }
      const lines = async (registry: Registry) => (await registry.metrics()).split("\n").map(sortedLabels).sort();
      expect(await lines(ours)).toEqual(await lines(theirs));
    }),
  );
});

/** The order of labels means nothing, and prom-client's is not fixed. */
function sortedLabels(line: string): string {
  return line.replace(/\{(.*)\}/, (_, labels: string) => `{${labels.split(",").sort().join(",")}}`);
}
