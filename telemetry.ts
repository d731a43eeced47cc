/**
 * Metrics and log lines. The folders publish on diagnostics channels and know nothing of who listens; this file alone
 * subscribes, counts, and writes. docs/metrics.md lists every metric and a test holds the two together.
 *
 * Buckets start at 50 µs: a prediction takes tens of microseconds, and the usual 5 ms floor would hide it.
 */

import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { Counter, collectDefaultMetrics, Gauge, Registry as MetricsRegistry } from "prom-client";
import { HeadgateError } from "./errors.ts";
import { STATUS_NAMES } from "./features/feature-status.ts";
import type { ServingStore } from "./features/store/serving-store.ts";
import type { JoinedModel } from "./gateway/joined-model.ts";
import type { PredictionEvent } from "./gateway/predict.ts";
import { registerCounter, registerHistogram } from "./metric-series.ts";
import type { ModelRunEvent, ModelStateEvent } from "./models/loaded-model.ts";

/** Seconds. */
const LATENCY_BUCKETS = [
  0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5,
];
const ROW_BUCKETS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024];

/** Listening telemetry. */
export interface Telemetry {
  /** All metrics in Prometheus' text form. */
  metricsText(): Promise<string>;
  /** Writes one JSON line. */
  log(level: "info" | "warn" | "error", message: string, details?: Readonly<Record<string, unknown>>): void;
  /** Shows the parts of a remote store: what memory did, whether it is coherent, the breaker's state. */
  watchStore(serving: ServingStore): void;
  /** Stops listening. */
  stop(): void;
}

/** Starts to count, and to log to `write`, one JSON line a call; `now` is epoch ms. */
export function startTelemetry(write: (line: string) => void, now: () => number): Telemetry {
  const metrics = new MetricsRegistry();
  collectDefaultMetrics({ register: metrics });
  const log: Telemetry["log"] = (level, message, details = {}) =>
    write(`${JSON.stringify({ time: new Date(now()).toISOString(), level, message, ...details })}\n`);
  const listeners = [
    ...countPredictions(metrics),
    ...countModels(metrics, log),
    ...countFaults(metrics, log),
    ...logStore(log),
  ];
  for (const { name, listener } of listeners) subscribe(name, listener);
  return Object.freeze({
    metricsText: () => metrics.metrics(),
    log,
    watchStore: (serving: ServingStore) => watchStore(metrics, serving),
    stop: () => {
      for (const { name, listener } of listeners) unsubscribe(name, listener);
    },
  });
}

interface Listener {
  readonly name: string;
  readonly listener: (message: unknown) => void;
}

const on = <Message>(name: string, listener: (message: Message) => void): Listener => ({
  name,
  listener: listener as (message: unknown) => void,
});

function countPredictions(metrics: MetricsRegistry): readonly Listener[] {
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
  const ofView = memoized((view: string) => STATUS_NAMES.map((status) => statuses(view, status)));
  const ofModel = memoized((model: string) => ({
    features: seconds(model, "features"),
    model: seconds(model, "model"),
    total: seconds(model, "total"),
  }));
  const of = memoized(({ model, reader }: JoinedModel) => ({
    entities: entities(model.name, String(model.version)),
    ...ofModel(model.name),
    views: reader.plan.keys.flatMap(({ views }) => views.map(({ name, index }) => ({ index, counters: ofView(name) }))),
  }));
  return [
    on<PredictionEvent>("headgate:prediction", ({ joined, vectors, featuresMs, modelMs, totalMs }) => {
      const series = of(joined);
      series.entities.inc(vectors.length);
      series.features.observe(featuresMs / 1_000);
      series.model.observe(modelMs / 1_000);
      series.total.observe(totalMs / 1_000);
      for (const { index, counters } of series.views) {
        for (const vector of vectors) counters[vector.views[index]!.status]!.inc(1);
      }
    }),
    on<{ thrown: unknown }>("headgate:prediction-refused", ({ thrown }) =>
      refusals.inc({ code: thrown instanceof HeadgateError ? thrown.code : "INTERNAL" }),
    ),
  ];
}

/** Series are asked for once and kept. */
function memoized<Key, Made>(make: (key: Key) => Made): (key: Key) => Made {
  const made = new Map<Key, Made>();
  return (key) => {
    let known = made.get(key);
    if (known === undefined) {
      known = make(key);
      made.set(key, known);
    }
    return known;
  };
}

function countModels(metrics: MetricsRegistry, log: Telemetry["log"]): readonly Listener[] {
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

function countFaults(metrics: MetricsRegistry, log: Telemetry["log"]): readonly Listener[] {
  const registers = [metrics];
  const incompatible = new Counter({
    name: "headgate_incompatible_rows_total",
    help: "Stored rows that can't be read as their feature view is declared today; they count as NOT_FOUND.",
    labelNames: ["feature_view"],
    registers,
  });
  const unexpected = new Counter({
    name: "headgate_unexpected_errors_total",
    help: "Failures that the error table does not foresee; the log has each cause.",
    registers,
  });
  return [
    on<{ view: string }>("headgate:row-incompatible", ({ view }) => incompatible.inc({ feature_view: view })),
    on<{ requestId: string; cause: unknown }>("headgate:unexpected", ({ requestId, cause }) => {
      unexpected.inc();
      const stack = cause instanceof Error ? cause.stack : String(cause);
      log("error", "unexpected failure", { request_id: requestId, stack });
    }),
  ];
}

function logStore(log: Telemetry["log"]): readonly Listener[] {
  return [
    on<string>("headgate:store-coherence", (state) =>
      log(state === "armed" ? "info" : "warn", `memory before the online store is ${state}`),
    ),
    on<string>("headgate:store-breaker", (state) =>
      log(state === "closed" ? "info" : "warn", `circuit breaker of the online store is ${state}`),
    ),
    on<{ reason: string }>("headgate:store-tracking-failed", ({ reason }) =>
      log("warn", "changes of the online store are not told", { reason }),
    ),
    on<{ message: string }>("headgate:store-warning", ({ message }) => log("warn", message)),
  ];
}

/** Read when metrics are scraped, so that counting costs a read of the store nothing. */
function watchStore(metrics: MetricsRegistry, { memory, breaker }: ServingStore): void {
  const registers = [metrics];
  const gauge = (name: string, help: string, value: () => number) => {
    const shown: Gauge = new Gauge({ name, help, registers, collect: () => shown.set(value()) });
  };
  const total = (name: string, help: string, value: () => number) => {
    const shown: Counter = new Counter({
      name,
      help,
      registers,
      collect: () => {
        shown.reset();
        shown.inc(value());
      },
    });
  };
  if (memory !== undefined) {
    const counts = () => memory.counts();
    total("headgate_memory_hits_total", "Entities answered from memory.", () => counts().hits);
    total(
      "headgate_memory_negative_hits_total",
      "Of the hits, entities known to have no row.",
      () => counts().negativeHits,
    );
    total("headgate_memory_misses_total", "Entities for which the remote store was asked.", () => counts().misses);
    total(
      "headgate_memory_joined_total",
      "Of the misses, those that waited for a read under way.",
      () => counts().joined,
    );
    total("headgate_memory_evictions_total", "Entities that had to go for others.", () => counts().evictions);
    total("headgate_memory_invalidations_total", "Entities told to have changed.", () => counts().invalidations);
    total(
      "headgate_memory_drops_total",
      "Times that everything was dropped, the first arming included.",
      () => counts().drops,
    );
    total(
      "headgate_memory_discarded_fills_total",
      "Entities read but not kept, because they changed meanwhile.",
      () => counts().discardedFills,
    );
    gauge("headgate_memory_entities", "Entities kept now.", () => counts().entities);
    gauge("headgate_memory_bytes", "What they take, as reckoned.", () => counts().bytes);
    gauge("headgate_memory_armed", "1 while kept rows are proven current, 0 while they are fenced.", () =>
      memory.coherence().state === "armed" ? 1 : 0,
    );
  }
  if (breaker !== undefined) {
    const states = { closed: 0, "half-open": 1, open: 2 };
    gauge(
      "headgate_store_breaker_state",
      "Circuit breaker of the online store: 0 closed, 1 half-open, 2 open.",
      () => states[breaker.breaker().state],
    );
  }
}
