/**
 * How late the event loop is: the time by which timers are late, sampled all along. Everything inline delays it, so it is
 * where a model that is too heavy, or a collection that takes long, shows first.
 */

import { monitorEventLoopDelay } from "node:perf_hooks";
import { Gauge, type Registry as MetricsRegistry } from "prom-client";

/** How often a sample is taken, ms; a delay is seen to this precision. */
const RESOLUTION_MS = 10;
const QUANTILES = [0.5, 0.9, 0.99, 0.999] as const;

/** Shows the lag since the last scrape; returns how to stop sampling. */
export function watchEventLoop(metrics: MetricsRegistry): () => void {
  const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delays.enable();
  // The timer's own interval is in each sample.
  const seconds = (nanoseconds: number) => Math.max(0, nanoseconds / 1e9 - RESOLUTION_MS / 1e3);
  new Gauge({
    name: "headgate_event_loop_lag_seconds",
    help: "How late the event loop was since the last scrape: percentiles, and the most as quantile 1.",
    labelNames: ["quantile"],
    aggregator: "max",
    registers: [metrics],
    collect() {
      if (delays.count > 0) {
        for (const quantile of QUANTILES) this.set({ quantile }, seconds(delays.percentile(quantile * 100)));
        this.set({ quantile: 1 }, seconds(delays.max));
      }
      delays.reset();
    },
  });
  return () => delays.disable();
}
