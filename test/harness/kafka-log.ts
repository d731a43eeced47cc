/** What a topic holds, read to its end by a client that knows nothing of Headgate: the truth that a test compares with. */

import { randomUUID } from "node:crypto";
import { type IHeaders, Kafka, logLevel } from "kafkajs";
import type { KafkaTopics } from "./kafka.ts";

/** A record as it lies in its topic. */
export interface LoggedRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly timestampMs: number;
  /** The value of a header as text; undefined where there is none. Of a repeated one the last. */
  header(name: string): string | undefined;
}

/** Every record that a topic has now; empty for one that is not there. */
export async function readTopic({ brokers, admin }: KafkaTopics, topic: string): Promise<readonly LoggedRecord[]> {
  if (!(await admin.listTopics()).includes(topic)) return [];
  const ends = new Map<number, number>();
  for (const { partition, low, high } of await admin.fetchTopicOffsets(topic)) {
    if (low !== high) ends.set(partition, Number(high));
  }
  const records: LoggedRecord[] = [];
  if (ends.size === 0) return records;
  const kafka = new Kafka({ brokers: [...brokers], clientId: "headgate-test-log", logLevel: logLevel.NOTHING });
  const consumer = kafka.consumer({ groupId: `log-${randomUUID()}`, maxWaitTimeInMs: 200 });
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  try {
    await new Promise<void>((done, fail) => {
      consumer.on(consumer.events.CRASH, ({ payload }) => fail(payload.error));
      const run = consumer.run({
        autoCommit: false,
        eachBatch: async ({ batch }) => {
          const { partition } = batch;
          for (const { offset, timestamp, headers = {} } of batch.messages) {
            const header = (name: string) => lastText(headers, name);
            records.push({ topic, partition, offset: Number(offset), timestampMs: Number(timestamp), header });
          }
          if (Number(batch.lastOffset()) + 1 >= (ends.get(partition) ?? 0)) ends.delete(partition);
          if (ends.size === 0) done();
        },
      });
      run.catch(fail);
    });
  } finally {
    await consumer.disconnect();
  }
  return records;
}

function lastText(headers: IHeaders, name: string): string | undefined {
  return [headers[name] ?? []].flat().at(-1)?.toString();
}
