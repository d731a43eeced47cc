/**
 * The stream's journey, from a batch of one partition to rows in the store: decoded and encoded, newest of each entity
 * kept, written, counted, and what was bad sent to the dead letters. When it resolves, the store has acknowledged every
 * row and Kafka every dead letter, so the consumer may commit.
 *
 * When anything fails it rejects, and the consumer hands over the same batch again. That is safe: newest wins in the
 * store, and dead letters go by their topic, partition and offset. A store or a broker that is away never makes a dead
 * letter, and never loses a row.
 */

import { channel } from "node:diagnostics_channel";
import type { OnlineStore } from "../features/store/online-store.ts";
import type { RowEncoder } from "../features/writer.ts";
import type { DeadLetter, DeadLetterQueue } from "./dead-letter.ts";
import type { DeadLetterRate } from "./dead-letter-rate.ts";
import { RowChunk, type RowCounts } from "./row-chunk.ts";
import { recordName, type StreamBatch, type StreamRecord } from "./stream-record.ts";
import type { PlannedTopic, TopicPlan } from "./topic-plan.ts";
import { Watermark, type WatermarkProgress } from "./watermark.ts";

/** Records that become rows at once: the event loop is held for their decoding, and they share one write. */
const CHUNK_RECORDS = 4_096;

/** Published on "headgate:ingest-chunk" when a part of a batch is in the store. */
export interface IngestedChunk {
  readonly topic: string;
  readonly partition: number;
  readonly records: readonly StreamRecord[];
  readonly counts: ReadonlyMap<string, RowCounts>;
  readonly deadLetters: number;
  /** The last of them and why it is one, for the log; undefined without any. */
  readonly lastDeadLetter: string | undefined;
  readonly watermark: WatermarkProgress;
  /** When the store had acknowledged its rows, epoch ms. */
  readonly acknowledgedMs: number;
}

/** What a load needs. */
export interface PartitionLoadOptions {
  readonly plan: TopicPlan;
  readonly store: Pick<OnlineStore, "write">;
  readonly deadLetters: DeadLetterQueue;
  readonly rate: DeadLetterRate;
  /** How far an event may be dated ahead of its record, ms. */
  readonly maxFutureMs: number;
  /** Epoch ms. */
  readonly now: () => number;
  /** Is told of every part of a batch that is in the store. */
  readonly onApplied?: ((topic: string, partition: number, records: readonly StreamRecord[]) => void) | undefined;
  /** See CHUNK_RECORDS. */
  readonly chunkRecords?: number;
}

/** Loads batches; what a consumer is given as onBatch. Rejects with what the store or Kafka say, and TOO_MANY_DEAD_LETTERS. */
export type PartitionLoad = (batch: StreamBatch, signal: AbortSignal) => Promise<void>;

const chunkChannel = channel("headgate:ingest-chunk");

/** Makes a load. */
export function createPartitionLoad(options: PartitionLoadOptions): PartitionLoad {
  const watermarks = new Map<string, Watermark>();
  return async (batch, signal) => {
    const { topic, partition } = batch;
    const name = `${topic}/${partition}`;
    const watermark = watermarks.get(name) ?? new Watermark();
    watermarks.set(name, watermark);
    await loadBatch(options, batch, watermark, signal);
  };
}

async function loadBatch(
  options: PartitionLoadOptions,
  { topic, partition, records: all }: StreamBatch,
  watermark: Watermark,
  signal: AbortSignal,
): Promise<void> {
  const { plan, store, rate, deadLetters, now, onApplied, maxFutureMs, chunkRecords = CHUNK_RECORDS } = options;
  const planned = plan.topics.get(topic)!;
  const encoders = await planned.encoders(partition);
  for (let from = 0; from < all.length; from += chunkRecords) {
    signal.throwIfAborted();
    const records = all.length <= chunkRecords ? all : all.slice(from, from + chunkRecords);
    const chunk = new RowChunk(planned, { maxFutureMs, nowMs: now(), watermark });
    const letters = await takeRecords(chunk, planned, encoders, partition, records);
    // Before anything of it is written or sent: a wrong deploy leaves no more behind than was let through.
    rate.check(topic, records.length, letters.length, () => nameOf(letters.at(-1)!));
    const rows = chunk.rows();
    if (rows.length > 0) chunk.count(rows, await store.write(rows));
    const acknowledgedMs = now();
    await deadLetters.send(topic, letters);
    rate.count(topic, records.length, letters.length);
    onApplied?.(topic, partition, records);
    if (chunkChannel.hasSubscribers) {
      chunkChannel.publish({
        topic,
        partition,
        records,
        counts: chunk.counts,
        deadLetters: letters.length,
        lastDeadLetter: letters.length === 0 ? undefined : nameOf(letters.at(-1)!),
        watermark: watermark.take(),
        acknowledgedMs,
      } satisfies IngestedChunk);
    }
  }
}

async function takeRecords(
  chunk: RowChunk,
  { topic }: PlannedTopic,
  encoders: readonly RowEncoder[],
  partition: number,
  records: readonly StreamRecord[],
): Promise<readonly DeadLetter[]> {
  const letters: DeadLetter[] = [];
  for (const record of records) {
    const taken = chunk.take(record, encoders);
    // Awaiting what is there already would give every record a turn of its own.
    const refusals = taken instanceof Promise ? await taken : taken;
    if (refusals.length > 0) letters.push({ topic, partition, record, refusals });
  }
  return letters;
}

function nameOf({ topic, partition, record, refusals }: DeadLetter): string {
  const { view, reason } = refusals[0]!;
  return `${recordName(topic, partition, record.offset)} for feature view "${view}": ${reason.replace(/\.$/, "")}`;
}
