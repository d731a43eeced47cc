/**
 * Counters and histograms for the hot path: an observation is an array element that is raised, and everything else is
 * put off until metrics are scraped. prom-client's own look their labels up at every observation, which for the five
 * series of a prediction costs some microseconds; it still does all the writing, for these as for its own.
 */

import type { Metric, Registry as MetricsRegistry } from "prom-client";

/** What a metric is called and split by. */
export interface MetricOptions {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly string[];
}

/** One combination of labels of a counter. */
export interface CounterSeries {
  inc(by: number): void;
}

/** One combination of labels of a histogram. */
export interface HistogramSeries {
  observe(value: number): void;
}

/** Hands out a metric's series; ask once and keep it. Label values are in the order of the names. */
export type SeriesOf<Series> = (...labelValues: readonly string[]) => Series;

interface Value {
  readonly metricName?: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

/** Registers a counter. */
export function registerCounter(metrics: MetricsRegistry, options: MetricOptions): SeriesOf<CounterSeries> {
  const all: { readonly labels: Readonly<Record<string, string>>; value: number }[] = [];
  register(metrics, options, "counter", () => all);
  return (...labelValues) => {
    const series = { labels: labelsOf(options, labelValues), value: 0 };
    all.push(series);
    return {
      inc: (by) => {
        series.value += by;
      },
    };
  };
}

/** Registers a histogram; `buckets` are upper bounds, ascending. */
export function registerHistogram(
  metrics: MetricsRegistry,
  options: MetricOptions & { readonly buckets: readonly number[] },
): SeriesOf<HistogramSeries> {
  const { name, buckets } = options;
  const all: { readonly labels: Readonly<Record<string, string>>; readonly counts: Float64Array; sum: number }[] = [];
  register(metrics, options, "histogram", () =>
    all.flatMap(({ labels, counts, sum }) => {
      const values: Value[] = [];
      let total = 0;
      for (const [i, count] of counts.entries()) {
        total += count;
        values.push({ metricName: `${name}_bucket`, labels: { ...labels, le: buckets[i] ?? "+Inf" }, value: total });
      }
      values.push(
        { metricName: `${name}_sum`, labels, value: sum },
        { metricName: `${name}_count`, labels, value: total },
      );
      return values;
    }),
  );
  return (...labelValues) => {
    const series = { labels: labelsOf(options, labelValues), counts: new Float64Array(buckets.length + 1), sum: 0 };
    all.push(series);
    return {
      observe: (value) => {
        let bucket = 0;
        while (bucket < buckets.length && value > buckets[bucket]!) bucket++;
        series.counts[bucket]!++;
        series.sum += value;
      },
    };
  };
}

/** Makes prom-client write the values as one of its own metrics: `get` is all that it asks of one. */
function register(
  metrics: MetricsRegistry,
  { name, help }: MetricOptions,
  type: string,
  values: () => readonly Value[],
): void {
  const metric = {
    name,
    help,
    type,
    reset: () => {},
    get: async () => ({ name, help, type, values: values(), aggregator: "sum" }),
  };
  metrics.registerMetric(metric as unknown as Metric);
}

function labelsOf({ labelNames }: MetricOptions, values: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(labelNames.map((label, i) => [label, values[i]!]));
}
