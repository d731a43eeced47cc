/** Metrics and log lines of the served log: what is in it, and what was dropped. */

import { Counter, type Registry as MetricsRegistry } from "prom-client";
import { reasonOf } from "../errors.ts";
import type { ServedLogDrop, ServedLogEvent } from "../gateway/served-log.ts";
import { type Listener, type Log, memoized, on } from "./listener.ts";
import { registerCounter } from "./metric-series.ts";

/** Between two log lines about what was dropped, ms. */
const DROPS_TOLD_EVERY_MS = 60_000;

/** Counts what the served log took and dropped; `now` is epoch ms. */
export function countServedLog(metrics: MetricsRegistry, log: Log, now: () => number): readonly Listener[] {
  const written = new Counter({
    name: "headgate_served_log_rows_total",
    help: "Entities whose served feature vector is in the served log.",
    registers: [metrics],
  });
  const dropped = registerCounter(metrics, {
    name: "headgate_served_log_dropped_total",
    help: "Entities that were to be in the served log and are not, by reason: queue_full, not_written, closed.",
    labelNames: ["reason"],
  });
  const droppedFor = memoized((reason: ServedLogDrop) => dropped(reason));
  let [toldMs, untold] = [Number.NEGATIVE_INFINITY, 0];
  return [
    on<ServedLogEvent>("headgate:served-log", (event) => {
      if (event.kind === "written") return written.inc(event.rows);
      droppedFor(event.reason).inc(event.rows);
      untold += event.rows;
      const nowMs = now();
      if (nowMs - toldMs < DROPS_TOLD_EVERY_MS) return;
      const cause = event.cause === undefined ? {} : { cause: reasonOf(event.cause) };
      log("warn", "served feature vectors are missing from the log", { rows: untold, reason: event.reason, ...cause });
      [toldMs, untold] = [nowMs, 0];
    }),
  ];
}
