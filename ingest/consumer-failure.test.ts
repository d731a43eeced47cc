import { channel } from "node:diagnostics_channel";
import { fileURLToPath } from "node:url";
import kafkajs from "kafkajs";
import { expect, onTestFinished, test } from "vitest";
import { findKafkaJars, KAFKA_LOGIN, type KafkaBroker, startKafka, until } from "../test/harness/kafka.ts";
import { type Running, start } from "../test/harness/project.ts";
import { CHECKOUT } from "../test/harness/source-tree.ts";
import type { KafkaConnection, KafkaLogLine } from "./kafka-client.ts";
import { collect } from "./test-fixtures/collector.ts";

const found = await findKafkaJars();
const kafka: KafkaBroker = "missing" in found ? (undefined as never) : await startKafka(found);
const reason = "missing" in found ? ` (${found.missing})` : "";
const withKafka = test.skipIf("missing" in found);

let count = 0;
async function topicOf(values: readonly string[], partitions = 1): Promise<{ topic: string; group: string }> {
  const topic = `failure-${count++}`;
  await kafka.createTopic(topic, partitions);
  if (values.length > 0)
    await kafka.produce(
      topic,
      values.map((value) => ({ value })),
    );
  return { topic, group: `${topic}-group` };
}

function connection(given: Partial<KafkaConnection>): KafkaConnection {
  return { brokers: kafka.brokers, clientId: "headgate-test", tls: false, sasl: undefined, ...given };
}

/** What the channel tells during the test. */
function logLines(): readonly string[] {
  const lines: string[] = [];
  const log = channel("headgate:kafka-log");
  const listener = (line: unknown) => lines.push((line as KafkaLogLine).message);
  log.subscribe(listener);
  onTestFinished(() => void log.unsubscribe(listener));
  return lines;
}

withKafka(`every compression of Kafka's own producer is read${reason}`, async () => {
  const { topic, group } = await topicOf([]);
  const values = Array.from({ length: 200 }, (_, i) => `${i} ${"of a value that compresses ".repeat(20)}`);
  const codecs = ["none", "gzip", "snappy", "lz4", "zstd"];
  await kafka.javaProduce(topic, values, codecs);
  const all = collect(kafka.brokers, group, [topic]);
  await until("all records", async () => all.records.length === codecs.length * values.length);
  expect(all.values()).toEqual(codecs.flatMap(() => values));
});

withKafka(`a login by every mechanism is let in, and TLS by its authority${reason}`, async () => {
  const { topic, group } = await topicOf(["a"]);
  const sasls = (["plain", "scram-sha-256", "scram-sha-512"] as const).map((mechanism) => ({
    mechanism,
    ...KAFKA_LOGIN,
  }));
  const logins = sasls.map((sasl) => connection({ brokers: kafka.loginBrokers, sasl }));
  const ways = [...logins, connection({ brokers: kafka.tlsBrokers, tls: kafka.caFile })];
  const collectors = ways.map((way, i) => collect(way.brokers, `${group}-${i}`, [topic], { connection: way }));
  await until("all to have it", async () => collectors.every(({ records }) => records.length === 1));
});

withKafka(`a wrong login ends it with a sentence${reason}`, async () => {
  const { topic, group } = await topicOf([]);
  const sasl = { mechanism: "scram-sha-256", username: "alice", password: "wrong" } as const;
  for (const wrong of [sasl, { ...sasl, mechanism: "plain" } as const, undefined]) {
    const way = connection({ brokers: kafka.loginBrokers, sasl: wrong });
    const { consumer } = collect(way.brokers, group, [topic], { connection: way });
    if (wrong === undefined) {
      // The broker just hangs up on who does not log in.
      await until("a problem", async () => consumer.state().problem?.code === "STREAM_UNREACHABLE");
      continue;
    }
    const rewind = consumer.rewind([{ topic, partition: 0, offset: 0n }]);
    await expect(rewind).rejects.toMatchObject({ code: "STREAM_DENIED" });
    const error = await consumer.ended.catch((thrown) => thrown);
    expect(error).toMatchObject({ code: "STREAM_DENIED" });
    expect(error.message).toContain(`${kafka.loginBrokers[0]} refuses the login of alice (${wrong.mechanism})`);
    expect(error.message).not.toContain("wrong");
  }
});

withKafka(`a certificate that is not trusted is told, and tried again${reason}`, async () => {
  const { topic, group } = await topicOf([]);
  const way = connection({ brokers: kafka.tlsBrokers, tls: true });
  const { consumer } = collect(way.brokers, group, [topic], { connection: way });
  await until("a problem", async () => consumer.state().problem !== undefined);
  expect(consumer.state().problem).toMatchObject({ code: "STREAM_UNREACHABLE" });
  expect(consumer.state().problem?.message).toMatch(/certificate/);
});

withKafka(`going back ends when the consumer does${reason}`, async () => {
  const { topic, group } = await topicOf([]);
  const nowhere = connection({ brokers: ["127.0.0.1:1"] });
  const { consumer } = collect(nowhere.brokers, group, [topic], { connection: nowhere });
  const rewind = consumer.rewind([{ topic, partition: 0, offset: 0n }]);
  rewind.catch(() => {});
  await consumer.close();
  await expect(rewind).rejects.toMatchObject({ code: "STREAM_UNREACHABLE" });
});

withKafka(`a broker that goes and comes is waited for, from the start and in the middle${reason}`, async () => {
  const { topic, group } = await topicOf(["a"]);
  const before = collect(kafka.brokers, group, [topic]);
  await until("the first", async () => before.values().length === 1);
  await kafka.stop("SIGKILL");
  await until("the problem", async () => before.consumer.state().problem !== undefined);
  const problem = before.consumer.state().problem;
  expect(problem).toMatchObject({ code: "STREAM_UNREACHABLE" });
  expect(problem?.message).toContain(kafka.brokers[0]);
  const during = collect(kafka.brokers, `${group}-during`, [topic]);
  await until("its problem", async () => during.consumer.state().problem !== undefined);
  await kafka.restart();
  await kafka.produce(topic, [{ value: "b" }]);
  await until("both to go on", async () => before.values().includes("b") && during.values().length === 2);
  expect(before.consumer.state().problem).toBeUndefined();
});

withKafka(`a connection that goes silent or is cut does not stop it for ever${reason}`, async () => {
  const { topic, group } = await topicOf(["a"]);
  const lines = logLines();
  const { consumer, values } = collect(kafka.proxiedBrokers, group, [topic], { stallTimeoutMs: 1_500 });
  await until("the first", async () => values().length === 1);
  kafka.proxy.swallow("rows");
  await kafka.produce(topic, [{ value: "b" }]);
  await until("the second", async () => values().includes("b"));
  expect(lines.join("\n")).toMatch(/no fetch came back for/);
  expect(consumer.state().rebalances).toBeGreaterThanOrEqual(1);
  kafka.proxy.cut("rows");
  await kafka.produce(topic, [{ value: "c" }]);
  await until("the third", async () => values().includes("c"));
});

withKafka(`records that retention has taken are passed over, and it is said${reason}`, async () => {
  const { topic, group } = await topicOf(["a", "b", "c"]);
  const first = collect(kafka.brokers, group, [topic]);
  await until("the records", async () => first.values().length === 3);
  await first.consumer.close();
  await kafka.produce(
    topic,
    ["d", "e", "f"].map((value) => ({ value })),
  );
  await kafka.admin.fetchTopicOffsets(topic);
  await kafka.admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: "5" }] });
  const lines = logLines();
  const second = collect(kafka.brokers, group, [topic]);
  await until("what is left", async () => second.values().length === 1);
  expect(second.values()).toEqual(["f"]);
  expect(lines.join("\n")).toMatch(/out of range.*failure-\d+\[0\]/i);
  await until("the commit", async () => (await kafka.committed(group, topic, 0)) === 6n);
});

withKafka(`a transaction that was undone is not seen, and its marker is no lag${reason}`, async () => {
  const { topic, group } = await topicOf([]);
  const client = new kafkajs.Kafka({ brokers: [...kafka.brokers], logLevel: kafkajs.logLevel.NOTHING });
  const { DefaultPartitioner: createPartitioner } = kafkajs.Partitioners;
  const producer = client.producer({
    transactionalId: topic,
    idempotent: true,
    maxInFlightRequests: 1,
    createPartitioner,
  });
  onTestFinished(() => producer.disconnect());
  await producer.connect();
  const { consumer, values } = collect(kafka.brokers, group, [topic]);
  for (const [value, isKept] of [
    ["a", true],
    ["b", false],
    ["c", true],
    ["d", false],
  ] as const) {
    const transaction = await producer.transaction();
    await transaction.send({ topic, messages: [{ value }] });
    await (isKept ? transaction.commit() : transaction.abort());
  }
  await until("those that were kept", async () => values().length === 2);
  await until("no lag", async () => (await consumer.lag())[0]?.messages === 0);
  expect(values()).toEqual(["a", "c"]);
});

withKafka(`a transaction that stays open holds its records back, and they are no lag${reason}`, async () => {
  const { topic, group } = await topicOf(["a"]);
  const lines = logLines();
  const client = new kafkajs.Kafka({ brokers: [...kafka.brokers], logLevel: kafkajs.logLevel.NOTHING });
  const { DefaultPartitioner: createPartitioner } = kafkajs.Partitioners;
  const options = { transactionalId: topic, idempotent: true, maxInFlightRequests: 1, createPartitioner };
  const producer = client.producer(options);
  onTestFinished(() => producer.disconnect());
  await producer.connect();
  const transaction = await producer.transaction();
  await transaction.send({ topic, messages: [{ value: "b" }] });
  await kafka.produce(topic, [{ value: "c" }]);
  const stallTimeoutMs = 1_500;
  const { consumer, values } = collect(kafka.brokers, group, [topic], { stallTimeoutMs });
  await until("what was before it", async () => (await kafka.committed(group, topic, 0)) === 1n);
  const lag = await consumer.lag();
  expect([values(), lag[0]?.messages]).toEqual([["a"], 0]);
  await transaction.commit();
  await until("the rest", async () => values().length === 3);
  expect(lines.join("\n")).not.toMatch(/stands at/);
});

/** A member in a process of its own. */
function startMember(group: string, topic: string): Running {
  const member = fileURLToPath(new URL("test-fixtures/member-process.ts", import.meta.url));
  const words = ["--import", "jiti/register", member, kafka.brokers.join(), group, topic];
  return start([process.execPath, ...words], CHECKOUT);
}

withKafka(`what a killed member did not commit is taken by another${reason}`, async () => {
  const { topic, group } = await topicOf([], 2);
  const other = startMember(group, topic);
  await kafka.produce(topic, [{ value: "a" }], 0);
  await other.waitFor(/^0 0$/m);
  const { consumer, records } = collect(kafka.brokers, group, [topic]);
  await until("each to have one", async () => consumer.state().assignments.length === 1);
  other.signal("SIGKILL");
  for (const partition of [0, 1]) await kafka.produce(topic, [{ value: "b" }], partition);
  await until("it to have both", async () => consumer.state().assignments.length === 2);
  await until("all records", async () => new Set(records.map(({ partition }) => partition)).size === 2);
});

withKafka(`a member that has closed keeps nothing running${reason}`, async () => {
  const { topic, group } = await topicOf(["a"]);
  const member = startMember(group, topic);
  await member.waitFor(/^0 0$/m);
  member.signal("SIGTERM");
  expect(await member.ended).toMatchObject({ exitCode: 0, stderr: "" });
  expect(await kafka.committed(group, topic, 0)).toBe(1n);
});
