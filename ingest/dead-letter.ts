/**
 * Dead letters: what a stream could not take, kept in `<topic>.dlq` for people and for `headgate ingest --replay-dlq`.
 *
 * A letter is the record as it was (key, value and headers untouched) and, in headers of its own, where it is from and
 * why each view refused it. Letters as a set keyed by topic, partition and offset are exactly the bad records: a batch
 * that is delivered again sends its letters again, under the same key.
 *
 * A letter that is larger than its topic takes is cut: the stream must not stall on it, and where the whole record is
 * stands in it.
 */

import { excerpt } from "../errors.ts";
import { isMessageTooLarge } from "./kafka-failure.ts";
import type { StreamMessage, StreamProducer } from "./kafka-producer.ts";
import type { StreamHeader, StreamRecord } from "./stream-record.ts";

/** What a topic's dead letters are kept under: its name and this. */
export const DEAD_LETTER_SUFFIX = ".dlq";
/** Bytes of letters that go to Kafka at once: brokers take 1 MB in one batch unless told otherwise. A larger letter goes alone. */
export const DEAD_LETTER_SEND_BYTES = 512 * 1024;

/** A larger letter is cut before Kafka is asked: brokers hang up on requests of more than 100 MB. */
export const DEAD_LETTER_BYTES_MAX = 64 * 1024 * 1024;
/** Bytes of a value that a letter keeps which is cut. */
export const CUT_VALUE_BYTES = 16 * 1024;

/** Characters of a reason that are kept. */
const REASON_CHARACTERS = 1_000;
/** Kafka takes no longer name of a topic. */
const TOPIC_CHARACTERS_MAX = 249;

const HEADER = Object.freeze({
  topic: "headgate-topic",
  partition: "headgate-partition",
  offset: "headgate-offset",
  timestamp: "headgate-timestamp",
  view: "headgate-view",
  reason: "headgate-reason",
  /** The length of the value in bytes, on a letter that has only its beginning. */
  valueCut: "headgate-value-cut",
});
const OWN_HEADERS: ReadonlySet<string> = new Set(Object.values(HEADER));

/** A record that some of its topic's views refused. */
export interface DeadLetter {
  readonly topic: string;
  readonly partition: number;
  readonly record: StreamRecord;
  readonly refusals: readonly ViewRefusal[];
  /** How long the record's value was, of a letter that was cut and is read; undefined where it is whole. */
  readonly cutFromBytes?: number;
}

/** Which view refused, and a sentence why. */
export interface ViewRefusal {
  readonly view: string;
  readonly reason: string;
}

/** Where dead letters go. */
export interface DeadLetterQueue {
  /**
   * Resolves when Kafka has all letters, those cut that it does not take whole. Throws STREAM_UNREACHABLE or
   * STREAM_DENIED; sending them again is safe.
   */
  send(topic: string, letters: readonly DeadLetter[]): Promise<void>;
}

/** The topic that a topic's dead letters go to. */
export function deadLetterTopic(topic: string): string {
  return `${topic}${DEAD_LETTER_SUFFIX}`;
}

/** True for a topic whose dead letters' topic would have a longer name than Kafka takes. */
export function isTopicNameTooLong(topic: string): boolean {
  return deadLetterTopic(topic).length > TOPIC_CHARACTERS_MAX;
}

/** Sends dead letters over a producer; a topic's are created like the topic when it has its first. */
export function openDeadLetterQueue(producer: StreamProducer): DeadLetterQueue {
  const ensured = new Map<string, Promise<void>>();
  const ensure = (topic: string): Promise<void> => {
    const known = ensured.get(topic);
    if (known !== undefined) return known;
    const ensuring = producer.ensureTopic(deadLetterTopic(topic), topic);
    ensured.set(topic, ensuring);
    ensuring.catch(() => ensured.delete(topic));
    return ensuring;
  };
  return Object.freeze({
    send: async (topic: string, letters: readonly DeadLetter[]) => {
      if (letters.length === 0) return;
      await ensure(topic);
      for (const some of sends(letters)) await sendSome(producer, deadLetterTopic(topic), some);
    },
  });
}

/** In groups of at most DEAD_LETTER_SEND_BYTES, or of one. */
function* sends(letters: readonly DeadLetter[]): Generator<readonly DeadLetter[]> {
  let group: DeadLetter[] = [];
  let bytes = 0;
  for (const letter of letters) {
    const size = messageBytes(deadLetterMessage(letter));
    if (group.length > 0 && bytes + size > DEAD_LETTER_SEND_BYTES) {
      yield group;
      group = [];
      bytes = 0;
    }
    group.push(letter);
    bytes += size;
  }
  if (group.length > 0) yield group;
}

async function sendSome(producer: StreamProducer, topic: string, letters: readonly DeadLetter[]): Promise<void> {
  const messages = letters.map((letter) => deadLetterMessage(letter));
  try {
    if (messages.every((message) => messageBytes(message) <= DEAD_LETTER_BYTES_MAX)) {
      await producer.send(topic, messages);
      return;
    }
  } catch (cause) {
    if (!isMessageTooLarge(cause)) throw cause;
  }
  if (letters.length === 1) return sendCut(producer, topic, letters[0]!);
  for (const letter of letters) await sendSome(producer, topic, [letter]);
}

/** Without most of its value; and where its key or its own headers are too large, without these. */
async function sendCut(producer: StreamProducer, topic: string, letter: DeadLetter): Promise<void> {
  try {
    await producer.send(topic, [cutMessage(letter)]);
  } catch (cause) {
    if (!isMessageTooLarge(cause)) throw cause;
    await producer.send(topic, [cutMessage({ ...letter, record: { ...letter.record, key: null, headers: [] } })]);
  }
}

function messageBytes({ key, value, headers }: StreamMessage): number {
  const inHeaders = headers.reduce((bytes, [name, content]) => bytes + name.length + (content?.length ?? 0), 0);
  return (key?.length ?? 0) + (value?.length ?? 0) + inHeaders;
}

/** A letter as it is sent: the record, and behind its own headers those of the letter, one view and reason after another. */
export function deadLetterMessage({ topic, partition, record, refusals }: DeadLetter): StreamMessage {
  return {
    key: record.key,
    value: record.value,
    headers: [
      ...record.headers,
      header(HEADER.topic, topic),
      header(HEADER.partition, partition),
      header(HEADER.offset, record.offset),
      header(HEADER.timestamp, record.timestampMs),
      ...refusals.flatMap(({ view, reason }) => [
        header(HEADER.view, view),
        header(HEADER.reason, excerpt(reason, REASON_CHARACTERS)),
      ]),
    ],
  };
}

function cutMessage(letter: DeadLetter): StreamMessage {
  const { value } = letter.record;
  const { headers, ...message } = deadLetterMessage(letter);
  return {
    ...message,
    // No null, which would be the dead letter of a delete.
    value: value?.subarray(0, CUT_VALUE_BYTES) ?? new Uint8Array(),
    headers: [...headers, header(HEADER.valueCut, value?.length ?? 0)],
  };
}

function header(name: string, text: string | number | bigint): StreamHeader {
  return [name, Buffer.from(String(text))];
}

/** The letter that a record of a dead-letter topic is; undefined when it does not say where it is from. */
export function readDeadLetter(sent: StreamRecord): DeadLetter | undefined {
  const texts = (name: string) =>
    sent.headers.filter(([own]) => own === name).map(([, content]) => Buffer.from(content ?? []).toString("utf8"));
  // Of a record that came with such headers, those behind are ours.
  const topic = texts(HEADER.topic).at(-1);
  const [partition, offset, timestampMs] = [HEADER.partition, HEADER.offset, HEADER.timestamp].map((name) =>
    integerOf(texts(name).at(-1)),
  );
  if (topic === undefined || partition === undefined || offset === undefined || timestampMs === undefined) {
    return undefined;
  }
  const reasons = texts(HEADER.reason);
  const cutFromBytes = integerOf(texts(HEADER.valueCut).at(-1));
  return {
    ...(cutFromBytes !== undefined && { cutFromBytes: Number(cutFromBytes) }),
    topic,
    partition: Number(partition),
    record: {
      offset,
      timestampMs: Number(timestampMs),
      key: sent.key,
      value: sent.value,
      headers: sent.headers.filter(([name]) => !OWN_HEADERS.has(name)),
    },
    refusals: texts(HEADER.view).map((view, i) => ({ view, reason: reasons[i] ?? "" })),
  };
}

function integerOf(text: string | undefined): bigint | undefined {
  return text !== undefined && /^-?\d{1,19}$/.test(text) ? BigInt(text) : undefined;
}
