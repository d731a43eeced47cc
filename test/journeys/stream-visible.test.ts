/**
 * An event on its way to an answer: produced to a real broker, ingested into Redis by one process, and served by another
 * that has the customer's row in memory. Nobody asks Redis anew but because it was told that the row has changed.
 */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findKafka, type KafkaTopics, startKafka, until, useKafka } from "../harness/kafka.ts";
import { copyExample, headgate, type Running, run, type ServedProject, serve, start } from "../harness/project.ts";
import { findRedis, type RedisServer, startRedis } from "../harness/redis.ts";

const kafka = await findKafka();
const redis = findRedis();
const absent = [kafka, redis].flatMap((found) => ("missing" in found ? [` (${found.missing})`] : []));
const TEST_TIMEOUT_MS = 120_000;
const CUSTOMER = 17;
const EVENTS = 20;
/** The most that half of the events may take, ms; milliseconds where nothing else runs. */
const SEEN_WITHIN_MS = 1_000;

describe.skipIf(absent.length > 0)(`an event${absent.join("")}`, { timeout: TEST_TIMEOUT_MS }, () => {
  const project = copyExample();
  const topic = `visible-${process.pid}`;
  let broker: KafkaTopics;
  let server: RedisServer;
  let gateways: readonly ServedProject[];
  let ingester: Running;

  beforeAll(async () => {
    if ("missing" in kafka || "missing" in redis) return;
    broker = "jars" in kafka ? await startKafka(kafka) : await useKafka(kafka.brokers);
    server = await startRedis(redis.program);
    await broker.createTopic(topic, 1);
    const environment = {
      HEADGATE_ONLINE_STORE: server.url,
      HEADGATE_KAFKA_BROKERS: broker.brokers.join(","),
      HEADGATE_KAFKA_GROUP: topic,
      HEADGATE_HEALTH_PORT: "0",
    };
    addStream(join(project, "features/customer.ts"), topic);
    await run([process.execPath, "prepare.mjs"], project);
    for (const words of [["apply"], ["materialize-incremental", "now"]]) {
      const { exitCode, stderr } = await run(headgate(...words), project, environment);
      expect(exitCode, stderr).toBe(0);
    }
    gateways = await Promise.all([serve(project, environment), serve(project, environment)]);
    ingester = start(headgate("ingest"), project, environment);
    await ingester.waitFor(/health: /);
  }, TEST_TIMEOUT_MS);
  afterAll(async () => {
    for (const one of [ingester, ...(gateways ?? [])]) one?.signal("SIGKILL");
    await server?.stop();
  });

  test(`is in the answers of every gateway that has the row in memory, half of them within ${SEEN_WITHIN_MS} ms`, async () => {
    await event(broker, topic, 0);
    for (const gateway of gateways) {
      await until("the first event is seen", async () => (await answer(gateway)).orders === 0);
      await until("the row is in memory", async () => (await answer(gateway)).tier === "memory");
    }
    const tookMs: number[] = [];
    for (let orders = 1; orders <= EVENTS; orders++) {
      await event(broker, topic, orders);
      const producedMs = performance.now();
      for (const gateway of gateways) {
        await until(`event ${orders} is seen`, async () => (await answer(gateway)).orders === orders);
      }
      tookMs.push(performance.now() - producedMs);
      for (const gateway of gateways) expect((await answer(gateway)).tier).toBe("memory");
    }
    expect(tookMs.sort((a, b) => a - b)[EVENTS / 2]).toBeLessThan(SEEN_WITHIN_MS);
  });
});

function addStream(file: string, topic: string): void {
  const stream = `stream: kafkaSource({ topic: "${topic}", timestampField: "event_ts" }),`;
  const text = readFileSync(file, "utf8").replace("int64 }", "int64, kafkaSource }");
  writeFileSync(file, text.replace("entities: [customer],", `entities: [customer],\n  ${stream}`));
}

function event(broker: KafkaTopics, topic: string, orders: number): Promise<void> {
  const row = { customer_id: CUSTOMER, orders_30d: orders, aov_30d: 1.5, returns_rate_30d: 0, time_since_last_d: 2 };
  return broker.produce(topic, [{ value: JSON.stringify({ ...row, event_ts: Date.now() }) }]);
}

/** The customer's orders as a prediction used them, and the tier that they came from. */
async function answer({ url }: ServedProject): Promise<{ readonly orders: number; readonly tier: string }> {
  const response = await fetch(`${url}/predict`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "churn", entities: { customer_id: CUSTOMER }, explain: true }),
  });
  const { features } = (await response.json()) as {
    features: [{ values: Record<string, { value: number; tier: string }> }];
  };
  const { value, tier } = features[0].values["customer_30d_features:orders_30d"]!;
  return { orders: value, tier };
}
