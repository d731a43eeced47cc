/** Metrics and log lines of models: their runs, which versions are ready and where, their workers. */

import { Counter, Gauge, type Registry as MetricsRegistry } from "prom-client";
import type { Models } from "../models/lifecycle.ts";
import type { LoadedModel, ModelStateEvent } from "../models/loaded-model.ts";
import type { ModelRunEvent } from "../models/run-counts.ts";
import type { ModelWorkerEvent } from "../models/session-pool.ts";
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
  const workers = new Counter({
    name: "headgate_model_workers_ended_total",
    help: "Worker processes of a model that ended by themselves.",
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
      const bad = state === "UNAVAILABLE" && reason !== undefined;
      if (bad || state === "READY")
        log(bad ? "error" : "info", `model ${model} version ${version} is ${state}`, { reason });
    }),
    on<ModelWorkerEvent>("headgate:model-worker", ({ model, version, event, reason }) => {
      if (event === "ended") workers.inc({ model, version });
      const level = event === "restarted" ? "info" : "error";
      log(level, `model ${model} version ${version}: a worker process is ${event}`, { reason });
    }),
  ];
}

/** Shows which versions are ready, where they run and what waits for them; `models` is asked at every scrape. */
export function watchModelQueues(metrics: MetricsRegistry, models: Pick<Models, "list">): void {
  const registers = [metrics];
  const each = (set: (model: LoadedModel) => void) => {
    for (const { ready } of models.list()) for (const model of ready.values()) set(model);
  };
  const ready = new Gauge({
    name: "headgate_model_ready",
    help: "1 while the version is READY, else 0; none for one that is not to be loaded.",
    labelNames: ["model", "version"],
    aggregator: "min",
    registers,
    collect: () => {
      ready.reset();
      for (const { name: model, versions } of models.list()) {
        for (const { state, version } of versions) {
          if (state !== "UNKNOWN") ready.set({ model, version }, state === "READY" ? 1 : 0);
        }
      }
    },
  });
  const queue = new Gauge({
    name: "headgate_model_queue_rows",
    help: "Entities that wait for a run of the version.",
    labelNames: ["model", "version"],
    registers,
    collect: () => {
      queue.reset();
      each(({ name: model, queuedRows, version }) => queue.set({ model, version }, queuedRows));
    },
  });
  const placed = new Gauge({
    name: "headgate_model_placement",
    help: "1: where the version runs, inline on the event loop or in workers, processes of its own.",
    labelNames: ["model", "version", "placement"],
    aggregator: "max",
    registers,
    collect: () => {
      placed.reset();
      each(({ name: model, placement, version }) => placed.set({ model, version, placement }, 1));
    },
  });
}
