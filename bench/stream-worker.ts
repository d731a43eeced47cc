/**
 * A process around an ingester, for its bench: consumes as kafkajs alone does, produces at an even rate, or watches a
 * gateway for what was produced; one job after the other, told and answered by IPC.
 */

import { setTimeout as pause } from "node:timers/promises";
import kafkajs, { type Consumer } from "kafkajs";
import { percentile, seededRandom } from "./statistics.ts";
import { eventText } from "./stream-events.ts";
import type { SharedClock, StreamAnswers, StreamJobs } from "./stream-worker-jobs.ts";
import { serveJobs } from "./worker.ts";

const { Kafka, Partitioners, logLevel } = kafkajs;
const FETCH_WAIT_MS = 200;
/** Of the watch, what is left out: until everything is warm, ms. */
const WARM_UP_MS = 2_000;
/** Of the events, one in so many is of a customer that is watched. */
const WATCHED_EVERY = 10;
const monotonicMs = () => Number(process.hrtime.bigint()) / 1e6;
const nowMs = (clock: SharedClock) => clock.wallMs + monotonicMs() - clock.monotonicMs;

serveJobs<StreamJobs, StreamAnswers>({ count, produce, watch });

async function count({ broker, topic, partitions, records }: StreamJobs["count"]): Promise<StreamAnswers["count"]> {
  const kafka = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING });
  const consumer = kafka.consumer({ groupId: `count-${process.pid}-${Date.now()}`, maxWaitTimeInMs: FETCH_WAIT_MS });
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  try {
    return { recordsPerSecond: await countAll(consumer, partitions, records) };
  } finally {
    await consumer.disconnect();
  }
}

function countAll(consumer: Consumer, partitions: number, records: number): Promise<number> {
  return new Promise((done, fail) => {
    let [counted, first, firstMs] = [0, 0, 0];
    const running = consumer.run({
      autoCommit: false,
      partitionsConsumedConcurrently: partitions,
      eachBatch: async ({ batch: { messages } }) => {
        counted += messages.length;
        if (first === 0) [first, firstMs] = [messages.length, monotonicMs()];
        if (counted === records) done(((records - first) * 1_000) / (monotonicMs() - firstMs));
      },
    });
    running.catch(fail);
  });
}

async function produce(job: StreamJobs["produce"]): Promise<StreamAnswers["produce"]> {
  const { broker, topic, watched, others, perSecond, seconds, clock } = job;
  const kafka = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING });
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  const random = seededRandom(1);
  const under = new Set<Promise<unknown>>();
  const startMs = monotonicMs();
  let events = 0;
  for (; monotonicMs() - startMs < seconds * 1_000; await pause(1)) {
    const messages: { key: string; value: string }[] = [];
    for (const due = ((monotonicMs() - startMs) * perSecond) / 1_000; events < due; events++) {
      const isWatched = events % WATCHED_EVERY === 0;
      const customerId = 1 + (isWatched ? (events / WATCHED_EVERY) % watched : watched + (events % others));
      messages.push({ key: String(customerId), value: eventText(customerId, timeText(nowMs(clock)), random) });
    }
    if (messages.length === 0) continue;
    const sent = producer.send({ topic, messages, acks: 1 }).finally(() => under.delete(sent));
    under.add(sent);
  }
  await Promise.all(under);
  await producer.disconnect();
  return { events };
}

/** RFC 3339 with microseconds, as a JSON string. */
function timeText(wallMs: number): string {
  const whole = Math.floor(wallMs);
  const micros = String(Math.floor((wallMs - whole) * 1_000)).padStart(3, "0");
  return `"${new Date(whole).toISOString().slice(0, -1)}${micros}Z"`;
}

async function watch({ url, watched, seconds, clock }: StreamJobs["watch"]): Promise<StreamAnswers["watch"]> {
  const entities = Array.from({ length: watched }, (_, i) => ({ customer_id: i + 1 }));
  const body = JSON.stringify({ model: "churn", entities });
  const newest = new Array<string>(watched);
  const delaysMs: number[] = [];
  const answersMs: number[] = [];
  const startMs = monotonicMs();
  for (; monotonicMs() - startMs < seconds * 1_000; await pause(1)) {
    const askedMs = monotonicMs();
    const headers = { "content-type": "application/json" };
    const response = await fetch(`${url}/predict`, { method: "POST", headers, body });
    if (!response.ok) throw new Error(`The gateway answers ${response.status}: ${await response.text()}`);
    const { features } = (await response.json()) as {
      readonly features: readonly { readonly event_timestamp: string }[];
    };
    const [seenMs, isWarm] = [nowMs(clock), monotonicMs() - startMs > WARM_UP_MS];
    if (isWarm) answersMs.push(monotonicMs() - askedMs);
    for (let i = 0; i < watched; i++) {
      const at = features[i]!.event_timestamp;
      if (at === newest[i]) continue;
      if (isWarm && newest[i] !== undefined) delaysMs.push(seenMs - wallMsOf(at));
      newest[i] = at;
    }
  }
  const [delays, answers] = [delaysMs, answersMs].map((all) => Float64Array.from(all).sort()) as [
    Float64Array,
    Float64Array,
  ];
  return {
    seen: delays.length,
    p50Ms: percentile(delays, 0.5),
    p99Ms: percentile(delays, 0.99),
    answerP50Ms: percentile(answers, 0.5),
  };
}

/** Date.parse drops what is below a millisecond. */
function wallMsOf(text: string): number {
  const micros = /\.\d{3}(\d{3})Z$/.exec(text)?.[1] ?? "0";
  return Date.parse(text) + Number(micros) / 1_000;
}
