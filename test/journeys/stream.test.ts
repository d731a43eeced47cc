/**
 * The stream under everything that happens to one: ingesters that are killed and added, a broker that restarts, a Redis
 * that goes away, a nightly load of the same rows; then a replay, and a failover that lost writes. Whatever the
 * order of things, the store must hold what a naive oracle makes of the log, the dead letters must be the bad events,
 * and no offset may be committed before its rows are stored. When faults strike comes from a seed (HEADGATE_TEST_SEED),
 * how many events there are from HEADGATE_TEST_EVENTS.
 */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { beforeAll, describe, expect, test } from "vitest";
import { seededRandom } from "../../bench/statistics.ts";
import { valuesOffset } from "../../features/row-order.ts";
import { placeOf, takeSamples, uncovered } from "../harness/commit-samples.ts";
import { findKafkaJars, type KafkaBroker, startKafka, until } from "../harness/kafka.ts";
import { type LoggedRecord, readTopic } from "../harness/kafka-log.ts";
import { findRedis, type RedisServer, startRedis, startRedisSentinels } from "../harness/redis.ts";
import {
  eventOf,
  keyOf,
  naiveOracle,
  nightlyFile,
  nightlyRows,
  SCORES_TTL_MS,
  type StoredScoreRow,
  scoreEvents,
} from "../harness/score-events.ts";
import { type RunningIngester, type ScannedRow, ScoreStream, scanScores } from "../harness/score-stream.ts";
import { TcpProxy } from "../harness/tcp-proxy.ts";

const kafka = await findKafkaJars();
const redis = findRedis();
const absent = [kafka, redis].flatMap((found) => ("missing" in found ? [` (${found.missing})`] : []));

const SEED = Number(process.env.HEADGATE_TEST_SEED ?? 1);
const EVENTS = Number(process.env.HEADGATE_TEST_EVENTS ?? 200_000);
const CUSTOMERS = Math.ceil(EVENTS / 12);
const NIGHTLY_ROWS = Math.ceil(CUSTOMERS / 2);
/** The events are produced in so many steps; between two of them faults begin. */
const STEPS = 20;
/** So many steps the ingesters may be behind the producer: faults are to strike in the middle of their work. */
const STEPS_BEHIND = 4;
/** For how long Redis is away, ms. */
const REDIS_CUT_MS = 5_000;
/** So many of what is wrong are told. */
const TOLD = 20;
const TEST_TIMEOUT_MS = 400_000;

/** Where the dead letters of all topics say that they are from, as a set. */
async function deadLetters({ broker, topics }: ScoreStream): Promise<ReadonlySet<string>> {
  const letters = await Promise.all(topics.map((topic) => readTopic(broker, `${topic}.dlq`)));
  return new Set(
    letters.flat().map(({ header }) => {
      const [partition, offset] = [Number(header("headgate-partition")), Number(header("headgate-offset"))];
      return placeOf({ topic: header("headgate-topic")!, partition, offset });
    }),
  );
}

/** Of each entity whose row is not the expected one, both; the first few. */
function differences(
  rows: ReadonlyMap<string, StoredScoreRow>,
  expected: ReadonlyMap<string, StoredScoreRow>,
): readonly string[] {
  const keys = [...new Set([...rows.keys(), ...expected.keys()])];
  const texts = keys.map((key) => [key, rowText(rows.get(key)), rowText(expected.get(key))] as const);
  return texts
    .filter(([, row, wanted]) => row !== wanted)
    .slice(0, TOLD)
    .map(([key, row, wanted]) => `${key} is ${row}, not ${wanted}`);
}

function rowText(row: StoredScoreRow | undefined): string {
  return row === undefined ? "missing" : `${row.values?.map(String).join() ?? "deleted"} (${row.order.join()})`;
}

/** What decides and what is read of each row: the bytes of its order and of its values. */
function decidingBytes(rows: ReadonlyMap<string, ScannedRow>): ReadonlyMap<string, string> {
  return new Map(
    [...rows].map(([key, { bytes }]) => {
      const order = Buffer.from(bytes.subarray(0, 1 + bytes[0]!)).toString("hex");
      return [key, `${order} ${Buffer.from(bytes.subarray(valuesOffset(bytes))).toString("hex")}`];
    }),
  );
}

/** What serving answers of a row at a time, as ScoreStream.served tells it. */
function servedText(row: StoredScoreRow | undefined, nowMs: number): string {
  if (row?.values === undefined) return "null NOT_FOUND, null NOT_FOUND";
  if (nowMs - row.order[0] / 1_000 > SCORES_TTL_MS) return "null OUTSIDE_MAX_AGE, null OUTSIDE_MAX_AGE";
  return row.values.map((value) => (value === null ? "null NULL_VALUE" : `${value} PRESENT`)).join(", ");
}

describe.skipIf(absent.length > 0)(`the stream${absent.join("")}`, { timeout: TEST_TIMEOUT_MS }, () => {
  const endMs = Date.now();
  const events = scoreEvents(EVENTS, CUSTOMERS, endMs, SEED);
  const nightly = nightlyRows(NIGHTLY_ROWS, CUSTOMERS, endMs, SEED + 1);
  let broker: KafkaBroker;
  let server: RedisServer;
  let project: ScoreStream;
  let records: readonly LoggedRecord[];

  beforeAll(async () => {
    if ("missing" in kafka || "missing" in redis) return;
    [broker, server] = await Promise.all([startKafka(kafka), startRedis(redis.program)]);
    project = new ScoreStream(`stream-${process.pid}`, broker, {});
    writeFileSync(join(project.folder, "scores.parquet"), nightlyFile(nightly));
    await project.begin(server.url);
  }, TEST_TIMEOUT_MS);

  async function load(storeUrl: string): Promise<void> {
    await project.command(["materialize-incremental", new Date(endMs + 60_000).toISOString()], storeUrl);
  }

  test(`${EVENTS} events, kills, restarts and a nightly load leave what the oracle says (seed ${SEED})`, async () => {
    const random = seededRandom(SEED + 2);
    const proxy = new TcpProxy(server.port);
    const storeUrl = `redis://127.0.0.1:${await proxy.listen()}`;
    const store = await project.openStore(server.url);
    const sampling = takeSamples(project, store);
    const ingesters = await Promise.all([1, 2, 3].map(() => project.ingest(storeUrl)));
    const faults: Record<string, () => Promise<unknown>> = {
      kill: async () => {
        await pause(random() * 500);
        const [killed] = ingesters.splice(Math.floor(random() * ingesters.length), 1);
        killed!.signal("SIGKILL");
      },
      add: async () => ingesters.push(await project.ingest(storeUrl)),
      cutRedis: async () => {
        proxy.stall();
        await pause(REDIS_CUT_MS);
        proxy.resume();
      },
      restartBroker: async () => {
        await broker.stop();
        await broker.restart();
      },
      // From the server itself: it is the ingesters that Redis is away for.
      load: () => load(server.url),
    };
    // Each at a step of its own, none before there is something to disturb.
    const steps = Object.keys(faults).map((name) => ({ name, at: 2 + Math.floor(random() * (STEPS - 4)) }));
    const underWay: Promise<unknown>[] = [];
    const isWithin = async (step: number) => {
      const consumed = (await project.committed()).flat().reduce((sum, offset) => sum + offset, 0);
      return consumed >= ((step - STEPS_BEHIND) / STEPS) * EVENTS;
    };
    for (let step = 0; step < STEPS; step++) {
      await until("the ingesters to come on", () => isWithin(step));
      for (const { name, at } of steps) if (at === step) underWay.push(faults[name]!());
      await project.produce(events.slice((step * EVENTS) / STEPS, ((step + 1) * EVENTS) / STEPS));
    }
    await Promise.all(underWay);
    await project.drained();
    const samples = await sampling.stop();
    await stopAll(ingesters);
    proxy.close();
    records = (await Promise.all(project.topics.map((topic) => readTopic(broker, topic)))).flat();

    const rows = await scanScores(store);
    const oracle = naiveOracle(records, events, nightly);
    expect(uncovered(project, records, events, samples).slice(0, TOLD)).toEqual([]);
    expect(differences(rows, oracle)).toEqual([]);
    const customers = Array.from({ length: CUSTOMERS }, (_, i) => i);
    const nowMs = Date.now();
    expect(await project.served(store, customers, nowMs)).toEqual(
      customers.map((customerId) => servedText(oracle.get(keyOf(customerId)), nowMs)),
    );
    const bad = records.filter((record) => eventOf(record, events).row === undefined);
    expect([...(await deadLetters(project))].sort()).toEqual(bad.map(placeOf).sort());
    expect(samples.filter(({ committed }) => committed.flat().some((offset) => offset > 0)).length).toBeGreaterThan(5);
    await store.close();
  });

  test("a replay from the start changes nothing, and fills an empty store with the same", async () => {
    const store = await project.openStore(server.url);
    const before = decidingBytes(await scanScores(store));
    const emptyUrl = `${server.url}/1`;
    await project.apply(emptyUrl);
    const replays = await Promise.all(
      [server.url, emptyUrl].map((url, i) => project.ingest(url, { HEADGATE_KAFKA_GROUP: `again-${i}` })),
    );
    await Promise.all([project.drained("again-0"), project.drained("again-1"), load(emptyUrl)]);
    expect(await metric(replays[0]!, WRITTEN)).toBe(0);
    await stopAll(replays);
    const empty = await project.openStore(emptyUrl);
    expect(decidingBytes(await scanScores(store))).toEqual(before);
    expect(decidingBytes(await scanScores(empty))).toEqual(before);
    await Promise.all([store.close(), empty.close()]);
  });

  test("after a failover that lost acknowledged writes the ingester goes back, and the store is whole again", async () => {
    if ("missing" in redis) return;
    const sentinels = await startRedisSentinels(redis.program);
    const { master, replica } = sentinels;
    const other = new ScoreStream(`${project.name}-failover`, broker, { HEADGATE_HISTORY_INTERVAL: "200ms" });
    await other.begin(sentinels.url);
    const ingester = await other.ingest(sentinels.url);
    const some = events.slice(0, 2_000);
    await other.produce(some.slice(0, 1_000));
    await other.drained();
    const sent = replicationOffset(await master.command("INFO", "replication"), "master_repl_offset");
    await until("the replica to have the first half", async () => {
      const replication = await replica.command("INFO", "replication");
      return replicationOffset(replication, "slave_repl_offset") >= sent;
    });
    // From here on the master writes for itself alone.
    replica.signal("SIGSTOP");
    await master.command("CLIENT", "KILL", "TYPE", "replica");
    await other.produce(some.slice(1_000));
    await other.drained();
    const written = await metric(ingester, WRITTEN);
    await master.stop();
    replica.signal("SIGCONT");
    await until("the ingester to go back", async () => (await metric(ingester, "rewinds_total")) > 0);
    await other.drained();
    const again = (await metric(ingester, WRITTEN)) - written;
    expect(again, "rows that the replica had not").toBeGreaterThan(0);
    const oracle = naiveOracle(
      (await Promise.all(other.topics.map((topic) => readTopic(broker, topic)))).flat(),
      events,
      [],
    );
    const store = await other.openStore(sentinels.url);
    expect(differences(await scanScores(store), oracle)).toEqual([]);
    await store.close();
    await stopAll([ingester]);
  });
});

/** Rows that were newer than what the store had. */
const WRITTEN = 'rows_total{feature_view="scores",outcome="written"}';

/** The value of a metric of the stream's; NaN where it is not told. */
async function metric(ingester: RunningIngester, name: string): Promise<number> {
  const line = (await ingester.get("/metrics")).text
    .split("\n")
    .find((one) => one.startsWith(`headgate_ingest_${name} `));
  return line === undefined ? Number.NaN : Number(line.split(" ").at(-1));
}

async function stopAll(ingesters: readonly RunningIngester[]): Promise<void> {
  for (const one of ingesters) one.signal("SIGTERM");
  const ended = await Promise.all(ingesters.map((one) => one.ended));
  expect(ended.map(({ exitCode, stderr }) => (exitCode === 0 ? "" : stderr))).toEqual(ended.map(() => ""));
}

function replicationOffset(replication: unknown, name: string): number {
  return Number(new RegExp(`^${name}:(\\d+)`, "m").exec(String(replication))?.[1] ?? -1);
}
