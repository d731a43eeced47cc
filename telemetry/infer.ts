/** Metrics of the Open Inference Protocol's infer. What entities' predictions are is counted with the others, too. */

import type { Registry as MetricsRegistry } from "prom-client";
import type { InferEvent } from "../gateway/inference-protocol/infer.ts";
import { LATENCY_BUCKETS, type Listener, memoized, on } from "./listener.ts";
import { registerCounter, registerHistogram } from "./metric-series.ts";

/** Counts infer requests that were answered. */
export function countInfers(metrics: MetricsRegistry): readonly Listener[] {
  const rows = registerCounter(metrics, {
    name: "headgate_infer_rows_total",
    help: "Rows answered by infer, by what they came as: tensors, entities.",
    labelNames: ["model", "inputs"],
  });
  const seconds = registerHistogram(metrics, {
    name: "headgate_infer_seconds",
    help: "Time from an infer request's headers to its answer, compression apart.",
    labelNames: ["model", "inputs"],
    buckets: LATENCY_BUCKETS,
  });
  const of = memoized((model: string) =>
    memoized((inputs: InferEvent["inputs"]) => ({ rows: rows(model, inputs), seconds: seconds(model, inputs) })),
  );
  return [
    on<InferEvent>("headgate:infer", ({ inputs, model, rows: count, totalMs }) => {
      const series = of(model)(inputs);
      series.rows.inc(count);
      series.seconds.observe(totalMs / 1_000);
    }),
  ];
}
