/**
 * `headgate ingest` as users run it: a backlog of small JSON events into Redis and into LMDB, held against the client
 * that only consumes and counts and against the store that is fed with ready rows, all in one run; then how soon an
 * event is in the answers of a gateway that has its rows in memory.
 */

import { randomUUID } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { endingAll } from "./ends.ts";
import { type IngestCost, startIngester } from "./ingester.ts";
import { type BenchKafka, startBenchKafka } from "./kafka-server.ts";
import { feedRate } from "./materialize-floors.ts";
import { type BenchProject, makeProject } from "./project.ts";
import { type BenchRedis, startBenchRedis } from "./redis-server.ts";
import { atLeast, atMost, type BenchResult, countText, textTable } from "./result.ts";
import { byTurns } from "./rounds.ts";
import { type Spread, spreadOf, spreadText } from "./statistics.ts";
import { eventTexts } from "./stream-events.ts";
import { type StreamAnswers, type StreamWorker, startStreamWorker } from "./stream-worker-jobs.ts";

/** How to measure. */
export interface IngestOptions {
  /** Events that wait when an ingester starts. */
  readonly backlog: number;
  readonly rounds: number;
  /** Takes a line for people. */
  readonly tell: (line: string) => void;
}

const TOPIC = "customer-features";
const PARTITIONS = 6;
/** Customers of the backlog: each has as many events as it takes. */
const CUSTOMERS = 200_000;
/**
 * Events at an even rate, for so long, so many times. A tenth is of the customers that are watched: each has a new event
 * every 100 ms, so that none hides the one before it, and asking for so few takes a millisecond.
 */
const STREAM = Object.freeze({ watched: 20, others: 980, perSecond: 2_000, seconds: 10, runs: 3 });
const HOUR_MS = 3_600_000;
const STORES = ["redis", "lmdb"] as const;
type Store = (typeof STORES)[number];

/** One round on one store. */
interface Round extends IngestCost {
  /** The client alone. */
  readonly countPerSecond: number;
  /** The store alone. */
  readonly feedPerSecond: number;
}

/** Runs the bench in temporary projects. Rejects where there is no Kafka or no Redis. */
export function benchIngest({ backlog, rounds, tell }: IngestOptions): Promise<BenchResult> {
  return endingAll(async (keep) => {
    const redis = await keep(startBenchRedis(undefined));
    const kafka = await keep(startBenchKafka());
    const worker = await keep(startStreamWorker());
    const lines = eventTexts(CUSTOMERS, Date.now() - HOUR_MS);
    tell(`a backlog of ${countText(backlog)} events of ${lines[0]!.length} bytes, ${PARTITIONS} partitions`);
    await kafka.fill(TOPIC, PARTITIONS, lines, backlog);
    const measured: Record<Store, Round[]> = { redis: [], lmdb: [] };
    for (let round = 0; round < rounds; round++) {
      for (const store of STORES) measured[store].push(await measureRound(store, round, backlog, kafka, redis, worker));
      tell(`round ${round + 1} of ${rounds}`);
    }
    tell(`\n${roundsTable(measured)}\n`);
    const seen: StreamAnswers["watch"][] = [];
    for (let run = 0; run < STREAM.runs; run++) seen.push(await measureVisibility(kafka, redis, worker));
    const [p50Ms, p99Ms] = [spreadOf(seen.map((one) => one.p50Ms)), spreadOf(seen.map((one) => one.p99Ms))];
    tell(
      `${STREAM.perSecond} events/s seen in answers: p50 ${spreadText(p50Ms, 1)} ms, p99 ${spreadText(p99Ms, 1)} ms\n`,
    );
    const peaks = STORES.flatMap((store) =>
      measured[store].map(({ peakAnonymousBytes: bytes }) => bytes && bytes / 1e6),
    );
    return {
      figures: { backlog, eventBytes: lines[0]!.length, partitions: PARTITIONS, measured, stream: STREAM, seen },
      bars: [
        atLeast(
          "events/s into Redis, of the slower of consuming and writing",
          ratioOf(measured.redis)?.median,
          "×",
          0.5,
        ),
        atLeast("events/s into LMDB, the same", ratioOf(measured.lmdb)?.median, "×", 0.5),
        atMost("produced → in another process's answer, p50", p50Ms?.median, "ms", 15),
        atMost("the same, p99", p99Ms?.median, "ms", 60),
        atMost("peak RssAnon of the ingester", spreadOf(peaks)?.most, "MB", 450),
      ],
    };
  });
}

function ratioOf(rounds: readonly Round[]): Spread | undefined {
  return spreadOf(rounds.map((one) => one.eventsPerSecond / Math.min(one.countPerSecond, one.feedPerSecond)));
}

/** The three sides one after the other, another first each time; the ingester begins with an empty store. */
async function measureRound(
  store: Store,
  round: number,
  backlog: number,
  kafka: BenchKafka,
  redis: BenchRedis,
  worker: StreamWorker,
): Promise<Round> {
  const url = store === "redis" ? redis.url : undefined;
  let cost: IngestCost | undefined;
  let [countPerSecond, feedPerSecond] = [0, 0];
  const sides = [
    async () => {
      const job = { broker: kafka.address, topic: TOPIC, partitions: PARTITIONS, records: backlog };
      countPerSecond = (await worker.ask("count", job)).recordsPerSecond;
    },
    async () => {
      await redis.client.flushall("SYNC");
      feedPerSecond = await feedRate(CUSTOMERS, Date.now() - HOUR_MS, url);
    },
    async () => {
      await redis.client.flushall("SYNC");
      cost = await ingestBacklog(backlog, kafka, url);
    },
  ];
  for (const side of byTurns(sides, round)) await side();
  return { ...cost!, countPerSecond, feedPerSecond };
}

function ingestBacklog(backlog: number, kafka: BenchKafka, redisUrl: string | undefined): Promise<IngestCost> {
  return endingAll(async (keep) => {
    const project = await keep(streamProject(1, TOPIC, redisUrl));
    const ingester = await keep(startIngester(project.directory, ingestEnvironment(project, kafka)));
    return ingester.read(backlog);
  });
}

/** A project whose view is streamed from a topic too. */
async function streamProject(customers: number, topic: string, redisUrl: string | undefined): Promise<BenchProject> {
  const project = await makeProject(customers, Date.now(), redisUrl === undefined ? {} : { onlineStore: redisUrl });
  const file = join(project.directory, "features/customer.ts");
  const stream = `stream: kafkaSource({ topic: "${topic}", timestampField: "event_ts" }),`;
  const text = readFileSync(file, "utf8").replace("entity,", "entity, kafkaSource,");
  writeFileSync(file, text.replace("entities: [customer],", `entities: [customer], ${stream}`));
  await project.run("apply");
  return project;
}

/** A group of its own each time: it starts at the beginning of the topic. */
function ingestEnvironment(project: BenchProject, kafka: BenchKafka): NodeJS.ProcessEnv {
  return {
    ...project.environment,
    HEADGATE_KAFKA_BROKERS: kafka.address,
    HEADGATE_KAFKA_GROUP: randomUUID(),
    HEADGATE_HEALTH_PORT: "0",
  };
}

async function measureVisibility(
  kafka: BenchKafka,
  redis: BenchRedis,
  producer: StreamWorker,
): Promise<StreamAnswers["watch"]> {
  await redis.client.flushall("SYNC");
  const topic = `seen-${randomUUID()}`;
  await kafka.createTopic(topic, PARTITIONS);
  return endingAll(async (keep) => {
    const project = await keep(streamProject(STREAM.watched + STREAM.others, topic, redis.url));
    await project.run("materialize-incremental", "now");
    const ingester = await keep(startIngester(project.directory, ingestEnvironment(project, kafka)));
    const gateway = await keep(project.serve());
    const watcher = await keep(startStreamWorker());
    const clock = { wallMs: Date.now(), monotonicMs: Number(process.hrtime.bigint()) / 1e6 };
    const { watched, others, perSecond, seconds } = STREAM;
    const place = { broker: kafka.address, topic, watched, others };
    // Until the ingester is a member of its group.
    await producer.ask("produce", { ...place, perSecond: 100, seconds: 5, clock });
    await ingester.read(500 * 0.9);
    const [seen] = await Promise.all([
      watcher.ask("watch", { url: gateway.url, watched, seconds, clock }),
      producer.ask("produce", { ...place, perSecond, seconds, clock }),
    ]);
    return seen;
  });
}

function roundsTable(measured: Readonly<Record<Store, readonly Round[]>>): string {
  const heading = ["into", "events/s", "consume and count", "store alone", "ratio", "CPU µs/event", "peak RssAnon MB"];
  const rate = (values: readonly number[]) => countText(spreadOf(values)?.median);
  const rows = STORES.map((store) => {
    const rounds = measured[store];
    return [
      store,
      rate(rounds.map((one) => one.eventsPerSecond)),
      rate(rounds.map((one) => one.countPerSecond)),
      rate(rounds.map((one) => one.feedPerSecond)),
      spreadText(ratioOf(rounds), 2),
      spreadText(spreadOf(rounds.map((one) => one.cpuMicrosPerEvent)), 2),
      spreadText(spreadOf(rounds.map((one) => one.peakAnonymousBytes && one.peakAnonymousBytes / 1e6)), 0),
    ];
  });
  return textTable(heading, rows);
}
