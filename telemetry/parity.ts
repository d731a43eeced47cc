/** Metrics of the parity runs that count, whoever made them: read from the store's records when metrics are scraped. */

import { Gauge, type Registry as MetricsRegistry } from "prom-client";
import { lastRunMs, type ParityVerdict, type ParityVerdicts } from "../features/parity-verdict.ts";
import type { MetricOptions } from "./metric-series.ts";

/**
 * Shows the verdict that counts of each view (see recordParityVerdict), what its run found, and when the last run was
 * done. A view that was never compared shows nothing: absence is what an alert on it asks for.
 */
export function watchParity(metrics: MetricsRegistry, read: () => Promise<ParityVerdicts>): void {
  const gauge = (
    options: MetricOptions,
    show: (gauge: Gauge, feature_view: string, verdict: ParityVerdict) => void,
  ) => {
    const shown: Gauge = new Gauge({
      ...options,
      // Of several processes of a gateway each has read the same verdicts, some of them a moment ago.
      aggregator: "max",
      registers: [metrics],
      collect: async () => {
        shown.reset();
        for (const [view, verdict] of await read()) show(shown, view, verdict);
      },
    });
  };
  gauge(
    {
      name: "headgate_parity_ratio",
      help: "Of the entities that the parity run whose verdict counts looked at, the share whose online row is what it must be; 0 when it looked at none.",
      labelNames: ["feature_view"],
    },
    (shown, feature_view, { checked, mismatch_rate }) =>
      shown.set({ feature_view }, checked === 0 ? 0 : 1 - mismatch_rate),
  );
  gauge(
    {
      name: "headgate_parity_passed",
      help: "1 when the view's parity verdict passes, else 0.",
      labelNames: ["feature_view"],
    },
    (shown, feature_view, { verdict }) => shown.set({ feature_view }, verdict === "pass" ? 1 : 0),
  );
  gauge(
    {
      name: "headgate_parity_compared_entities",
      help: "Entities whose values the parity run whose verdict counts held against each other; few prove little.",
      labelNames: ["feature_view"],
    },
    (shown, feature_view, { compared }) => shown.set({ feature_view }, compared),
  );
  gauge(
    {
      name: "headgate_parity_mismatches",
      help: "Entities that differed in the parity run whose verdict counts, by cause; a cause that did not occur is absent.",
      labelNames: ["feature_view", "cause"],
    },
    (shown, feature_view, { causes }) => {
      for (const [cause, entities] of Object.entries(causes)) shown.set({ feature_view, cause }, entities);
    },
  );
  gauge(
    {
      name: "headgate_parity_last_run_timestamp_seconds",
      help: "When the view's last parity run was done, Unix time; an earlier failure over all entities may be what counts.",
      labelNames: ["feature_view"],
    },
    (shown, feature_view, verdict) => shown.set({ feature_view }, lastRunMs(verdict) / 1_000),
  );
}
