import kafkajs from "kafkajs";
import { expect, onTestFinished, test } from "vitest";
import { findKafka, type KafkaTopics, startKafka, until, useKafka } from "../test/harness/kafka.ts";
import { openProducer } from "./kafka-producer.ts";
import { collect } from "./test-fixtures/collector.ts";

const found = await findKafka();
const kafka: KafkaTopics =
  "missing" in found
    ? (undefined as never)
    : "brokers" in found
      ? await useKafka(found.brokers)
      : await startKafka(found);
const reason = "missing" in found ? ` (${found.missing})` : "";
const withKafka = test.skipIf("missing" in found);

let count = 0;
/** A topic with values, and a group, of this test's own. */
async function topicOf(values: readonly string[], partitions = 1): Promise<{ topic: string; group: string }> {
  const name = `consumer-${process.pid}-${count++}`;
  await kafka.createTopic(name, partitions);
  if (values.length > 0)
    await kafka.produce(
      name,
      values.map((value) => ({ value })),
    );
  return { topic: name, group: `${name}-group` };
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => String(from + i));

withKafka(`every record comes in order, and its bytes and headers are exact${reason}`, async () => {
  const { topic, group } = await topicOf(range(0, 1_000), 3);
  await kafka.produce(
    topic,
    range(1_000, 2_000).map((value) => ({ value })),
    1,
  );
  await kafka.produce(
    topic,
    [
      { key: "k", value: null, timestampMs: 1_700_000_000_123, headers: { a: ["1", Buffer.from([255, 0])], b: "é" } },
      { key: null, value: "" },
    ],
    2,
  );
  const { consumer, records } = collect(kafka.brokers, group, [topic]);
  await until("all records", async () => records.length === 2_002);
  const of = (partition: number) => records.filter((one) => one.partition === partition);
  expect(of(0).map(({ value }) => String(value))).toEqual(range(0, 1_000));
  expect(of(1).map(({ offset }) => offset)).toEqual(range(0, 1_000).map(BigInt));
  const [tombstone, empty] = of(2);
  expect(tombstone).toMatchObject({ key: Buffer.from("k"), value: null, timestampMs: 1_700_000_000_123 });
  expect(tombstone!.headers).toEqual([
    ["a", Buffer.from("1")],
    ["a", Buffer.from([255, 0])],
    ["b", Buffer.from("é")],
  ]);
  expect(empty).toMatchObject({ key: null, value: Buffer.alloc(0), headers: [] });
  expect(consumer.state()).toMatchObject({ connected: true, rebalances: 0, problem: undefined });
  expect(consumer.state().assignments).toHaveLength(3);
});

withKafka(`an offset is committed after its batch was acknowledged, and never before${reason}`, async () => {
  const { topic, group } = await topicOf(["a", "b"]);
  let acknowledge: () => void = () => {};
  const acknowledged = new Promise<void>((resolve) => {
    acknowledge = resolve;
  });
  const { consumer, batches } = collect(kafka.brokers, group, [topic], { onBatch: () => acknowledged });
  await until("a batch", async () => batches.length === 1);
  // Where it starts is committed, so that the next member starts there too.
  await until("the start to be committed", async () => (await kafka.committed(group, topic, 0)) === 0n);
  expect(await consumer.lag()).toEqual([expect.objectContaining({ topic, partition: 0, messages: 2 })]);
  expect(await kafka.committed(group, topic, 0)).toBe(0n);
  acknowledge();
  await until("the commit", async () => (await kafka.committed(group, topic, 0)) === 2n);
  expect(await consumer.lag()).toEqual([expect.objectContaining({ messages: 0 })]);
});

withKafka(`closing waits for the batch under way and commits it${reason}`, async () => {
  const { topic, group } = await topicOf(["a"]);
  let acknowledge: () => void = () => {};
  const onBatch = () =>
    new Promise<void>((resolve) => {
      acknowledge = resolve;
    });
  const { consumer, batches, records } = collect(kafka.brokers, group, [topic], { onBatch });
  await until("a batch", async () => batches.length === 1);
  const closed = consumer.close();
  acknowledge();
  await closed;
  await consumer.ended;
  expect(records).toHaveLength(1);
  expect(await kafka.committed(group, topic, 0)).toBe(1n);
});

withKafka(`a batch that is refused comes again, the same, before any other${reason}`, async () => {
  const { topic, group } = await topicOf(["a", "b"]);
  let refusals = 2;
  const { batches, values } = collect(kafka.brokers, group, [topic], {
    onBatch: async () => {
      if (refusals-- > 0) throw new Error("The store is away.");
    },
  });
  await until("the batch to be taken", async () => values().length === 2);
  await kafka.produce(topic, [{ value: "c" }]);
  await until("the next", async () => values().length === 3);
  expect(values()).toEqual(["a", "b", "c"]);
  expect(batches.map(({ records }) => records.length)).toEqual([2, 2, 2, 1]);
});

withKafka(`a second member takes half, and gives it back when it leaves; nothing is lost${reason}`, async () => {
  const { topic, group } = await topicOf([], 4);
  const first = collect(kafka.brokers, group, [topic]);
  await until("the first", async () => first.consumer.state().assignments.length === 4);
  const second = collect(kafka.brokers, group, [topic]);
  const shares = () => [first, second].map(({ consumer }) => consumer.state().assignments.length);
  const sent: string[] = [];
  const send = async (partition: number) => {
    const values = range(sent.length, sent.length + 50);
    sent.push(...values);
    await kafka.produce(
      topic,
      values.map((value) => ({ value })),
      partition,
    );
  };
  for (const partition of [0, 1, 2, 3]) await send(partition);
  await until("both to have half", async () => shares().join() === "2,2");
  for (const partition of [0, 1, 2, 3]) await send(partition);
  await second.consumer.close();
  for (const partition of [0, 1, 2, 3]) await send(partition);
  await until("the first to have all again", async () => first.consumer.state().assignments.length === 4);
  const got = () => [...new Set([...first.values(), ...second.values()])].map(Number).sort((a, b) => a - b);
  await until("every value", async () => got().length === sent.length);
  expect(first.consumer.state().rebalances).toBeGreaterThanOrEqual(2);
});

withKafka(`a group without a commit starts where it is told${reason}`, async () => {
  const { topic, group } = await topicOf([], 1);
  const base = 1_700_000_000_000;
  await kafka.produce(
    topic,
    range(0, 10).map((value) => ({ value, timestampMs: base + 1_000 * Number(value) })),
  );
  const at = collect(kafka.brokers, `${group}-at`, [topic], { startFrom: { timestampMs: base + 6_500 } });
  const latest = collect(kafka.brokers, `${group}-latest`, [topic], { startFrom: "latest" });
  await until("the end to be committed", async () => (await kafka.committed(`${group}-latest`, topic, 0)) === 10n);
  await until("the records since", async () => at.values().length === 3);
  await kafka.produce(topic, [{ value: "10" }]);
  await until("the newest", async () => latest.values().length === 1 && at.values().length === 4);
  expect(latest.values()).toEqual(["10"]);
  expect(at.values()).toEqual(["7", "8", "9", "10"]);
  // The second time the commit counts, not where it is told to start.
  await latest.consumer.close();
  await kafka.produce(topic, [{ value: "11" }]);
  const again = collect(kafka.brokers, `${group}-latest`, [topic], { startFrom: "earliest" });
  await until("what came meanwhile", async () => again.values().length === 1);
  expect(again.values()).toEqual(["11"]);
});

withKafka(`going back replays each partition from its offset, and only what is behind and here${reason}`, async () => {
  const { topic, group } = await topicOf([], 3);
  for (const partition of [0, 1, 2]) {
    const values = range(0, partition === 1 ? 2 : 10);
    await kafka.produce(
      topic,
      values.map((value) => ({ value })),
      partition,
    );
  }
  await kafka.admin.deleteTopicRecords({ topic, partitions: [{ partition: 2, offset: "7" }] });
  const { consumer, records } = collect(kafka.brokers, group, [topic]);
  await until("all", async () => records.length === 15);
  const to = (partition: number, offset: bigint) => ({ topic, partition, offset });
  const gone = await consumer.rewind([to(0, 8n), to(1, 5n), to(2, 3n), to(7, 0n)]);
  // Partition 1 has not come as far, and of 2 no more is there; of 7 nothing is known here.
  expect([...gone].sort((a, b) => a.partition - b.partition)).toEqual([to(0, 8n), to(1, 2n), to(2, 7n)]);
  await until("the last ones again", async () => records.length === 20);
  const again = (partition: number) => records.slice(15).filter((one) => one.partition === partition);
  expect(again(0).map(({ offset }) => offset)).toEqual([8n, 9n]);
  expect(again(2).map(({ offset }) => offset)).toEqual([7n, 8n, 9n]);
  await until("the commit", async () => (await kafka.committed(group, topic, 0)) === 10n);
});

withKafka(`latest is for the topics that a group begins with, not for what is added to them${reason}`, async () => {
  const { topic, group } = await topicOf(["old"], 2);
  const both = [0, 1].map(() => collect(kafka.brokers, group, [topic], { startFrom: "latest" }));
  for (const [partition, end] of [1n, 0n].entries()) {
    await until("its end to be committed", async () => (await kafka.committed(group, topic, partition)) === end);
  }
  await until("both to be members", async () =>
    both.every(({ consumer }) => consumer.state().assignments.length === 1),
  );
  await Promise.all(both.map(({ consumer }) => consumer.close()));
  await kafka.admin.createPartitions({ topicPartitions: [{ topic, count: 3 }] });
  await until("the new partition", async () => (await kafka.admin.fetchTopicOffsets(topic)).length === 3);
  // One of its own, as the harness' producer does not know yet that there is another partition.
  const client = new kafkajs.Kafka({ brokers: [...kafka.brokers], logLevel: kafkajs.logLevel.NOTHING });
  const producer = client.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner });
  onTestFinished(() => producer.disconnect());
  await producer.connect();
  await producer.send({ topic, messages: [{ value: "new", partition: 2 }] });
  const later = collect(kafka.brokers, group, [topic], { startFrom: "latest" });
  await until("what came to it meanwhile", async () => later.values().length === 1);
  expect([...both.flatMap(({ values }) => values()), ...later.values()]).toEqual(["new"]);
});

withKafka(`topics that are not there are told, and consumed from their start when they are${reason}`, async () => {
  const { topic, group } = await topicOf(["a"]);
  const later = `${topic}-later`;
  const { consumer, values } = collect(kafka.brokers, group, [topic, later], { startFrom: "latest" });
  await until("the other topic", async () => consumer.state().connected);
  expect(consumer.state().problem).toMatchObject({ code: "STREAM_TOPIC_MISSING" });
  expect(consumer.state().problem?.message).toContain(later);
  await kafka.createTopic(later, 1);
  await kafka.produce(later, [{ value: "b" }]);
  await until("the new topic's first", async () => values(later).length === 1);
  expect(consumer.state().problem).toBeUndefined();

  const alone = collect(kafka.brokers, `${group}-alone`, [`${topic}-alone`]);
  await until("a problem", async () => alone.consumer.state().problem !== undefined);
  expect(alone.consumer.state()).toMatchObject({ connected: false, problem: { code: "STREAM_TOPIC_MISSING" } });
  await kafka.createTopic(`${topic}-alone`, 1);
  await until("it to be joined", async () => alone.consumer.state().connected);
  expect(alone.consumer.state().problem).toBeUndefined();
});

withKafka(
  `what is fetched and not acknowledged is bounded, and a large record comes nevertheless${reason}`,
  async () => {
    const { topic, group } = await topicOf([], 4);
    const bound = 256 * 1024;
    const messages = Array.from({ length: 50 }, () => ({ value: "x".repeat(1_000) }));
    for (let i = 0; i < 40; i++) await kafka.produce(topic, messages, i % 4);
    const waiting: (() => void)[] = [];
    let isOpen = false;
    const { batches, records } = collect(kafka.brokers, group, [topic], {
      maxInFlightBytes: bound,
      onBatch: async () => {
        if (!isOpen) await new Promise<void>((go) => waiting.push(go));
      },
    });
    const handedBytes = () =>
      batches.flatMap((one) => one.records).reduce((sum, { value }) => sum + value!.byteLength, 0);
    await until("a batch", async () => batches.length > 0);
    await kafka.produce(topic, [{ value: "y".repeat(1_000_000) }], 3);
    // All that one fetch brought waits, and there is no other fetch until it is acknowledged.
    expect(handedBytes()).toBeLessThanOrEqual(bound);
    isOpen = true;
    for (const go of waiting) go();
    await until("all records", async () => records.length === 2_001);
    expect(records.some((one) => one.value?.byteLength === 1_000_000)).toBe(true);
  },
);

withKafka(
  `what is sent has its key, value, headers and time, also to a topic that is made for it${reason}`,
  async () => {
    const { topic, group } = await topicOf([], 3);
    const connection = { brokers: kafka.brokers, clientId: "headgate-test", tls: false, sasl: undefined };
    const producer = openProducer(connection);
    onTestFinished(() => producer.close());
    await producer.ensureTopic(`${topic}.dlq`, topic);
    await producer.ensureTopic(`${topic}.dlq`, topic);
    const bytes = new Uint8Array([0, 1, 254, 255]);
    const headers = [
      ["a", bytes],
      ["a", null],
      ["b", new Uint8Array([98])],
    ] as const;
    await producer.send(`${topic}.dlq`, [
      { key: bytes, value: bytes.subarray(1, 3), headers, timestampMs: 1_700_000_000_123 },
      { key: bytes, value: null, headers: [] },
    ]);
    const { records } = collect(kafka.brokers, group, [`${topic}.dlq`]);
    await until("both", async () => records.length === 2);
    expect(records[0]).toMatchObject({
      key: Buffer.from(bytes),
      value: Buffer.from([1, 254]),
      timestampMs: 1_700_000_000_123,
    });
    expect(records[0]!.headers).toEqual([
      ["a", Buffer.from(bytes)],
      ["a", Buffer.alloc(0)],
      ["b", Buffer.from("b")],
    ]);
    expect(records[1]!.value).toBeNull();
    const { topics } = await kafka.admin.fetchTopicMetadata({ topics: [`${topic}.dlq`] });
    expect(topics[0]!.partitions).toHaveLength(3);
  },
);
