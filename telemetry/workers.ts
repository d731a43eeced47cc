/**
 * Metrics of a gateway's workers. Each shows itself as one, so that one that does not answer a scrape is not counted; and
 * each tells what the supervisor has told it of the ends of all, of which the latest word, the greatest, is shown.
 */

import { Counter, Gauge, type Registry as MetricsRegistry } from "prom-client";

/** Shows this worker, and how many of all have ended by themselves; `ended` is asked at every scrape. */
export function watchWorkers(metrics: MetricsRegistry, ended: () => number): void {
  const registers = [metrics];
  new Gauge({
    name: "headgate_workers",
    help: "Workers that answered this scrape; fewer than are set while one starts, or holds its event loop.",
    aggregator: "sum",
    registers,
  }).set(1);
  new Counter({
    name: "headgate_workers_ended_total",
    help: "Workers of the gateway that ended by themselves.",
    aggregator: "max",
    registers,
    collect() {
      this.reset();
      this.inc(ended());
    },
  });
}
