import { channel } from "node:diagnostics_channel";
import { afterEach, expect, test } from "vitest";
import type { RoundTripEvent } from "../features/store/redis-round-trip.ts";
import { startTelemetry, type Telemetry } from "../telemetry.ts";

let telemetry: Telemetry | undefined;
afterEach(() => telemetry?.stop());

test("round trips are counted by operation, from 50 µs up", async () => {
  telemetry = startTelemetry(
    () => {},
    () => 0,
  );
  const tell = (event: RoundTripEvent) => channel("headgate:store-round-trip").publish(event);
  tell({ operation: "read", durationMs: 0.04 });
  tell({ operation: "read", durationMs: 0.15 });
  tell({ operation: "write", durationMs: 3 });
  const text = await telemetry.metricsText();
  for (const line of [
    'headgate_store_round_trip_seconds_bucket{operation="read",le="0.00005"} 1',
    'headgate_store_round_trip_seconds_bucket{operation="read",le="0.0002"} 2',
    'headgate_store_round_trip_seconds_count{operation="read"} 2',
    'headgate_store_round_trip_seconds_count{operation="write"} 1',
  ]) {
    expect(text).toContain(`${line}\n`);
  }
});
