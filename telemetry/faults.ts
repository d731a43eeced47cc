/** Metrics and log lines of what should not happen. */

import { Counter, type Registry as MetricsRegistry } from "prom-client";
import { type Listener, type Log, on } from "./listener.ts";

/** Counts what should not happen, and tells its cause. */
export function countFaults(metrics: MetricsRegistry, log: Log): readonly Listener[] {
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
