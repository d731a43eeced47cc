/**
 * Events of a stream as producers send them (late, reordered, sent twice, deletes, nulls, some of them bad), the rows of
 * a nightly load that overlaps them, and what a store must hold in the end: the naive oracle, a Map and a comparison.
 * All from a seed. Times end at the given one; ties in event time are many, and none goes further than the offset.
 */

import { parquetWriteBuffer } from "hyparquet-writer";
import { seededRandom } from "../../bench/statistics.ts";
import type { KafkaMessage } from "./kafka.ts";
import type { LoggedRecord } from "./kafka-log.ts";

/** The view's time to live, ms: some events are older. */
export const SCORES_TTL_MS = 2 * 86_400_000;
/** How many topics the events go to, and partitions of each. */
export const [TOPICS, PARTITIONS] = [2, 6];
/** A header that says which event a record is. */
const ID_HEADER = "event";
/** All records are stamped within so long. */
const SPAN_MS = 15 * 60_000;
const DAY_MS = 86_400_000;

/** A total and a score, each of which may be null. */
export type ScoreValues = readonly [total: bigint | null, score: number | null];

/** A row that is to be stored; without values it is a delete. */
export interface ScoreRow {
  readonly customerId: number;
  readonly eventUs: number;
  readonly values: ScoreValues | undefined;
}

/** An event and what it means. */
export interface ScoreEvent {
  /** Index of its topic. */
  readonly topic: number;
  readonly partition: number;
  readonly message: KafkaMessage;
  /** Undefined: it is bad. */
  readonly row: ScoreRow | undefined;
}

/** A row as a store holds it: (event time µs, created time µs, rank of the source, position). */
export interface StoredScoreRow {
  readonly order: readonly [number, number, number, number];
  readonly values: ScoreValues | undefined;
}

/** Makes events of customers 0 … `customers` − 1. */
export function scoreEvents(count: number, customers: number, endMs: number, seed: number): readonly ScoreEvent[] {
  const random = seededRandom(seed);
  const below = (bound: number) => Math.floor(random() * bound);
  const startMs = endMs - SPAN_MS;
  const events: ScoreEvent[] = [];
  while (events.length < count) {
    if (events.length > 0 && random() < 0.05) {
      // Sent again, with a later offset.
      events.push(withId(events[below(events.length)]!, events.length));
      continue;
    }
    const customerId = below(customers);
    const topic = below(TOPICS);
    // No two topics stamp the same millisecond, so that the offset decides only within a partition.
    const timestampMs = startMs + TOPICS * Math.floor((SPAN_MS / TOPICS / count) * events.length) + topic;
    const key = JSON.stringify({ customer_id: customerId });
    const place = { topic, partition: customerId % PARTITIONS };
    const kind = random();
    if (kind < 0.02) {
      events.push(withId({ ...place, message: badMessage(below(BAD.length), customerId, timestampMs) }, events.length));
    } else if (kind < 0.05) {
      const row = { customerId, eventUs: timestampMs * 1_000, values: undefined };
      events.push(withId({ ...place, message: { key, value: null, timestampMs }, row }, events.length));
    } else {
      const row = { customerId, eventUs: eventTimeUs(random, timestampMs), values: drawValues(random) };
      events.push(
        withId({ ...place, message: { key, value: eventText(row, random), timestampMs }, row }, events.length),
      );
    }
  }
  return events;
}

function withId(
  { topic, partition, message, row }: Omit<ScoreEvent, "row"> & Partial<ScoreEvent>,
  id: number,
): ScoreEvent {
  return { topic, partition, message: { ...message, headers: { [ID_HEADER]: String(id) } }, row };
}

/** Mostly of just before; a quarter is late by minutes, a few by up to three days. Half are in tenths of a second. */
function eventTimeUs(random: () => number, timestampMs: number): number {
  const kind = random();
  const latestMs = kind < 0.7 ? 50 : kind < 0.97 ? 300_000 : 3 * DAY_MS;
  const us = Math.floor((timestampMs - random() * latestMs) * 1_000);
  return random() < 0.5 ? us - (us % 100_000) : us;
}

function drawValues(random: () => number): ScoreValues {
  const kind = random();
  const total =
    kind < 0.05
      ? null
      : kind < 0.06
        ? 2n ** 53n + BigInt(Math.floor(random() * 1e6))
        : BigInt(Math.floor(random() * 1e6));
  return [total, random() < 0.05 ? null : Math.fround(random())];
}

/** Null fields are absent as often as not; times are text where they have microseconds. */
function eventText({ customerId, eventUs, values }: ScoreRow, random: () => number): string {
  const [total, score] = values!;
  const field = (name: string, value: bigint | number | null) =>
    value === null && random() < 0.5 ? "" : `"${name}":${value},`;
  const ms = Math.floor(eventUs / 1_000);
  const micros = String(eventUs - ms * 1_000).padStart(3, "0");
  const time = eventUs % 1_000 === 0 ? String(ms) : `"${new Date(ms).toISOString().slice(0, -1)}${micros}Z"`;
  return `{"customer_id":${customerId},${field("total", total)}${field("score", score)}"colour":"red","ts":${time}}`;
}

/** Each in its own way not to be taken. */
const BAD: readonly ((customerId: number, timestampMs: number) => string | Buffer | null)[] = [
  (id) => `{"customer_id":${id},`,
  (id, ms) => `{"customer_id":${id},"total":"12","ts":${ms}}`,
  (id, ms) => `{"customer_id":${id},"total":1.5,"ts":${ms}}`,
  (id, ms) => `{"customer_id":${id},"score":"0.5","ts":${ms}}`,
  (_, ms) => `{"total":1,"ts":${ms}}`,
  (id, ms) => `{"customer_id":"${id}","ts":${ms}}`,
  (id) => `{"customer_id":${id},"total":1}`,
  (id) => `{"customer_id":${id},"total":1,"ts":"yesterday"}`,
  (id, ms) => `{"customer_id":${id},"total":1,"ts":${ms + 3_600_000}}`,
  (id) => `[${id}]`,
  () => Buffer.from([0x22, 0xff, 0xfe, 0x22]),
  // A delete of nobody.
  () => null,
];

function badMessage(kind: number, customerId: number, timestampMs: number): KafkaMessage {
  return { key: null, value: BAD[kind]!(customerId, timestampMs), timestampMs };
}

/** Rows of a nightly file in their order, over the customers and the times of the events; some customers come twice. */
export function nightlyRows(
  count: number,
  customers: number,
  endMs: number,
  seed: number,
): readonly (ScoreRow & { readonly createdUs: number })[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => {
    const timestampMs = endMs - Math.floor(random() * SPAN_MS);
    const eventUs = eventTimeUs(random, timestampMs);
    const createdUs = timestampMs * 1_000;
    return { customerId: Math.floor(random() * customers), eventUs, createdUs, values: drawValues(random) };
  });
}

/** The file. */
export function nightlyFile(rows: ReturnType<typeof nightlyRows>): Buffer {
  const column = (name: string, type: "INT64" | "FLOAT") => ({ name, type, repetition_type: "OPTIONAL" as const });
  const time = (name: string) => ({ ...column(name, "INT64"), converted_type: "TIMESTAMP_MICROS" as const });
  const schema = [
    { name: "root", num_children: 5 },
    column("customer_id", "INT64"),
    column("total", "INT64"),
    column("score", "FLOAT"),
    time("event_ts"),
    time("created"),
  ];
  const columnData = [
    { name: "customer_id", data: rows.map(({ customerId }) => BigInt(customerId)) },
    { name: "total", data: rows.map(({ values }) => values![0]) },
    { name: "score", data: rows.map(({ values }) => values![1]) },
    { name: "event_ts", data: rows.map(({ eventUs }) => BigInt(eventUs)) },
    { name: "created", data: rows.map(({ createdUs }) => BigInt(createdUs)) },
  ];
  return Buffer.from(parquetWriteBuffer({ schema, columnData, rowGroupSize: 5_000 }));
}

/** Which event a record is. */
export function eventOf(record: LoggedRecord, events: readonly ScoreEvent[]): ScoreEvent {
  return events[Number(record.header(ID_HEADER))]!;
}

/** The row that a record of an event means; undefined for a bad one. */
export function rowOfRecord({ timestampMs, offset }: LoggedRecord, { row }: ScoreEvent): StoredScoreRow | undefined {
  return row && { order: [row.eventUs, timestampMs * 1_000, 1, offset], values: row.values };
}

/** What the store must end with, by entity key: of all rows the newest. */
export function naiveOracle(
  records: readonly LoggedRecord[],
  events: readonly ScoreEvent[],
  nightly: ReturnType<typeof nightlyRows>,
): ReadonlyMap<string, StoredScoreRow> {
  const newest = new Map<string, StoredScoreRow>();
  const take = (customerId: number, row: StoredScoreRow) => {
    const other = newest.get(keyOf(customerId));
    if (other === undefined || compareOrders(row.order, other.order) > 0) newest.set(keyOf(customerId), row);
  };
  for (const record of records) {
    const event = eventOf(record, events);
    const row = rowOfRecord(record, event);
    if (row !== undefined) take(event.row!.customerId, row);
  }
  for (const [i, { customerId, eventUs, createdUs, values }] of nightly.entries()) {
    take(customerId, { order: [eventUs, createdUs, 2, i], values });
  }
  return newest;
}

/** A customer's entity key. */
export function keyOf(customerId: number): string {
  return `customer_id=${customerId}`;
}

/** Positive when the first is newer. */
export function compareOrders(a: StoredScoreRow["order"], b: StoredScoreRow["order"]): number {
  const at = a.findIndex((part, i) => part !== b[i]);
  return at === -1 ? 0 : a[at]! - b[at]!;
}
