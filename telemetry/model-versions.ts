/** Metrics and log lines of versions beside each other: their traffic, scores and run times, canaries ended, shadows dropped. */

import { Counter, Gauge, type Registry as MetricsRegistry } from "prom-client";
import type { CanaryEndedEvent } from "../gateway/canary-watch.ts";
import type { ComparedVersion } from "../gateway/model-comparison.ts";
import type { ShadowDroppedEvent } from "../gateway/shadow.ts";
import { type Listener, type Log, on } from "./listener.ts";

/** A model's loaded versions, as they are when the metrics are read. */
export interface ComparedModel {
  readonly model: string;
  readonly versions: readonly ComparedVersion[];
}

/** Counts canaries that the rule has ended, and what shadows let go. */
export function countVersionChanges(metrics: MetricsRegistry, log: Log): readonly Listener[] {
  const registers = [metrics];
  const ended = new Counter({
    name: "headgate_canaries_ended_total",
    help: "Canaries that their guard has ended in this gateway.",
    labelNames: ["model", "version"],
    registers,
  });
  const dropped = new Counter({
    name: "headgate_shadow_dropped_entities_total",
    help: "Entities that were not shadowed because too many waited.",
    labelNames: ["model", "version"],
    registers,
  });
  const counted = new Set<string>();
  return [
    on<CanaryEndedEvent>("headgate:canary-ended", ({ model, version, reason, stored, problem }) => {
      const canary = `${model} ${version} ${reason}`;
      if (!counted.has(canary)) ended.inc({ model, version });
      counted.clear();
      if (!stored) counted.add(canary);
      const where = stored ? "" : " in this gateway only, for the traffic file can't be written";
      log(stored ? "warn" : "error", `model ${model}: canary ${version} is ended${where}`, { reason, problem });
    }),
    on<ShadowDroppedEvent>("headgate:shadow-dropped", ({ model, version, entities }) =>
      dropped.inc({ model, version }, entities),
    ),
  ];
}

/** Shows the loaded versions; `read` is asked at every scrape. */
export function watchModelVersions(metrics: MetricsRegistry, read: () => readonly ComparedModel[]): void {
  const gauge = versionGauges(metrics, read);
  gauge(
    {
      name: "headgate_model_version_requests",
      help: "Requests that a version took since it was loaded.",
      labelNames: ["model", "version", "role"],
    },
    (version) => {
      return version.statistics.requests;
    },
  );
  gauge(
    {
      name: "headgate_model_version_failures",
      help: "Requests that failed because of the version since it was loaded.",
      labelNames: ["model", "version", "role"],
    },
    (version) => {
      return version.statistics.failures;
    },
  );
  gauge(
    {
      name: "headgate_model_version_p95_seconds",
      help: "Time for the model, 95th percentile of its latest requests.",
      labelNames: ["model", "version", "role"],
    },
    (version) => {
      const p95Ms = version.statistics.modelMs.quantile(0.95);
      return p95Ms === undefined ? undefined : p95Ms / 1_000;
    },
  );
  gauge(
    {
      name: "headgate_model_version_score_psi",
      help: "Stability index of the latest scores against the stable version's.",
      labelNames: ["model", "version", "role"],
    },
    (version) => {
      return version.drift?.psi;
    },
  );
  gauge(
    {
      name: "headgate_model_version_score_ks",
      help: "Kolmogorov–Smirnov distance of the latest scores from the stable version's.",
      labelNames: ["model", "version", "role"],
    },
    (version) => {
      return version.drift?.ksStatistic;
    },
  );
}

type MeasuredGauge = (
  about: { readonly name: string; readonly help: string; readonly labelNames: string[] },
  measure: (version: ComparedVersion) => number | undefined,
) => Gauge;

/** Makes gauges of something that is measured of every version at a scrape. */
function versionGauges(metrics: MetricsRegistry, read: () => readonly ComparedModel[]): MeasuredGauge {
  const registers = [metrics];
  return (about, measure) =>
    new Gauge({
      ...about,
      registers,
      collect() {
        this.reset();
        for (const { model, versions } of read()) {
          for (const version of versions) {
            const value = measure(version);
            if (value !== undefined) this.set({ model, version: version.version, role: version.role }, value);
          }
        }
      },
    });
}
