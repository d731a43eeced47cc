/**
 * Metrics and log lines. The folders publish on diagnostics channels and know nothing of who listens; this file and
 * its folder alone subscribe, count and write. docs/metrics.md lists every metric and a test holds the two together.
 *
 * Buckets start at 50 µs: a prediction takes tens of microseconds, and the usual 5 ms floor would hide it.
 */

import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { AggregatorRegistry, collectDefaultMetrics, Registry as MetricsRegistry } from "prom-client";
import type { MaterializedViews } from "./features/materialized-view.ts";
import type { ParityVerdicts } from "./features/parity-verdict.ts";
import type { ServingStore } from "./features/store/serving-store.ts";
import type { Models } from "./models/lifecycle.ts";
import { watchEventLoop } from "./telemetry/event-loop.ts";
import { countFaults } from "./telemetry/faults.ts";
import { countFeastCalls } from "./telemetry/feast.ts";
import { countInfers } from "./telemetry/infer.ts";
import { countIngest } from "./telemetry/ingest.ts";
import type { Log } from "./telemetry/listener.ts";
import { watchMaterialized } from "./telemetry/materialized.ts";
import { watchModelRepository } from "./telemetry/model-repository.ts";
import { type ComparedModel, countVersionChanges, watchModelVersions } from "./telemetry/model-versions.ts";
import { countModels, watchModelQueues } from "./telemetry/models.ts";
import { countNights } from "./telemetry/nightly.ts";
import { watchParity } from "./telemetry/parity.ts";
import { countPredictions } from "./telemetry/predictions.ts";
import { countServedLog } from "./telemetry/served-log.ts";
import { countRoundTrips, logStore, watchStore } from "./telemetry/store.ts";
import { watchWorkers } from "./telemetry/workers.ts";

/** A process' metrics as plain values. */
export interface ProcessMetrics {
  /** Counters and histograms: of those of a process that has ended the sum must not fall. */
  readonly counted: readonly object[];
  /** Gauges, which end with the process. */
  readonly shown: readonly object[];
}

/** Listening telemetry. */
export interface Telemetry {
  /** All metrics in Prometheus' text form. */
  metricsText(): Promise<string>;
  /** All metrics, to be summed with other processes'. */
  metrics(): Promise<ProcessMetrics>;
  /** Writes one JSON line. */
  readonly log: Log;
  /** Shows the parts of a remote store: what memory did, whether it is coherent, the breaker's state. */
  watchStore(serving: ServingStore): void;
  /** Shows when each feature view was last materialized; `read` is asked at every scrape. */
  watchMaterialized(read: () => Promise<MaterializedViews>): void;
  /** Shows where the loaded versions run and what waits for them. */
  watchModelQueues(models: Pick<Models, "list">): void;
  /** Shows what each loaded version of a model answered; `read` is asked at every scrape. */
  watchModelVersions(read: () => readonly ComparedModel[]): void;
  /** Shows what the last parity run found of each feature view; `read` is asked at every scrape. */
  watchParity(read: () => Promise<ParityVerdicts>): void;
  /** Shows this process as one of several workers; `ended` tells how many of all have ended by themselves. */
  watchWorkers(ended: () => number): void;
  /** Stops listening. */
  stop(): void;
}

/** Starts to count, and to log to `write`, one JSON line a call, `always` in each; `now` is epoch ms. */
export function startTelemetry(
  write: (line: string) => void,
  now: () => number,
  always: Readonly<Record<string, unknown>> = {},
): Telemetry {
  const metrics = new MetricsRegistry();
  collectDefaultMetrics({ register: metrics });
  const log: Log = (level, message, details = {}) =>
    write(`${JSON.stringify({ time: new Date(now()).toISOString(), level, message, ...always, ...details })}\n`);
  const listeners = [
    ...countPredictions(metrics, now),
    ...countFeastCalls(metrics),
    ...countInfers(metrics),
    ...countModels(metrics, log),
    ...countVersionChanges(metrics, log),
    ...watchModelRepository(metrics, log),
    ...countFaults(metrics, log),
    ...countIngest(metrics, log),
    ...countNights(metrics, log),
    ...countServedLog(metrics, log, now),
    ...logStore(log),
    ...countRoundTrips(metrics),
  ];
  const endLag = watchEventLoop(metrics);
  for (const { name, listener } of listeners) subscribe(name, listener);
  return Object.freeze({
    metricsText: () => metrics.metrics(),
    metrics: async () => {
      const all = await metrics.getMetricsAsJSON();
      const isShown = ({ type }: (typeof all)[number]) => String(type) === "gauge";
      return { counted: all.filter((metric) => !isShown(metric)), shown: all.filter(isShown) };
    },
    log,
    watchStore: (serving: ServingStore) => watchStore(metrics, serving),
    watchMaterialized: (read: () => Promise<MaterializedViews>) => watchMaterialized(metrics, read),
    watchParity: (read: () => Promise<ParityVerdicts>) => watchParity(metrics, read),
    watchModelQueues: (models: Pick<Models, "list">) => watchModelQueues(metrics, models),
    watchModelVersions: (read: () => readonly ComparedModel[]) => watchModelVersions(metrics, read),
    watchWorkers: (ended: () => number) => watchWorkers(metrics, ended),
    stop: () => {
      endLag();
      for (const { name, listener } of listeners) unsubscribe(name, listener);
    },
  });
}

/**
 * Metrics of several processes as one, in Prometheus' text form: counters and histograms are added up, gauges are added
 * or the least or greatest of them is taken, whichever their `aggregator` says.
 */
export function sumMetrics(all: readonly Partial<ProcessMetrics>[]): Promise<string> {
  return aggregate(all.flatMap(({ counted = [], shown = [] }) => [counted, shown])).metrics();
}

/** What several processes have counted, added up. */
export async function sumCounted(all: readonly (readonly object[])[]): Promise<readonly object[]> {
  return aggregate(all).getMetricsAsJSON();
}

const aggregate = (all: readonly (readonly object[])[]) => AggregatorRegistry.aggregate([...all]);
