/**
 * Kafka for the benches: one broker of its own in a temporary folder, with the jars that the tests use, and topics
 * filled by Kafka's own producer in Java, several times as quick as one in JavaScript.
 */

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import kafkajs, { type Admin } from "kafkajs";
import { freePorts } from "../test/harness/free-ports.ts";
import { brokerProperties, FORMAT_LOG, hasLeaders, PROPERTIES_FILE } from "../test/harness/kafka-broker.ts";
import { findKafkaJars } from "../test/harness/kafka-program.ts";

const { Kafka, logLevel } = kafkajs;
const JVM = ["-Xms256m", "-Xmx512m", "-XX:+UseSerialGC"];
/** How long the broker may take to start, ms. */
const START_TIMEOUT_MS = 120_000;
const LOOK_PAUSE_MS = 100;

/** A running broker. */
export interface BenchKafka {
  /** host:port */
  readonly address: string;
  /** Makes a topic and puts `count` records without keys on its partitions in turn, their values the lines over and over. */
  fill(topic: string, partitions: number, lines: readonly string[], count: number): Promise<void>;
  createTopic(topic: string, partitions: number): Promise<void>;
  stop(): Promise<void>;
}

/** Starts a broker. Rejects where there is no Java or no Kafka. */
export async function startBenchKafka(): Promise<BenchKafka> {
  const found = await findKafkaJars();
  if ("missing" in found) throw new Error(`This bench needs a Kafka: ${found.missing}.`);
  const folder = mkdtempSync(join(tmpdir(), "headgate-bench-kafka-"));
  const [port, controller] = await freePorts(2);
  const address = `127.0.0.1:${port}`;
  const java = [...JVM, "-cp", join(found.jars, "*")];
  const properties = brokerProperties(folder, controller!, [{ name: "PLAINTEXT", port: port! }]);
  writeFileSync(join(folder, PROPERTIES_FILE), properties);
  await promisify(execFile)(found.java, [...java, ...FORMAT_LOG], { cwd: folder });
  const child = spawn(found.java, [...java, "kafka.Kafka", PROPERTIES_FILE], { cwd: folder, stdio: "ignore" });
  const ended = once(child, "exit");
  const admin = new Kafka({ brokers: [address], logLevel: logLevel.NOTHING }).admin();
  const stop = async () => {
    await admin.disconnect().catch(() => {});
    child.kill("SIGKILL");
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  const createTopic = async (topic: string, numPartitions: number) => {
    await admin.createTopics({ topics: [{ topic, numPartitions }], waitForLeaders: false });
    while (!(await hasLeaders(admin, topic, numPartitions))) await pause(LOOK_PAUSE_MS);
  };
  const endMs = performance.now() + START_TIMEOUT_MS;
  while (!(await isUp(admin))) {
    if (child.exitCode === null && performance.now() < endMs) continue;
    await stop();
    throw new Error(`Kafka did not come up at ${address}.`);
  }
  return Object.freeze({
    address,
    createTopic,
    fill: async (topic: string, partitions: number, lines: readonly string[], count: number) => {
      await createTopic(topic, partitions);
      const [source, payloads] = [join(folder, "Fill.java"), join(folder, "payloads")];
      writeFileSync(source, FILL);
      writeFileSync(payloads, lines.join("\n"));
      const words = [address, topic, partitions, count, payloads].map(String);
      await promisify(execFile)(found.java, [...java, source, ...words], { cwd: folder });
    },
    stop,
  });
}

async function isUp(admin: Admin): Promise<boolean> {
  try {
    await admin.connect();
    return (await admin.describeCluster()).brokers.length === 1;
  } catch {
    await pause(LOOK_PAUSE_MS);
    return false;
  }
}

/** Run from its source. */
const FILL = `
import java.nio.file.*;
import java.util.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.serialization.*;

public class Fill {
  public static void main(String[] words) throws Exception {
    List<byte[]> lines = new ArrayList<>();
    for (String line : Files.readAllLines(Path.of(words[4]))) lines.add(line.getBytes("UTF-8"));
    int partitions = Integer.parseInt(words[2]);
    Map<String, Object> settings = Map.of(
      "bootstrap.servers", words[0], "linger.ms", 20, "batch.size", 1 << 18, "buffer.memory", 1 << 26, "acks", "1");
    try (var producer = new KafkaProducer<byte[], byte[]>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
      for (int i = 0, count = Integer.parseInt(words[3]); i < count; i++) {
        producer.send(new ProducerRecord<>(words[1], i % partitions, null, lines.get(i % lines.size())));
      }
      producer.flush();
    }
  }
}
`;
