/** Metrics of what was materialized, whoever did it: read from the store's records when metrics are scraped. */

import { Gauge, type Registry as MetricsRegistry } from "prom-client";
import type { MaterializedView, MaterializedViews } from "../features/materialized-view.ts";
import type { MetricOptions } from "./metric-series.ts";

/**
 * Shows when each view was last materialized. A view that never was shows 0, so that an alert on its age finds it;
 * while nothing is known, because the store has not answered yet, no view is shown.
 */
export function watchMaterialized(metrics: MetricsRegistry, read: () => Promise<MaterializedViews>): void {
  const gauge = (options: MetricOptions, shownOf: (view: MaterializedView) => number) => {
    const shown: Gauge = new Gauge({
      ...options,
      // Of several processes of a gateway each has read the same records, some of them a moment ago.
      aggregator: "max",
      registers: [metrics],
      collect: async () => {
        for (const [feature_view, view] of await read()) shown.set({ feature_view }, shownOf(view));
      },
    });
  };
  gauge(
    {
      name: "headgate_materialize_last_success_timestamp_seconds",
      help: "When a materialization of the view was last done, Unix time; 0 before the first.",
      labelNames: ["feature_view"],
    },
    ({ success }) => (success?.at_ms ?? 0) / 1_000,
  );
  gauge(
    {
      name: "headgate_materialize_last_failure_timestamp_seconds",
      help: "When one last failed, Unix time; 0 when none did.",
      labelNames: ["feature_view"],
    },
    ({ failure }) => (failure?.at_ms ?? 0) / 1_000,
  );
  gauge(
    {
      name: "headgate_materialize_end_timestamp_seconds",
      help: "The event time that the view is materialized to, Unix time; 0 before the first.",
      labelNames: ["feature_view"],
    },
    ({ success }) => (success?.end_us ?? 0) / 1_000_000,
  );
  gauge(
    {
      name: "headgate_materialize_rows_written",
      help: "Rows that the last materialization wrote; fewer than usual may be half of a file.",
      labelNames: ["feature_view"],
    },
    ({ success }) => success?.rows_written ?? 0,
  );
}
