import { channel } from "node:diagnostics_channel";
import { expect, test } from "vitest";
import type { ServedLogEvent } from "../gateway/served-log.ts";
import { startTelemetry } from "../telemetry.ts";

test("what is in the served log and what is not is counted, and told once a minute", async () => {
  const lines: string[] = [];
  let nowMs = 0;
  const telemetry = startTelemetry(
    (line) => void lines.push(line),
    () => nowMs,
  );
  const tell = (event: ServedLogEvent) => channel("headgate:served-log").publish(event);
  try {
    tell({ kind: "written", rows: 7, path: "served/a", bytes: 700 });
    tell({ kind: "dropped", rows: 2, reason: "not_written", cause: new Error("S3 is away") });
    for (nowMs = 1_000; nowMs < 60_000; nowMs += 1_000) tell({ kind: "dropped", rows: 1, reason: "queue_full" });
    tell({ kind: "dropped", rows: 1, reason: "queue_full" });
    const metrics = await telemetry.metricsText();
    expect(metrics).toContain("\nheadgate_served_log_rows_total 7\n");
    expect(metrics).toContain('\nheadgate_served_log_dropped_total{reason="not_written"} 2\n');
    expect(metrics).toContain('\nheadgate_served_log_dropped_total{reason="queue_full"} 60\n');
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { level: "warn", rows: 2, reason: "not_written", cause: "S3 is away" },
      { level: "warn", rows: 60, reason: "queue_full" },
    ]);
  } finally {
    telemetry.stop();
  }
});
