/**
 * `headgate ingest --replay-dlq`: dead letters through the stream's journey once more, after the definitions or the
 * schemas they failed by were mended.
 *
 * A letter is decoded as the record it was: by its original topic's decoders, with its own timestamp and offset, so its
 * rows have the order they would have had and win or lose as they would have. Only views that refused it take it. A
 * replay reads the dead-letter topics from their start to where they ended when it began, each time: what was repaired
 * before changes nothing, and what is still bad stays where it is, is counted, and can be tried again.
 */

import type { OnlineStore } from "../features/store/online-store.ts";
import type { StreamConsumer } from "./consumer.ts";
import { DEAD_LETTER_SUFFIX, deadLetterTopic, readDeadLetter } from "./dead-letter.ts";
import { emptyRowCounts, RowChunk, type RowCounts } from "./row-chunk.ts";
import { recordName, type StreamBatch, type StreamRecord } from "./stream-record.ts";
import type { PlannedTopic, TopicPlan } from "./topic-plan.ts";

/** Letters that are told one by one of those that are still bad. */
const REPLAY_SAMPLES = 10;
/** Between two looks whether all is read, ms. */
const LOOK_MS = 100;

/** A letter that can't be taken now either. */
export interface RemainingLetter {
  /** The record it was, as "orders[3]@1207". */
  readonly record: string;
  readonly reason: string;
}

/** What a replay did. */
export interface ReplayReport {
  /** Letters that were read. */
  readonly letters: number;
  /** By view. */
  readonly views: Readonly<Record<string, RowCounts>>;
  /** Letters of which at least one view refuses its part still; they stay in their topic. */
  readonly remaining: number;
  /** The first of them. */
  readonly samples: readonly RemainingLetter[];
}

/** What a replay needs. */
export interface ReplayOptions {
  readonly plan: TopicPlan;
  readonly store: Pick<OnlineStore, "write">;
  /** Creates what is missing, so that nothing waits for a topic that never had a letter. */
  readonly ensureTopic: (topic: string, likeTopic: string) => Promise<void>;
  /** Opens a consumer of a group that has committed nothing, from the earliest record on. */
  readonly openConsumer: (
    topics: readonly string[],
    onBatch: (batch: StreamBatch, signal: AbortSignal) => Promise<void>,
  ) => StreamConsumer;
  /** The views that are asked for; undefined: all. Letters of others are read over. */
  readonly views?: ReadonlySet<string> | undefined;
  readonly maxFutureMs: number;
  /** Epoch ms. */
  readonly now: () => number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Replays the dead letters of the plan's topics. Rejects with what the store or Kafka say, and when aborted with the
 * signal's reason; running it again is safe.
 */
export async function replayDeadLetters(options: ReplayOptions): Promise<ReplayReport> {
  const { plan, signal } = options;
  const topics = [...plan.topics.keys()];
  for (const topic of topics) await options.ensureTopic(deadLetterTopic(topic), topic);
  const replay = new Replay(options);
  const failing = failure(signal);
  const consumer = options.openConsumer(topics.map(deadLetterTopic), (batch, batchSignal) =>
    replay.load(batch, batchSignal).catch((cause: unknown) => {
      if (!batchSignal.aborted) failing.fail(cause);
      throw cause;
    }),
  );
  consumer.ended.catch(failing.fail);
  try {
    await Promise.race([failing.failed, untilRead(consumer, replay, failing)]);
  } finally {
    failing.stop();
    await consumer.close();
  }
  return replay.report();
}

interface Failure {
  readonly failed: Promise<never>;
  readonly fail: (cause: unknown) => void;
  /** True once nobody waits for the end any more. */
  readonly isOver: () => boolean;
  readonly stop: () => void;
}

function failure(signal: AbortSignal | undefined): Failure {
  let isOver = false;
  let fail: (cause: unknown) => void = () => {};
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  failed.catch(() => {});
  const aborted = () => fail(signal?.reason);
  if (signal?.aborted) aborted();
  signal?.addEventListener("abort", aborted, { once: true });
  const stop = () => {
    isOver = true;
    signal?.removeEventListener("abort", aborted);
  };
  return Object.freeze({ failed, fail, isOver: () => isOver, stop });
}

async function untilRead(consumer: StreamConsumer, replay: Replay, { isOver }: Failure): Promise<void> {
  while (!isOver()) {
    const { assignments, connected } = consumer.state();
    if (connected && assignments.length > 0) {
      // What can't be mended ends the consumer; the rest is asked again.
      const lags = await consumer.lag().catch(() => []);
      const isRead = lags.every((lag) => lag.messages === 0 || replay.hasReachedEnd(lag.topic, lag.partition));
      if (lags.length === assignments.length && isRead) return;
    }
    await new Promise((looked) => setTimeout(looked, LOOK_MS));
  }
}

class Replay {
  readonly #options: ReplayOptions;
  readonly #counts: ReadonlyMap<string, RowCounts>;
  readonly #samples: RemainingLetter[] = [];
  /** By partition of a dead-letter topic: where it ended when it was first read, and the offset that is next. */
  readonly #places = new Map<string, { readonly end: bigint; next: bigint }>();
  #letters = 0;
  #remaining = 0;

  constructor(options: ReplayOptions) {
    this.#options = options;
    const views = [...options.plan.topics.values()].flatMap((planned) => planned.views);
    this.#counts = new Map([...new Set(views)].sort().map((view) => [view, emptyRowCounts()]));
  }

  report(): ReplayReport {
    return Object.freeze({
      letters: this.#letters,
      views: Object.fromEntries(this.#counts),
      remaining: this.#remaining,
      samples: this.#samples,
    });
  }

  hasReachedEnd(topic: string, partition: number): boolean {
    const place = this.#places.get(`${topic}/${partition}`);
    return place !== undefined && place.next >= place.end;
  }

  async load({ topic, partition, records, endOffset }: StreamBatch, signal: AbortSignal): Promise<void> {
    const name = `${topic}/${partition}`;
    const place = this.#places.get(name) ?? { end: endOffset, next: 0n };
    this.#places.set(name, place);
    // Not what is delivered again, nor what was sent after the replay began.
    const sent = records.filter(({ offset }) => offset >= place.next && offset < place.end);
    const { plan, store, maxFutureMs, now } = this.#options;
    const planned = plan.topics.get(topic.slice(0, -DEAD_LETTER_SUFFIX.length))!;
    const chunk = new RowChunk(planned, { maxFutureMs, nowMs: now() });
    const remaining: RemainingLetter[] = [];
    for (const record of sent) {
      signal.throwIfAborted();
      const bad = await this.#take(chunk, planned, record);
      if (bad !== undefined)
        remaining.push({ record: bad.record ?? recordName(topic, partition, record.offset), reason: bad.reason });
    }
    const rows = chunk.rows();
    if (rows.length > 0) chunk.count(rows, await store.write(rows));
    this.#add(chunk.counts);
    this.#letters += sent.length;
    this.#remaining += remaining.length;
    this.#samples.push(...remaining.slice(0, REPLAY_SAMPLES - this.#samples.length));
    if (records.length > 0) place.next = records.at(-1)!.offset + 1n;
  }

  /** Takes a letter; tells what is bad about it still. */
  async #take(
    chunk: RowChunk,
    planned: PlannedTopic,
    sent: StreamRecord,
  ): Promise<{ readonly record?: string; readonly reason: string } | undefined> {
    const letter = readDeadLetter(sent);
    if (letter === undefined || letter.topic !== planned.topic) {
      return { reason: `its headers do not say that it is a dead letter of topic "${planned.topic}"` };
    }
    const record = recordName(letter.topic, letter.partition, letter.record.offset);
    if (letter.cutFromBytes !== undefined) return { record, reason: cutReason(letter.cutFromBytes) };
    const { views: wanted } = this.#options;
    const views = new Set(letter.refusals.map(({ view }) => view).filter((view) => wanted?.has(view) ?? true));
    const refusals = [
      ...(await chunk.take(letter.record, await planned.encoders(letter.partition), views)),
      ...[...views].filter((view) => !planned.views.includes(view)).map((view) => ({ view, reason: NOT_READ })),
    ];
    if (refusals.length === 0) return undefined;
    return { record, reason: refusals.map(sentenceOf).join("; ") };
  }

  #add(counts: ReadonlyMap<string, RowCounts>): void {
    for (const [view, added] of counts) {
      const sum = this.#counts.get(view)!;
      for (const outcome of Object.keys(sum) as (keyof RowCounts)[]) sum[outcome] += added[outcome];
    }
  }
}

const NOT_READ = "the topic is no stream of its any more";

/** A part of a value must not become a row, whether or not it can be read. */
function cutReason(bytes: number): string {
  return `the letter was cut, since Kafka took no larger one: the record, with a value of ${bytes} bytes, is in its own topic for as long as that keeps it`;
}

function sentenceOf({ view, reason }: { readonly view: string; readonly reason: string }): string {
  return `feature view "${view}": ${reason.replace(/\.$/, "")}`;
}

/** One paragraph for people. */
export function formatReplayReport({ letters, views, remaining, samples }: ReplayReport): string {
  if (letters === 0) return "There are no dead letters.";
  const lines = Object.entries(views).map(([view, { written, equal, stale, refused }]) => {
    const parts = [
      `${written} written`,
      ...(equal > 0 ? [`${equal} there already`] : []),
      ...(stale > 0 ? [`${stale} older than the store's`] : []),
      ...(refused > 0 ? [`${refused} still bad`] : []),
    ];
    return `  ${view}: ${parts.join(", ")}`;
  });
  const bad = samples.map(({ record, reason }) => `  ${record}: ${reason}`);
  const left = remaining === 0 ? "none is bad any more." : `${remaining} remain${remaining === 1 ? "s" : ""} bad:`;
  return [`${letters === 1 ? "1 dead letter" : `${letters} dead letters`} read; ${left}`, ...lines, ...bad].join("\n");
}
