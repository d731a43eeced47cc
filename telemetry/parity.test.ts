import { Registry as MetricsRegistry } from "prom-client";
import { expect, test } from "vitest";
import type { ParityVerdict } from "../features/parity-verdict.ts";
import { watchParity } from "./parity.ts";

const failed: ParityVerdict = {
  ...{ run: "run", at_ms: 1_700_000_000_500, verdict: "fail", reason: "", checked: 200, compared: 150 },
  ...{ mismatch_rate: 0.25, mismatch_rate_bound: 0.25, outcomes: {}, causes: { late_event: 30, expired: 20 } },
  ...{ materialized_to: null, definition: "d", sample: null },
};

test("the last verdicts are shown, and a cause that is gone no longer", async () => {
  const metrics = new MetricsRegistry();
  let verdicts = new Map([["scores", failed]]);
  watchParity(metrics, async () => verdicts);
  const lines = async () => (await metrics.metrics()).split("\n").filter((line) => line.startsWith("headgate_"));
  expect(await lines()).toEqual([
    'headgate_parity_ratio{feature_view="scores"} 0.75',
    'headgate_parity_passed{feature_view="scores"} 0',
    'headgate_parity_compared_entities{feature_view="scores"} 150',
    'headgate_parity_mismatches{feature_view="scores",cause="late_event"} 30',
    'headgate_parity_mismatches{feature_view="scores",cause="expired"} 20',
    'headgate_parity_last_run_timestamp_seconds{feature_view="scores"} 1700000000.5',
  ]);
  verdicts = new Map([["scores", { ...failed, last_run_at_ms: 1_700_086_400_000 }]]);
  expect(await lines()).toContain('headgate_parity_last_run_timestamp_seconds{feature_view="scores"} 1700086400');
  const nothing = { ...failed, verdict: "error" as const, checked: 0, mismatch_rate: 0, causes: {} };
  verdicts = new Map([["scores", nothing]]);
  expect(await lines()).toContain('headgate_parity_ratio{feature_view="scores"} 0');
  expect((await lines()).join("\n")).not.toContain("cause=");
});
