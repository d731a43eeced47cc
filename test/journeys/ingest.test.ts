/**
 * A project's stream as its operator sees it: `headgate ingest` as processes of their own against a real broker, rows
 * told by `headgate features get`, dead letters and their replay, a kill, a store that goes away, settings that are wrong.
 */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  findKafka,
  KAFKA_LOGIN,
  type KafkaBroker,
  type KafkaTopics,
  startKafka,
  until,
  useKafka,
} from "../harness/kafka.ts";
import { hasDeadLetter, isReady, OrderStream, STREAM_PARTITIONS } from "../harness/order-stream.ts";
import { type Environment, headgate, run } from "../harness/project.ts";
import { findRedis, type RedisServer, startRedis } from "../harness/redis.ts";

const kafka = await findKafka();
const redis = findRedis();
const absent = [kafka, redis].flatMap((found) => ("missing" in found ? [found.missing] : []));
/** Less than a broker's 1,048,588 by what a record has around it. */
const LARGE_BYTES = 1_048_400;
/** A killed member's partitions stand still until its session is over, which takes 10 s by itself. */
const TEST_TIMEOUT_MS = 120_000;

const described = `headgate ingest${absent.map((reason) => ` (${reason})`).join("")}`;

describe.skipIf(absent.length > 0)(described, { timeout: TEST_TIMEOUT_MS }, () => {
  let broker: KafkaTopics;
  let server: RedisServer;
  let stream: OrderStream;

  beforeAll(async () => {
    if ("missing" in kafka || "missing" in redis) return;
    broker = "jars" in kafka ? await startKafka(kafka) : await useKafka(kafka.brokers);
    server = await startRedis(redis.program);
  }, 300_000);
  afterAll(async () => server?.stop());
  beforeEach(async () => {
    stream = new OrderStream(broker);
    await broker.createTopic(stream.topic, STREAM_PARTITIONS);
  });

  test("an event is a row of its view; a signal ends it with 0, and the next goes on where it was", async () => {
    await stream.apply();
    const ingester = await stream.ingest();
    expect(ingester.stdout()).toContain(`${stream.topic} → totals`);
    await stream.order(1, { total: 10 });
    await until("the row is there", async () => (await stream.get(1)) === 10);
    await until("it is ready", () => isReady(ingester));
    expect(await (await fetch(`${ingester.health}/metrics`)).text()).toMatch(
      /^headgate_ingest_rows_total\{feature_view="totals",outcome="written"\} 1$/m,
    );
    ingester.signal("SIGTERM");
    expect((await ingester.ended).exitCode).toBe(0);
    await stream.order(1, { total: 11 });
    const next = await stream.ingest();
    await until("the newer row is there", async () => (await stream.get(1)) === 11);
    expect(await (await fetch(`${next.health}/metrics`)).text()).toMatch(
      /^headgate_ingest_events_total\{topic="[^"]+"\} 1$/m,
    );
    next.signal("SIGTERM");
    await next.ended;
  });

  test("an ingester that is killed loses nothing, and a delete stays one", async () => {
    await stream.apply();
    const killed = await stream.ingest();
    for (let customer = 0; customer < 20; customer++) await stream.order(customer, { total: customer });
    await until("the first rows are there", async () => (await stream.get(0)) === 0);
    killed.signal("SIGKILL");
    await killed.ended;
    await stream.remove(3);
    await stream.order(4, { total: 44 });
    const next = await stream.ingest();
    await until("it has the killed one's partitions", () => isReady(next));
    await until("all is there", async () => (await stream.get(4)) === 44 && (await stream.get(19)) === 19);
    expect([await stream.get(3), await stream.get(2)]).toEqual([undefined, 2]);
    next.signal("SIGTERM");
    await next.ended;
  });

  test("on Redis, which goes away meanwhile: the batch waits, readyz says why, nothing is a dead letter", async () => {
    await stream.apply({ HEADGATE_ONLINE_STORE: server.url });
    const ingester = await stream.ingest();
    await stream.order(1, { total: 1 });
    await until("the row is there", async () => (await stream.get(1)) === 1);
    server.signal("SIGSTOP");
    await stream.order(1, { total: 2 });
    await until("it is not ready", async () => !(await isReady(ingester)));
    server.signal("SIGCONT");
    await until("the row is there", async () => (await stream.get(1)) === 2);
    await until("it is ready", () => isReady(ingester));
    expect(await (await fetch(`${ingester.health}/metrics`)).text()).not.toMatch(
      /^headgate_ingest_dead_letters_total\S+ [1-9]/m,
    );
    ingester.signal("SIGTERM");
    await ingester.ended;
  });

  test("after a failover that lost writes the ingester goes back and writes them again", async () => {
    await stream.apply({ HEADGATE_ONLINE_STORE: server.url, HEADGATE_HISTORY_INTERVAL: "200ms" });
    const ingester = await stream.ingest();
    await stream.order(0, { total: 0 });
    await until("the first row is there", async () => (await stream.get(0)) === 0);
    // What a replica or the disk has when the master goes.
    await server.command("SAVE");
    for (let customer = 1; customer < 20; customer++) await stream.order(customer, { total: customer });
    await until("all is there", async () => (await stream.get(19)) === 19 && (await stream.get(1)) === 1);
    await server.stop();
    await server.restart();
    await until("all is there again", async () => (await stream.get(19)) === 19 && (await stream.get(1)) === 1);
    expect(await (await fetch(`${ingester.health}/metrics`)).text()).toMatch(/^headgate_ingest_rewinds_total [1-9]/m);
    ingester.signal("SIGTERM");
    await ingester.ended;
  });

  test("a store that is emptied under it ends it with the sentence; applied to, another group brings all again", async () => {
    await stream.apply({ HEADGATE_ONLINE_STORE: server.url });
    const ingester = await stream.ingest();
    await stream.order(1, { total: 1 });
    await until("the row is there", async () => (await stream.get(1)) === 1);
    await server.command("FLUSHALL");
    const refusal = { exitCode: 1, stderr: expect.stringMatching(/headgate apply.* \[REGISTRY_NOT_APPLIED\]/) };
    const ended = await ingester.ended;
    expect(ended).toMatchObject(refusal);
    expect(ended.stderr).toContain("the applied registry is not the one this process began with");
    await stream.order(2, { total: 2 });
    expect(await stream.start().ended).toMatchObject(refusal);
    await stream.apply({ HEADGATE_KAFKA_GROUP: `${stream.project}-again` });
    const next = await stream.ingest();
    await until("all is there again", async () => (await stream.get(1)) === 1 && (await stream.get(2)) === 2);
    next.signal("SIGTERM");
    expect((await next.ended).exitCode).toBe(0);
  });

  test("a bad event goes to the dead letters with its reason, and comes back when the definition is mended", async () => {
    await stream.apply();
    const ingester = await stream.ingest();
    await stream.order(1, { total: "12" }, { trace: "abc" });
    await stream.order(2, { total: 2 });
    await until("the good one is there", async () => (await stream.get(2)) === 2);
    await until("the bad one is counted", () => hasDeadLetter(ingester));
    const stillBad = await run(headgate("ingest", "--replay-dlq"), stream.folder, stream.environment);
    expect(stillBad).toMatchObject({
      exitCode: 1,
      stdout: expect.stringMatching(/^1 dead letter read; 1 remains bad:/),
    });
    expect(stillBad.stdout).toMatch(/\[\d\]@\d+: feature view "totals": "total" is "12"/);
    stream.define(`map: (event) => ({ ...event, total: Number(event.total) }),`);
    await stream.apply();
    const mended = await run(headgate("ingest", "--replay-dlq", "--json"), stream.folder, stream.environment);
    expect(mended.stderr).toBe("");
    expect(JSON.parse(mended.stdout)).toMatchObject({ letters: 1, remaining: 0, views: { totals: { written: 1 } } });
    expect([mended.exitCode, await stream.get(1)]).toEqual([0, 12]);
    ingester.signal("SIGTERM");
    await ingester.ended;
  });

  test("a bad event that is as large as its topic takes is a dead letter too, and holds up nothing", async () => {
    await stream.apply();
    const ingester = await stream.ingest();
    const large = Buffer.alloc(LARGE_BYTES, "x");
    await broker.produce(stream.topic, [{ key: "1", value: large }], 0);
    await stream.order(3, { total: 3 });
    await until("the one behind it is there", async () => (await stream.get(3)) === 3);
    await until("it is counted", () => hasDeadLetter(ingester));
    const replayed = await run(headgate("ingest", "--replay-dlq"), stream.folder, stream.environment);
    expect(replayed.stdout).toMatch(/^1 dead letter read; 1 remains bad:/);
    ingester.signal("SIGTERM");
    await ingester.ended;
  });

  test.skipIf("brokers" in kafka)("a wrong password ends it with the sentence, which does not hold it", async () => {
    const { loginBrokers } = broker as KafkaBroker;
    await stream.apply({
      HEADGATE_KAFKA_BROKERS: loginBrokers.join(","),
      HEADGATE_KAFKA_SASL_MECHANISM: "scram-sha-256",
      HEADGATE_KAFKA_USERNAME: KAFKA_LOGIN.username,
      HEADGATE_KAFKA_PASSWORD: "not-her-secret",
    });
    const { exitCode, stderr, stdout } = await stream.start().ended;
    expect([exitCode, stderr]).toEqual([1, expect.stringMatching(/refuses the login of alice .* \[STREAM_DENIED\]/)]);
    expect(stdout + stderr).not.toContain("not-her-secret");
    const login = { HEADGATE_KAFKA_PASSWORD: KAFKA_LOGIN.password };
    const ingester = stream.start(login);
    await stream.order(1, { total: 1 });
    await until("with the right one it reads", async () => (await stream.get(1)) === 1);
    ingester.signal("SIGTERM");
    expect((await ingester.ended).exitCode).toBe(0);
  });

  test("too many bad events end it with the sentence, and they stay uncommitted", async () => {
    await stream.apply({ HEADGATE_MAX_DEAD_LETTERS: "0" });
    await stream.order(1, { total: "12" });
    const ingester = stream.start();
    const { exitCode, stderr } = await ingester.ended;
    expect([exitCode, stderr]).toEqual([
      1,
      expect.stringMatching(/1 of the last 1 events of topic .* \[TOO_MANY_DEAD_LETTERS\]/),
    ]);
    const committed = await Promise.all(
      Array.from({ length: STREAM_PARTITIONS }, (_, partition) =>
        broker.committed(`headgate-${stream.project}`, stream.topic, partition),
      ),
    );
    expect(Math.max(...committed.map(Number))).toBeLessThanOrEqual(0);
  });

  test("a broker that is not there is told, and waited for", async () => {
    await stream.apply({ HEADGATE_KAFKA_BROKERS: "127.0.0.1:1" });
    const ingester = await stream.ingest();
    await until("readyz says why", async () => {
      const response = await fetch(`${ingester.health}/readyz`);
      return response.status === 503 && /127\.0\.0\.1:1/.test(await response.text());
    });
    ingester.signal("SIGINT");
    expect((await ingester.ended).exitCode).toBe(0);
  });
});

describe("headgate ingest refuses, before it reads anything,", () => {
  const stream = new OrderStream({ brokers: ["127.0.0.1:1"], produce: async () => {} });

  test.each([
    ["a project without brokers", { HEADGATE_KAFKA_BROKERS: "" }, [], "CONFIG_INVALID", "HEADGATE_KAFKA_BROKERS"],
    ["what is no list of brokers", { HEADGATE_KAFKA_BROKERS: "kafka" }, [], "CONFIG_INVALID", "host:port,host:port"],
    ["definitions that are not applied", {}, [], "REGISTRY_NOT_APPLIED", "headgate apply"],
    ["a view that is not there", {}, ["--views", "gone"], "VIEW_NOT_FOUND", "there are"],
    ["a view without a stream", {}, ["--views", "still"], "SOURCE_NOT_FOUND", 'Feature view "still" has no stream'],
  ])("%s", async (_, environment: Environment, words, code, sentence) => {
    const { exitCode, stderr } = await stream.start(environment, words).ended;
    expect(stderr).toContain(`[${code}]`);
    expect(stderr).toContain(sentence);
    expect(exitCode).toBe(code === "VIEW_NOT_FOUND" ? 2 : 1);
  });
});
