/** Metrics and log lines of the nightly schedule. */

import { Counter, type Registry as MetricsRegistry } from "prom-client";
import type { NightReport } from "../batch/night.ts";
import type { NightlyEvent } from "../batch/nightly.ts";
import { type Listener, type Log, on } from "./listener.ts";

/** Counts nights and tells of them. */
export function countNights(metrics: MetricsRegistry, log: Log): readonly Listener[] {
  const nights = new Counter({
    name: "headgate_nightly_runs_total",
    help: "Nightly runs by what became of them: done, elsewhere, failed, aborted, or skipped because one was running.",
    labelNames: ["status"],
    registers: [metrics],
  });
  return [
    on<NightlyEvent>("headgate:nightly", (event) => {
      switch (event.kind) {
        case "waiting":
          return log("info", "next nightly run", { due: iso(event.dueMs) });
        case "started":
          return log("info", event.isLate ? "nightly run catches up" : "nightly run begins", { due: iso(event.dueMs) });
        case "retrying":
          return log("warn", "views are tried again", { feature_views: event.views, at: iso(event.atMs) });
        case "skipped":
          nights.inc({ status: "skipped" }, event.times);
          return log("warn", "a nightly run was still running when it was due again, and that is skipped", {
            due: iso(event.dueMs),
            times: event.times,
          });
        case "ended":
          nights.inc({ status: event.report.status });
          return logReport(log, event.report);
      }
    }),
  ];
}

function logReport(log: Log, { status, seconds, tries, steps }: NightReport): void {
  for (const [step, outcomes] of Object.entries(steps)) {
    for (const { view, error } of outcomes) {
      const level = error?.code === "MATERIALIZE_RUNNING" ? "warn" : "error";
      if (error !== undefined) log(level, `${step} of ${view} failed`, { code: error.code, reason: error.detail });
    }
  }
  log(status === "failed" ? "error" : "info", `nightly run is ${status}`, { seconds, tries });
}

const iso = (ms: number): string => new Date(ms).toISOString();
