/** Metrics of the routes that Feast's client calls. */

import type { Registry as MetricsRegistry } from "prom-client";
import type { FeastCallEvent } from "../gateway/feast-http/feast-call.ts";
import { LATENCY_BUCKETS, type Listener, memoized, on } from "./listener.ts";
import { registerCounter, registerHistogram } from "./metric-series.ts";

/** Counts calls. */
export function countFeastCalls(metrics: MetricsRegistry): readonly Listener[] {
  const requests = registerCounter(metrics, {
    name: "headgate_feast_requests_total",
    help: "Requests of the routes that Feast's client calls, by the code of the error they were answered with, or ok.",
    labelNames: ["route", "code"],
  });
  const seconds = registerHistogram(metrics, {
    name: "headgate_feast_request_seconds",
    help: "Time from such a request's headers to its answer's text; a load's is that of the load.",
    labelNames: ["route"],
    buckets: LATENCY_BUCKETS,
  });
  const of = memoized((route: string) => ({
    seconds: seconds(route),
    requests: memoized((code: string) => requests(route, code)),
  }));
  return [
    on<FeastCallEvent>("headgate:feast-call", ({ route, code, durationMs }) => {
      const series = of(route);
      series.requests(code).inc(1);
      series.seconds.observe(durationMs / 1_000);
    }),
  ];
}
