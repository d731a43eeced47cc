/** Metrics and log lines of the stream: what came of events, how far behind each partition is, what made it go back. */

import { Counter, Gauge, type Registry as MetricsRegistry } from "prom-client";
import { HeadgateError, reasonOf } from "../errors.ts";
import type { BatchRefusal } from "../ingest/delivery.ts";
import type { KafkaLogLine } from "../ingest/kafka-client.ts";
import type { IngestedChunk } from "../ingest/partition-load.ts";
import type { IngestRewind } from "../ingest/store-history.ts";
import type { IngestState } from "../ingest/stream-state.ts";
import { type Listener, type Log, memoized, on } from "./listener.ts";
import { registerCounter, registerHistogram } from "./metric-series.ts";

/** Upper bounds in seconds: milliseconds when all is well, hours for a backlog. */
const STREAM_BUCKETS = [
  0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800, 7_200,
];
/** Of more partitions than this a line does not name each. */
const PLACES_TOLD_MAX = 20;
/** Between two lines on the dead letters of a topic, ms; a line has the number of those since the last. */
const DEAD_LETTERS_TOLD_EVERY_MS = 60_000;
const OUTCOMES = ["written", "equal", "stale", "superseded", "refused"] as const;

/** Counts what the stream does, and tells of what should not happen. */
export function countIngest(metrics: MetricsRegistry, log: Log): readonly Listener[] {
  return [...countChunks(metrics), tellDeadLetters(log), ...countTroubles(metrics, log), showState(metrics, log)];
}

function countChunks(metrics: MetricsRegistry): readonly Listener[] {
  const registers = [metrics];
  const events = registerCounter(metrics, {
    name: "headgate_ingest_events_total",
    help: "Records whose rows are in the store, those that made none included.",
    labelNames: ["topic"],
  });
  const rows = registerCounter(metrics, {
    name: "headgate_ingest_rows_total",
    help: "Rows of events by outcome: written, equal, stale, superseded (a newer one came with it), refused.",
    labelNames: ["feature_view", "outcome"],
  });
  const deadLetters = registerCounter(metrics, {
    name: "headgate_ingest_dead_letters_total",
    help: "Records sent to the topic's dead letters.",
    labelNames: ["topic"],
  });
  const seconds = registerHistogram(metrics, {
    name: "headgate_ingest_latency_seconds",
    help: "Time from a record's timestamp to the store's acknowledgement.",
    labelNames: ["topic"],
    buckets: STREAM_BUCKETS,
  });
  const watermark = new Gauge({
    name: "headgate_ingest_watermark_timestamp_seconds",
    help: "The newest event timestamp of the partition, seconds since the epoch.",
    labelNames: ["topic", "partition"],
    registers,
  });
  const late = new Counter({
    name: "headgate_ingest_late_events_total",
    help: "Events older than one before them in their partition.",
    labelNames: ["topic", "partition"],
    registers,
  });
  const lateness = new Gauge({
    name: "headgate_ingest_lateness_seconds",
    help: "By how much the latest event of the partition's last batch was.",
    labelNames: ["topic", "partition"],
    registers,
  });
  const topicOf = memoized((topic: string) => ({
    events: events(topic),
    deadLetters: deadLetters(topic),
    seconds: seconds(topic),
  }));
  const viewOf = memoized((view: string) => OUTCOMES.map((outcome) => rows(view, outcome)));
  const shown = partitionsOf([watermark, lateness]);
  const count = on<IngestedChunk>("headgate:ingest-chunk", (chunk) => {
    const series = topicOf(chunk.topic);
    series.events.inc(chunk.records.length);
    series.deadLetters.inc(chunk.deadLetters);
    for (const { timestampMs } of chunk.records) {
      // Who produces may have a clock that is ahead of ours.
      series.seconds.observe(Math.max(0, chunk.acknowledgedMs - timestampMs) / 1_000);
    }
    for (const [view, counts] of chunk.counts) {
      const ofView = viewOf(view);
      for (const [i, outcome] of OUTCOMES.entries()) ofView[i]!.inc(counts[outcome]);
    }
    const labels = { topic: chunk.topic, partition: chunk.partition };
    const { watermarkUs, lateEvents, latenessMaxUs } = chunk.watermark;
    shown.add(labels);
    if (Number.isFinite(watermarkUs)) watermark.set(labels, watermarkUs / 1_000_000);
    late.inc(labels, lateEvents);
    lateness.set(labels, latenessMaxUs / 1_000_000);
  });
  const forget = on<IngestState>("headgate:ingest-state", ({ assignments }) => shown.keepOnly(assignments));
  return [count, forget];
}

/** Tells of a topic's dead letters as they come, with the reason of the last, but not of each. */
function tellDeadLetters(log: Log): Listener {
  const topicOf = memoized((_topic: string) => ({ toldMs: Number.NEGATIVE_INFINITY, untold: 0 }));
  return on<IngestedChunk>("headgate:ingest-chunk", ({ topic, deadLetters, lastDeadLetter, acknowledgedMs }) => {
    if (lastDeadLetter === undefined) return;
    const told = topicOf(topic);
    told.untold += deadLetters;
    if (acknowledgedMs - told.toldMs < DEAD_LETTERS_TOLD_EVERY_MS) return;
    log("warn", "events went to the dead letters", { topic, events: told.untold, last: lastDeadLetter });
    [told.toldMs, told.untold] = [acknowledgedMs, 0];
  });
}

type Partition = NonNullable<IngestState["assignments"]>[number];

/** Which partitions some gauges show: one that went to another ingester must not be shown here for ever. */
function partitionsOf(gauges: readonly Gauge<"topic" | "partition">[]) {
  const shown = new Map<string, Partition>();
  const nameOf = ({ topic, partition }: Partition) => `${topic}/${partition}`;
  return {
    add: (one: Partition) => void shown.set(nameOf(one), one),
    /** Undefined: it is not known which ones are here. */
    keepOnly(assignments: readonly Partition[] | undefined): void {
      if (assignments === undefined) return;
      const here = new Set(assignments.map(nameOf));
      for (const [name, { topic, partition }] of shown) {
        if (here.has(name)) continue;
        for (const gauge of gauges) gauge.remove({ topic, partition });
        shown.delete(name);
      }
    },
  };
}

function countTroubles(metrics: MetricsRegistry, log: Log): readonly Listener[] {
  const registers = [metrics];
  const failures = new Counter({
    name: "headgate_ingest_batch_failures_total",
    help: "Batches that could not be brought into the store and were tried again, by the error's code.",
    labelNames: ["code"],
    registers,
  });
  const rewinds = new Counter({
    name: "headgate_ingest_rewinds_total",
    help: "Times that partitions were read again because the store may have lost writes.",
    registers,
  });
  return [
    on<BatchRefusal>("headgate:stream-batch-refused", ({ batch: { topic, partition, records }, error, backoffMs }) => {
      const code = error instanceof HeadgateError ? error.code : "INTERNAL";
      failures.inc({ code });
      const reason = code === "INTERNAL" && error instanceof Error ? error.stack : reasonOf(error);
      const place = { topic, partition, offset: String(records[0]?.offset) };
      const level = code === "INTERNAL" ? "error" : "warn";
      log(level, "a batch failed and is tried again", { ...place, code, reason, after_seconds: backoffMs / 1_000 });
    }),
    on<KafkaLogLine>("headgate:kafka-log", ({ level, message }) => log(level, message)),
    on<IngestRewind>("headgate:ingest-rewind", ({ places }) => {
      rewinds.inc();
      log("warn", "the online store may have lost writes; partitions are read again", {
        partitions: places.length,
        from: places
          .slice(0, PLACES_TOLD_MAX)
          .map(({ topic, partition, offset }) => `${topic}[${partition}]@${offset}`),
      });
    }),
  ];
}

/** Told when metrics are scraped, and now and then. */
function showState(metrics: MetricsRegistry, log: Log): Listener {
  const registers = [metrics];
  const lagMessages = new Gauge({
    name: "headgate_ingest_lag_messages",
    help: "Records of the partition that are not in the store yet.",
    labelNames: ["topic", "partition"],
    registers,
  });
  const lagSeconds = new Gauge({
    name: "headgate_ingest_lag_seconds",
    help: "While the partition has a lag, how old the last record is that is in the store; else 0.",
    labelNames: ["topic", "partition"],
    registers,
  });
  const rebalances = new Counter({
    name: "headgate_ingest_rebalances_total",
    help: "Times that partitions were assigned anew.",
    registers,
  });
  const connected = new Gauge({
    name: "headgate_ingest_connected",
    help: "1 while the ingester is a member of its group and reads all its topics, else 0.",
    registers,
  });
  const shown = partitionsOf([lagMessages, lagSeconds]);
  let told: string | undefined;
  return on<IngestState>("headgate:ingest-state", (state) => {
    rebalances.reset();
    rebalances.inc(state.rebalances);
    connected.set(state.connected && state.problem === undefined ? 1 : 0);
    shown.keepOnly(state.assignments);
    for (const { topic, partition, messages, seconds } of state.lags ?? []) {
      shown.add({ topic, partition });
      lagMessages.set({ topic, partition }, messages);
      if (seconds !== undefined) lagSeconds.set({ topic, partition }, seconds);
    }
    const problem = state.problem?.message;
    if (problem === told) return;
    told = problem;
    if (problem === undefined) log("info", "Kafka is reached and all topics are read");
    else log("warn", "the stream can't be read; it is tried on", { reason: problem });
  });
}
