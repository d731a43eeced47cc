import { once } from "node:events";
import { createServer } from "node:net";
import { expect, test } from "vitest";
import { findKafka, type KafkaTopics, startKafka, until, useKafka } from "../test/harness/kafka.ts";
import { openDeadLetterQueue, readDeadLetter } from "./dead-letter.ts";
import { openProducer } from "./kafka-producer.ts";
import { collect } from "./test-fixtures/collector.ts";
import { record } from "./test-fixtures/stream.ts";

const found = await findKafka();
const kafka: KafkaTopics =
  "missing" in found
    ? (undefined as never)
    : "brokers" in found
      ? await useKafka(found.brokers)
      : await startKafka(found);
const reason = "missing" in found ? ` (${found.missing})` : "";
const withKafka = test.skipIf("missing" in found);

const connectionTo = (brokers: readonly string[]) => ({ brokers, clientId: "test", tls: false, sasl: undefined });
const letterOf = (topic: string, offset: number, value: string) => ({
  topic,
  partition: 0,
  record: record(offset, "key", value),
  refusals: [{ view: "totals", reason: "it is wrong" }],
});

withKafka(`dead letters' topic is like its topic, and a letter beyond it is cut${reason}`, async () => {
  const topic = `producer-${process.pid}`;
  await kafka.createTopic(topic, 3, { "max.message.bytes": "20000", "cleanup.policy": "compact" });
  const producer = openProducer(connectionTo(kafka.brokers));
  const queue = openDeadLetterQueue(producer);
  await queue.send(topic, [letterOf(topic, 1, "x".repeat(80_000)), letterOf(topic, 2, "y".repeat(100_000))]);
  await producer.close();
  const metadata = await kafka.admin.fetchTopicMetadata({ topics: [`${topic}.dlq`] });
  expect(metadata.topics[0]!.partitions.length).toBe(3);
  const configNames = ["max.message.bytes", "cleanup.policy"];
  const resource = { type: 2, name: `${topic}.dlq`, configNames };
  const { resources } = await kafka.admin.describeConfigs({ includeSynonyms: false, resources: [resource] });
  const settings = resources[0]!.configEntries.map(({ configName, configValue }) => [configName, configValue]);
  expect(Object.fromEntries(settings)).toEqual({ "max.message.bytes": "85536", "cleanup.policy": "delete" });
  const { records } = collect(kafka.brokers, `${topic}-group`, [`${topic}.dlq`]);
  await until("both letters", async () => records.length === 2);
  const letters = records.map((one) => readDeadLetter(one)!).sort((a, b) => Number(a.record.offset - b.record.offset));
  expect(letters.map(({ cutFromBytes, record: { value } }) => [cutFromBytes, value!.length])).toEqual([
    [undefined, 80_000],
    [100_000, 16_384],
  ]);
});

test("closing ends, and soon, whatever a broker that never answers is waited for", async () => {
  const silent = createServer(() => {}).listen(0, "127.0.0.1");
  await once(silent, "listening");
  const { port } = silent.address() as { readonly port: number };
  const producer = openProducer(connectionTo([`127.0.0.1:${port}`]));
  const sent = producer.send("orders", [{ key: null, value: null, headers: [] }]).catch((cause: unknown) => cause);
  const beganMs = performance.now();
  await producer.close();
  expect(performance.now() - beganMs).toBeLessThan(20_000);
  silent.close();
  expect(await sent).toMatchObject({ code: "STREAM_UNREACHABLE" });
}, 60_000);
