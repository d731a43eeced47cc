/**
 * A real Kafka broker for the tests: one node (KRaft) on free ports of the loopback, its log in a temporary folder,
 * gone when the test file is done. It listens four times: plain, with logins, with TLS, and behind a TCP proxy that can
 * cut and mute. HEADGATE_TEST_KAFKA names a broker that is there already, for the tests that need just one.
 */

import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { type Admin, Kafka, logLevel, Partitioners } from "kafkajs";
import { afterAll, vi } from "vitest";
import { freePorts } from "./free-ports.ts";
import { brokerProperties, FORMAT_LOG, hasLeaders, PROPERTIES_FILE } from "./kafka-broker.ts";
import type { FoundKafka } from "./kafka-program.ts";
import { type Running, run, start, temporaryFolder } from "./project.ts";
import { TcpProxy } from "./tcp-proxy.ts";

export { findKafka, findKafkaJars } from "./kafka-program.ts";

/** The login that the broker knows, by PLAIN and by both SCRAMs. */
export const KAFKA_LOGIN = Object.freeze({ username: "alice", password: "alice-secret" });

const JVM = ["-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];

/** How long a state may take to come, ms: a group waits 10 s for a dead member, and machines may be slow. */
const UNTIL_TIMEOUT_MS = 60_000;
/** For whole tests, which wait for several states, ms. */
const TEST_TIMEOUT_MS = 120_000;
/** Between two looks, ms. */
const LOOK_PAUSE_MS = 20;

/** Waits for a state. Throws when it does not come. */
export async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  for (const endMs = performance.now() + UNTIL_TIMEOUT_MS; performance.now() < endMs; ) {
    if (await isSo().catch(() => false)) return;
    await pause(LOOK_PAUSE_MS);
  }
  throw new Error(`Waited ${UNTIL_TIMEOUT_MS} ms in vain for ${what}.`);
}

/** What can be done with any broker. */
export interface KafkaTopics {
  readonly brokers: readonly string[];
  /** For what the functions here don't do. */
  readonly admin: Admin;
  createTopic(name: string, partitions: number, settings?: Readonly<Record<string, string>>): Promise<void>;
  /** Sends to one partition, in order. */
  produce(topic: string, messages: readonly KafkaMessage[], partition?: number): Promise<void>;
  /** The group's committed offset; −1 when there is none. */
  committed(groupId: string, topic: string, partition: number): Promise<bigint>;
}

/** A message to be produced. */
export interface KafkaMessage {
  readonly key?: string | null;
  readonly value: string | Buffer | null;
  readonly headers?: Readonly<Record<string, string | Buffer | (string | Buffer)[]>>;
  readonly timestampMs?: number;
}

/** A broker of our own. */
export interface KafkaBroker extends KafkaTopics {
  /** Asks for one of KAFKA_LOGIN. */
  readonly loginBrokers: readonly string[];
  /** Speaks TLS with a certificate by `caFile`. */
  readonly tlsBrokers: readonly string[];
  readonly caFile: string;
  /** All that is reached from here goes over `proxy`. */
  readonly proxiedBrokers: readonly string[];
  readonly proxy: TcpProxy;
  /** Sends values by Kafka's own producer, all of them with each compression: none, gzip, snappy, lz4, zstd. */
  javaProduce(topic: string, values: readonly string[], compressions: readonly string[]): Promise<void>;
  /** Ends it: with SIGTERM as an operator would, or at once. */
  stop(name?: "SIGTERM" | "SIGKILL"): Promise<void>;
  /** Starts it again on its ports and log, after `stop`. */
  restart(): Promise<void>;
}

/** A broker that is there already, by its addresses. */
export async function useKafka(brokers: readonly string[]): Promise<KafkaTopics> {
  vi.setConfig({ testTimeout: TEST_TIMEOUT_MS, hookTimeout: TEST_TIMEOUT_MS });
  const kafka = new Kafka({ brokers: [...brokers], clientId: "headgate-test", logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await Promise.all([admin.connect(), producer.connect()]);
  afterAll(async () => {
    await Promise.all([admin.disconnect(), producer.disconnect()]).catch(() => {});
  });
  return Object.freeze({
    brokers,
    admin,
    createTopic: async (topic, numPartitions, settings = {}) => {
      const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }));
      await admin.createTopics({ topics: [{ topic, numPartitions, configEntries }], waitForLeaders: false });
      await until(`the topic ${topic} to have leaders`, () => hasLeaders(admin, topic, numPartitions));
    },
    produce: async (topic, messages, partition = 0) => {
      const sent = messages.map(({ timestampMs, key = null, value, headers = {} }) => ({
        ...{ key, value, headers: headers as Record<string, string>, partition },
        ...(timestampMs !== undefined && { timestamp: String(timestampMs) }),
      }));
      await producer.send({ topic, messages: sent, acks: -1 });
    },
    committed: async (groupId, topic, partition) => {
      const [offsets] = await admin.fetchOffsets({ groupId, topics: [topic] });
      return BigInt(offsets?.partitions.find((one) => one.partition === partition)?.offset ?? -1);
    },
  } satisfies KafkaTopics);
}

/** Starts a broker of our own. */
export async function startKafka(program: Extract<FoundKafka, { jars: string }>): Promise<KafkaBroker> {
  const folder = temporaryFolder();
  const [plain, login, tls, proxied, controller] = await freePorts(5);
  const proxy = new TcpProxy(proxied!);
  const proxyPort = await proxy.listen();
  afterAll(() => proxy.close());
  makeCertificate(folder);
  const ports = { plain: plain!, login: login!, tls: tls!, proxied: proxied!, proxyPort, controller: controller! };
  writeFileSync(join(folder, PROPERTIES_FILE), properties(ports, folder));
  writeFileSync(join(folder, "log4j2.yaml"), LOG4J);
  const java = (...words: readonly string[]) => [
    program.java,
    ...JVM,
    `-Dlog4j2.configurationFile=${join(folder, "log4j2.yaml")}`,
    ...["-cp", join(program.jars, "*")],
    ...words,
  ];
  const scrams = ["SCRAM-SHA-256", "SCRAM-SHA-512"].flatMap((mechanism) => [
    "--add-scram",
    `${mechanism}=[name=${KAFKA_LOGIN.username},password=${KAFKA_LOGIN.password}]`,
  ]);
  const formatted = await run(java(...FORMAT_LOG, ...scrams), folder);
  if (formatted.exitCode !== 0)
    throw new Error(`The log could not be formatted:\n${formatted.stdout}${formatted.stderr}`);
  const begin = async () => {
    const running = start(java("kafka.Kafka", PROPERTIES_FILE), folder);
    await running.waitFor(/Kafka Server started/);
    return running;
  };
  let running: Running = await begin();
  const address = (port: number) => [`127.0.0.1:${port}`];
  const topics = await useKafka(address(ports.plain));
  return Object.freeze({
    ...topics,
    loginBrokers: address(ports.login),
    tlsBrokers: address(ports.tls),
    caFile: join(folder, "ca.crt"),
    proxiedBrokers: address(proxyPort),
    proxy,
    javaProduce: async (topic, values, compressions) => {
      const source = join(temporaryFolder(), "Produce.java");
      writeFileSync(source, JAVA_PRODUCER);
      const words = java(source, `127.0.0.1:${ports.plain}`, topic, compressions.join(), ...values);
      const { exitCode, stderr } = await run(words, folder);
      if (exitCode !== 0) throw new Error(`Kafka's own producer failed:\n${stderr}`);
    },
    stop: async (name = "SIGTERM") => {
      running.signal(name);
      await running.ended;
    },
    restart: async () => {
      running = await begin();
      await until("the broker to answer", async () => (await topics.admin.describeCluster()).brokers.length === 1);
    },
  } satisfies KafkaBroker);
}

/** Run from its source. What is sent within the linger is one batch, and a batch is what is compressed. */
const JAVA_PRODUCER = `
import java.util.Map;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.serialization.StringSerializer;

public class Produce {
  public static void main(String[] words) {
    for (String compression : words[2].split(",")) {
      Map<String, Object> settings = Map.of(
        "bootstrap.servers", words[0], "compression.type", compression, "linger.ms", 1000, "batch.size", 1 << 20);
      var strings = new StringSerializer();
      try (var producer = new KafkaProducer<String, String>(settings, strings, strings)) {
        for (int i = 3; i < words.length; i++) producer.send(new ProducerRecord<>(words[1], 0, null, words[i]));
        producer.flush();
      }
    }
  }
}
`;

interface Ports {
  readonly plain: number;
  readonly login: number;
  readonly tls: number;
  readonly proxied: number;
  readonly proxyPort: number;
  readonly controller: number;
}

/** With logins and TLS, and quick to notice who is gone. */
function properties(ports: Ports, folder: string): string {
  const lines = brokerProperties(folder, ports.controller, [
    { name: "PLAIN", port: ports.plain },
    { name: "LOGIN", port: ports.login },
    { name: "TLS", port: ports.tls },
    { name: "PROXIED", port: ports.proxied, advertisedPort: ports.proxyPort },
  ]);
  const { username, password } = KAFKA_LOGIN;
  const jaas = "org.apache.kafka.common.security";
  return `${lines}listener.security.protocol.map=PLAIN:PLAINTEXT,LOGIN:SASL_PLAINTEXT,TLS:SSL,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT
listener.name.login.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.login.plain.sasl.jaas.config=${jaas}.plain.PlainLoginModule required user_${username}="${password}";
listener.name.login.scram-sha-256.sasl.jaas.config=${jaas}.scram.ScramLoginModule required;
listener.name.login.scram-sha-512.sasl.jaas.config=${jaas}.scram.ScramLoginModule required;
listener.name.tls.ssl.keystore.type=PEM
listener.name.tls.ssl.keystore.location=${join(folder, "server.pem")}
broker.heartbeat.interval.ms=200
broker.session.timeout.ms=1000
num.partitions=6
delete.topic.enable=true
group.min.session.timeout.ms=1000
message.max.bytes=4194304
num.network.threads=2
num.io.threads=2
background.threads=2
`;
}

const LOG4J = `
Configuration:
  status: warn
  Appenders:
    Console:
      name: STDOUT
      target: SYSTEM_OUT
      PatternLayout: { pattern: "[%d] %p %m (%c)%n" }
  Loggers:
    Root: { level: WARN, AppenderRef: { ref: STDOUT } }
    Logger:
      - { name: kafka.server, level: INFO }
      - { name: org.apache.kafka.server, level: INFO }
`;

/** An authority, and the broker's certificate by it with its key, in the one file that Kafka reads. */
function makeCertificate(folder: string): void {
  const openssl = (words: string) => execFileSync("openssl", words.split(" "), { cwd: folder, stdio: "ignore" });
  const key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
  writeFileSync(join(folder, "names"), "subjectAltName=IP:127.0.0.1\n");
  openssl(`req -x509 ${key} -keyout ca.key -out ca.crt -subj /CN=test-authority -days 2`);
  openssl(`req ${key} -keyout server.key -out server.csr -subj /CN=127.0.0.1`);
  openssl("x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out server.crt -days 2 -extfile names");
  const pem = ["server.key", "server.crt", "ca.crt"].map((file) => readFileSync(join(folder, file), "utf8"));
  writeFileSync(join(folder, "server.pem"), pem.join(""));
}
