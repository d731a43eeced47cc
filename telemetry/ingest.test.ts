import { channel } from "node:diagnostics_channel";
import { afterEach, expect, test } from "vitest";
import { HeadgateError } from "../errors.ts";
import type { BatchRefusal } from "../ingest/delivery.ts";
import type { IngestedChunk } from "../ingest/partition-load.ts";
import type { IngestRewind } from "../ingest/store-history.ts";
import type { IngestState } from "../ingest/stream-state.ts";
import { startTelemetry, type Telemetry } from "../telemetry.ts";

const lines: string[] = [];
let telemetry: Telemetry | undefined;
afterEach(() => {
  telemetry?.stop();
  lines.length = 0;
});

/** What is exposed of the stream's metrics once these were published, without texts and empty buckets. */
async function metricsOf(...messages: readonly (readonly [name: string, message: unknown])[]): Promise<string[]> {
  telemetry = startTelemetry(
    (line) => lines.push(line),
    () => 0,
  );
  for (const [name, message] of messages) channel(name).publish(message);
  const text = await telemetry.metricsText();
  return text.split("\n").filter((line) => line.startsWith("headgate_ingest_"));
}

const recordAt = (offset: number, timestampMs: number) => ({
  offset: BigInt(offset),
  timestampMs,
  key: null,
  value: null,
  headers: [],
});
const chunkOf = (changes: Partial<IngestedChunk>): readonly [string, IngestedChunk] => [
  "headgate:ingest-chunk",
  {
    topic: "orders",
    partition: 3,
    records: [recordAt(0, 1_000), recordAt(1, 1_995)],
    counts: new Map([["totals", { written: 1, equal: 0, stale: 0, superseded: 0, refused: 1 }]]),
    deadLetters: 1,
    lastDeadLetter: `orders[3]@1: "total" is missing`,
    watermark: { watermarkUs: 5_000_000, lateEvents: 1, latenessMaxUs: 2_000_000 },
    acknowledgedMs: 2_000,
    ...changes,
  },
];

test("dead letters are told with the reason of the last, once a minute and topic, and none is left out of the number", async () => {
  const none = { deadLetters: 0, lastDeadLetter: undefined };
  await metricsOf(
    chunkOf(none),
    chunkOf({}),
    chunkOf({ acknowledgedMs: 61_000 }),
    chunkOf({ topic: "returns", acknowledgedMs: 61_000 }),
    chunkOf({ acknowledgedMs: 62_000, deadLetters: 3 }),
  );
  expect(lines.map((line) => JSON.parse(line)).map(({ topic, events, last }) => [topic, events, last])).toEqual([
    ["orders", 1, `orders[3]@1: "total" is missing`],
    ["returns", 1, `orders[3]@1: "total" is missing`],
    ["orders", 4, `orders[3]@1: "total" is missing`],
  ]);
});

test("a chunk is counted by topic, view and outcome, and its records by how long they took", async () => {
  const metrics = await metricsOf(chunkOf({}));
  expect(metrics).toEqual(
    expect.arrayContaining([
      'headgate_ingest_events_total{topic="orders"} 2',
      'headgate_ingest_rows_total{feature_view="totals",outcome="written"} 1',
      'headgate_ingest_rows_total{feature_view="totals",outcome="refused"} 1',
      'headgate_ingest_dead_letters_total{topic="orders"} 1',
      'headgate_ingest_latency_seconds_bucket{topic="orders",le="0.005"} 1',
      'headgate_ingest_latency_seconds_bucket{topic="orders",le="1"} 2',
      'headgate_ingest_latency_seconds_count{topic="orders"} 2',
      'headgate_ingest_watermark_timestamp_seconds{topic="orders",partition="3"} 5',
      'headgate_ingest_late_events_total{topic="orders",partition="3"} 1',
      'headgate_ingest_lateness_seconds{topic="orders",partition="3"} 2',
    ]),
  );
});

test("the state shows the partitions that are assigned now and no others, and tells a change of what is wrong once", async () => {
  const problem = new HeadgateError("STREAM_UNREACHABLE", "No broker answers.");
  const state = (changes: Partial<IngestState>): readonly [string, IngestState] => [
    "headgate:ingest-state",
    { connected: true, rebalances: 0, problem: undefined, assignments: undefined, lags: undefined, ...changes },
  ];
  const lag = (partition: number) => ({ topic: "orders", partition, messages: 4, seconds: 1.5 });
  const metrics = await metricsOf(
    state({ lags: [lag(0), lag(1)] }),
    state({ connected: false, problem }),
    state({ connected: false, problem, rebalances: 1 }),
    state({ assignments: [lag(1)], rebalances: 1 }),
  );
  expect(metrics.filter((line) => /lag_|connected|rebalances/.test(line))).toEqual([
    'headgate_ingest_lag_messages{topic="orders",partition="1"} 4',
    'headgate_ingest_lag_seconds{topic="orders",partition="1"} 1.5',
    "headgate_ingest_rebalances_total 1",
    "headgate_ingest_connected 1",
  ]);
  expect(lines.map((line) => JSON.parse(line).level)).toEqual(["warn", "info"]);
  expect(lines[0]).toContain("No broker answers.");
});

test("what is known of a partition goes when it is another ingester's, and stays while nobody knows whose it is", async () => {
  const chunk = (partition: number) => chunkOf({ partition, records: [recordAt(0, 9_000)] });
  const assigned = (...partitions: readonly number[]) =>
    partitions.map((partition) => ({ topic: "orders", partition }));
  const state = (assignments: IngestState["assignments"]): readonly [string, IngestState] => [
    "headgate:ingest-state",
    { connected: assignments !== undefined, rebalances: 0, problem: undefined, assignments, lags: undefined },
  ];
  const metrics = await metricsOf(chunk(0), chunk(1), state(assigned(0, 1)), state(undefined), state(assigned(1)));
  expect(metrics.filter((line) => /watermark|lateness/.test(line))).toEqual([
    'headgate_ingest_watermark_timestamp_seconds{topic="orders",partition="1"} 5',
    'headgate_ingest_lateness_seconds{topic="orders",partition="1"} 2',
  ]);
  // The producer's clock was ahead.
  expect(metrics).toContain('headgate_ingest_latency_seconds_sum{topic="orders"} 0');
});

test("going back is counted, and told with where to", async () => {
  const places = [{ topic: "orders", partition: 3, offset: 1_207n }];
  const metrics = await metricsOf(["headgate:ingest-rewind", { places } satisfies IngestRewind]);
  expect(metrics).toContain("headgate_ingest_rewinds_total 1");
  expect(JSON.parse(lines[0]!)).toMatchObject({ level: "warn", partitions: 1, from: ["orders[3]@1207"] });
});

test("a batch that failed is counted by code and told with its place", async () => {
  const batch = { topic: "orders", partition: 3, records: [], endOffset: 7n };
  const error = new HeadgateError("STORE_UNREACHABLE", "It is away.");
  const metrics = await metricsOf([
    "headgate:stream-batch-refused",
    { batch, error, backoffMs: 500 } satisfies BatchRefusal,
  ]);
  expect(metrics).toContain('headgate_ingest_batch_failures_total{code="STORE_UNREACHABLE"} 1');
  expect(JSON.parse(lines[0]!)).toMatchObject({ level: "warn", topic: "orders", partition: 3, after_seconds: 0.5 });
});
