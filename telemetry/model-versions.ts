/** Metrics and log lines of versions beside each other: their traffic, scores and run times, canaries ended, shadows dropped. */

import { isDeepStrictEqual } from "node:util";
import { Counter, Gauge, type Registry as MetricsRegistry } from "prom-client";
import type { CanaryEndedEvent } from "../gateway/canary-watch.ts";
import type { ComparedVersion } from "../gateway/model-comparison.ts";
import type { ShadowDroppedEvent } from "../gateway/shadow.ts";
import type { ModelNoticedEvent } from "../models/model-listing.ts";
import { type Listener, type Log, on } from "./listener.ts";

/** A model's loaded versions, as they are when the metrics are read. */
export interface ComparedModel {
  readonly model: string;
  readonly versions: readonly ComparedVersion[];
}

/** Counts canaries that the rule has ended, and what shadows let go; tells of versions and traffic that are noticed. */
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
    help: "Entities that were not shadowed: too many waited, or their features could not be had.",
    labelNames: ["model", "version"],
    registers,
  });
  const counted = new Set<string>();
  return [
    on<CanaryEndedEvent>("headgate:canary-ended", ({ model, version, reason, stored, problem }) => {
      const canary = `${model} ${version} ${reason}`;
      if (!counted.has(canary)) ended.inc({ model, version });
      if (stored) counted.delete(canary);
      else counted.add(canary);
      const where = stored ? "" : " in this gateway only";
      log(stored ? "warn" : "error", `model ${model}: canary ${version} is ended${where}`, { reason, problem });
    }),
    on<ModelNoticedEvent>("headgate:model-noticed", (noticed) => logNoticed(noticed, log)),
    on<ShadowDroppedEvent>("headgate:shadow-dropped", ({ model, version, entities }) =>
      dropped.inc({ model, version }, entities),
    ),
  ];
}

function logNoticed({ model, from, isMended, to, problem }: ModelNoticedEvent, log: Log): void {
  if (problem !== undefined) log("warn", `model ${model}: its files can't be followed`, { reason: problem });
  if (isMended) log("info", `model ${model}: its files can be followed again`);
  if (from === undefined) return;
  for (const part of ["versions", "traffic"] as const) {
    const change = { from: from[part], to: to[part] };
    if (!isDeepStrictEqual(change.from, change.to)) log("info", `model ${model}: its ${part} changed`, change);
  }
}

/** Shows the loaded versions; `read` is asked once at every scrape, for comparing scores takes milliseconds. */
export function watchModelVersions(metrics: MetricsRegistry, read: () => readonly ComparedModel[]): void {
  const registers = [metrics];
  const requests = new Gauge({
    name: "headgate_model_version_requests",
    help: "Requests that a version took since it was loaded.",
    labelNames: ["model", "version", "role"],
    registers,
    // The registry asks the gauges in the order of their making, so the first fills them all.
    collect: () => {
      for (const { gauge } of gauges) gauge.reset();
      for (const { model, versions } of read()) {
        for (const compared of versions) {
          const labels = { model, version: compared.version, role: compared.role };
          for (const { gauge, measure } of gauges) {
            const value = measure(compared);
            if (value !== undefined) gauge.set(labels, value);
          }
        }
      }
    },
  });
  const failures = new Gauge({
    name: "headgate_model_version_failures",
    help: "Requests that failed because of the version since it was loaded.",
    labelNames: ["model", "version", "role"],
    registers,
  });
  const p95 = new Gauge({
    name: "headgate_model_version_p95_seconds",
    help: "Time for the model, 95th percentile of its latest requests.",
    labelNames: ["model", "version", "role"],
    aggregator: "max",
    registers,
  });
  const psi = new Gauge({
    name: "headgate_model_version_score_psi",
    help: "Stability index of a canary's or shadow's latest scores against the stable version's.",
    labelNames: ["model", "version", "role"],
    aggregator: "max",
    registers,
  });
  const ks = new Gauge({
    name: "headgate_model_version_score_ks",
    help: "Kolmogorov–Smirnov distance of a canary's or shadow's latest scores from the stable version's.",
    labelNames: ["model", "version", "role"],
    aggregator: "max",
    registers,
  });
  const gauges: readonly { gauge: Gauge; measure: (version: ComparedVersion) => number | undefined }[] = [
    { gauge: requests, measure: ({ statistics }) => statistics.requests },
    { gauge: failures, measure: ({ statistics }) => statistics.failures },
    { gauge: p95, measure: ({ statistics }) => secondsOf(statistics.modelMs.quantile(0.95)) },
    { gauge: psi, measure: ({ drift }) => drift?.psi },
    { gauge: ks, measure: ({ drift }) => drift?.ksStatistic },
  ];
}

const secondsOf = (ms: number | undefined): number | undefined => (ms === undefined ? undefined : ms / 1_000);
