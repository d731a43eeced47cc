/** Metrics and log lines of models: their runs, and which versions are ready. */

import { Counter, Gauge, type Registry as MetricsRegistry } from "prom-client";
import type { ModelRunEvent, ModelStateEvent } from "../models/loaded-model.ts";
import { LATENCY_BUCKETS, type Listener, type Log, memoized, on, ROW_BUCKETS } from "./listener.ts";
import { registerHistogram } from "./metric-series.ts";

/** Counts runs of models and tells of their states. */
export function countModels(metrics: MetricsRegistry, log: Log): readonly Listener[] {
  const registers = [metrics];
  const rows = registerHistogram(metrics, {
    name: "headgate_model_run_rows",
    help: "Entities that shared one run of a model.",
    labelNames: ["model"],
    buckets: ROW_BUCKETS,
  });
  const seconds = registerHistogram(metrics, {
    name: "headgate_model_run_seconds",
    help: "Time of one run of a model, with the turn of the event loop that it waits.",
    labelNames: ["model"],
    buckets: LATENCY_BUCKETS,
  });
  const failures = new Counter({
    name: "headgate_model_run_failures_total",
    help: "Runs of a model that failed.",
    labelNames: ["model", "version"],
    registers,
  });
  const ready = new Gauge({
    name: "headgate_model_ready",
    help: "1 while the version is READY, else 0.",
    labelNames: ["model", "version"],
    registers,
  });
  const of = memoized((model: string) => ({ rows: rows(model), seconds: seconds(model) }));
  return [
    on<ModelRunEvent>("headgate:model-run", (event) => {
      const series = of(event.model);
      series.rows.observe(event.rows);
      series.seconds.observe(event.durationMs / 1_000);
      if (event.failed) failures.inc({ model: event.model, version: event.version });
    }),
    on<ModelStateEvent>("headgate:model-state", ({ model, version, state, reason }) => {
      ready.set({ model, version }, state === "READY" ? 1 : 0);
      const bad = state === "UNAVAILABLE" && reason !== undefined;
      if (bad || state === "READY")
        log(bad ? "error" : "info", `model ${model} version ${version} is ${state}`, { reason });
    }),
  ];
}
