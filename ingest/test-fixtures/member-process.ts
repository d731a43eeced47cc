/**
 * A member of a group in a process of its own, to be killed: brokers, group and topic as words; a line for each record.
 * SIGTERM closes it, after which nothing keeps the process.
 */

import { openConsumer } from "../consumer.ts";

const [brokers, groupId, topic] = process.argv.slice(2);

const consumer = openConsumer({
  connection: { brokers: brokers!.split(","), clientId: "headgate-test", tls: false, sasl: undefined },
  groupId: groupId!,
  topics: [topic!],
  startFrom: "earliest",
  maxInFlightBytes: 1024 * 1024,
  stallTimeoutMs: 30_000,
  now: () => performance.now(),
  onBatch: async ({ partition, records }) => {
    for (const { offset } of records) process.stdout.write(`${partition} ${offset}\n`);
  },
});

process.once("SIGTERM", () => void consumer.close());
