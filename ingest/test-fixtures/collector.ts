/** A consumer for tests that keeps what it is handed, with a store that can be made to wait or to fail. */

import { afterEach } from "vitest";
import { type ConsumerOptions, openConsumer, type StreamConsumer } from "../consumer.ts";
import type { StreamBatch, StreamRecord } from "../stream-record.ts";

const opened: StreamConsumer[] = [];

afterEach(async () => {
  await Promise.all(opened.splice(0).map((consumer) => consumer.close()));
});

/** A consumer and what it was handed. */
export interface Collector {
  readonly consumer: StreamConsumer;
  readonly batches: readonly StreamBatch[];
  /** In the order in which they were acknowledged. */
  readonly records: readonly (StreamRecord & { readonly topic: string; readonly partition: number })[];
  /** Values as text, in order; of one topic or of all. */
  values(topic?: string): readonly string[];
}

/** Opens a consumer that is closed at the end of the test. */
export function collect(
  brokers: readonly string[],
  groupId: string,
  topics: readonly string[],
  options: Partial<ConsumerOptions> = {},
): Collector {
  const batches: StreamBatch[] = [];
  const records: (StreamRecord & { topic: string; partition: number })[] = [];
  const consumer = openConsumer({
    connection: { brokers, clientId: "headgate-test", tls: false, sasl: undefined },
    startFrom: "earliest",
    maxInFlightBytes: 8 * 1024 * 1024,
    stallTimeoutMs: 30_000,
    now: () => performance.now(),
    ...options,
    groupId,
    topics,
    onBatch: async (batch, signal) => {
      batches.push(batch);
      await options.onBatch?.(batch, signal);
      for (const record of batch.records) {
        records.push({ ...record, topic: batch.topic, partition: batch.partition });
      }
    },
  });
  opened.push(consumer);
  const values = (topic?: string) =>
    records.filter((one) => topic === undefined || one.topic === topic).map(({ value }) => String(value));
  return { consumer, batches, records, values };
}
