/** Metrics of predictions: how many, how long, of what statuses, and what was refused. */

import { Counter, type Registry as MetricsRegistry } from "prom-client";
import { HeadgateError } from "../errors.ts";
import { STATUS_NAMES } from "../features/feature-status.ts";
import type { JoinedModel } from "../gateway/joined-model.ts";
import type { PredictionEvent } from "../gateway/part-answer.ts";
import { LATENCY_BUCKETS, type Listener, memoized, on } from "./listener.ts";
import { registerCounter, registerHistogram } from "./metric-series.ts";

/** Upper bounds in seconds, from a stream's seconds to a nightly load that has been missing for weeks. */
const AGE_BUCKETS = [1, 10, 60, 300, 900, 3_600, 21_600, 43_200, 86_400, 129_600, 172_800, 604_800, 2_592_000];

/** Counts predictions; `now` is epoch ms. */
export function countPredictions(metrics: MetricsRegistry, now: () => number): readonly Listener[] {
  const entities = registerCounter(metrics, {
    name: "headgate_prediction_entities_total",
    help: "Entities answered, rejected ones included.",
    labelNames: ["model", "version"],
  });
  const refusals = new Counter({
    name: "headgate_prediction_refusals_total",
    help: "Prediction requests answered with an error, by its code.",
    labelNames: ["code"],
    registers: [metrics],
  });
  const seconds = registerHistogram(metrics, {
    name: "headgate_prediction_seconds",
    help: "Time from a request's headers to its answer's text, by step: features, model, total.",
    labelNames: ["model", "step"],
    buckets: LATENCY_BUCKETS,
  });
  const statuses = registerCounter(metrics, {
    name: "headgate_feature_view_status_total",
    help: "Rows read for predictions, by feature view and status.",
    labelNames: ["feature_view", "status"],
  });
  const ages = registerHistogram(metrics, {
    name: "headgate_feature_age_seconds",
    help: "Age of the rows that predictions were made from, by event timestamp; rows too old included, absent ones not.",
    labelNames: ["feature_view"],
    buckets: AGE_BUCKETS,
  });
  const ofView = memoized((view: string) => ({
    counters: STATUS_NAMES.map((status) => statuses(view, status)),
    age: ages(view),
  }));
  const ofModel = memoized((model: string) => ({
    features: seconds(model, "features"),
    model: seconds(model, "model"),
    total: seconds(model, "total"),
  }));
  const entitiesOf = memoized((model: string) => memoized((version: number) => entities(model, String(version))));
  const seriesOf = ({ model, reader }: JoinedModel) => ({
    entities: entitiesOf(model.name)(model.version),
    ...ofModel(model.name),
    views: reader.plan.keys.flatMap(({ views }) => views.map(({ name, index }) => ({ index, ...ofView(name) }))),
  });
  const of = memoized(seriesOf, new WeakMap());
  return [
    on<PredictionEvent>("headgate:prediction", ({ joined, vectors, featuresMs, modelMs, totalMs }) => {
      const series = of(joined);
      series.entities.inc(vectors.length);
      series.features.observe(featuresMs / 1_000);
      series.model.observe(modelMs / 1_000);
      series.total.observe(totalMs / 1_000);
      const nowMs = now();
      for (const { index, counters, age } of series.views) {
        for (const vector of vectors) {
          const { status, eventTimestampUs } = vector.views[index]!;
          counters[status]!.inc(1);
          if (eventTimestampUs !== undefined) age.observe((nowMs - eventTimestampUs / 1_000) / 1_000);
        }
      }
    }),
    on<{ thrown: unknown }>("headgate:prediction-refused", ({ thrown }) =>
      refusals.inc({ code: thrown instanceof HeadgateError ? thrown.code : "INTERNAL" }),
    ),
  ];
}
