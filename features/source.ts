/**
 * Where a view's rows come from: files for the nightly load, a topic for the stream, and the request itself for
 * features that only the caller knows. Declarations only: batch/ and ingest/ do the reading.
 */

import { checkOptions, checkSchema, type Definition, define, refuseUnless } from "./definition.ts";
import type { RowOf, Schema } from "./field.ts";
import { shown } from "./shown.ts";

/** Parquet files. */
export interface FileSource {
  readonly kind: "file";
  /** A path, a glob (`*`, `**`) or `s3://bucket/key`; relative paths start at the project folder. */
  readonly path: string;
  /** The column that says when it happened. */
  readonly timestampField: string;
  /** The column that says when the row was made, which decides between rows of equal event time. */
  readonly createdField: string | undefined;
  /** Columns that are named otherwise in the file: field or join key → column. */
  readonly columns: Readonly<Record<string, string>>;
  /** IANA zone of timestamps that carry none; UTC unless said. */
  readonly timezone: string;
}

/** Declares Parquet files as a view's offline source. */
export function fileSource(options: {
  readonly path: string;
  readonly timestampField: string;
  readonly createdField?: string;
  readonly columns?: Readonly<Record<string, string>>;
  readonly timezone?: string;
}): FileSource {
  checkOptions("fileSource", options, ["path", "timestampField", "createdField", "columns", "timezone"]);
  refuseUnless(typeof options.path === "string" && options.path !== "", `fileSource needs a path.`);
  refuseUnless(
    typeof options.timestampField === "string" && options.timestampField !== "",
    `fileSource("${options.path}") needs timestampField, the column that says when it happened.`,
  );
  checkColumns(`fileSource("${options.path}")`, options.columns);
  return Object.freeze({
    kind: "file",
    path: options.path,
    timestampField: options.timestampField,
    createdField: options.createdField,
    columns: Object.freeze({ ...options.columns }),
    timezone: checkedTimezone(`fileSource("${options.path}")`, options.timezone ?? "UTC"),
  });
}

/**
 * How the bytes of a record's value are read. `avro` and `json-schema` are framed with a schema's id; only `avro` can't be
 * read without that schema, which the registry has.
 */
export type StreamFormat = "json" | "avro" | "json-schema";

/** What a whole number means as a timestamp. */
export type TimestampUnit = "s" | "ms" | "us" | "ns";

/**
 * Turns an event into a row: an object of join keys, fields and the timestamp's field, or nothing for an event that is
 * none of this view's. It is pure: an event that is replayed must give the same row again.
 */
export type MapEvent = (event: never) => Readonly<Record<string, unknown>> | null | undefined;

/** A Kafka topic. */
export interface KafkaSource {
  readonly kind: "kafka";
  readonly topic: string;
  /** The field of the event that says when it happened. */
  readonly timestampField: string;
  /** The field that says when the event was made, which decides between events of equal time; the record's timestamp unless given. */
  readonly createdField: string | undefined;
  /** Fields that are named otherwise in the event: field or join key → name. */
  readonly columns: Readonly<Record<string, string>>;
  /** IANA zone of timestamps that carry none; UTC unless said. */
  readonly timezone: string;
  /** What a whole number is where a timestamp belongs and the format does not say; milliseconds unless said. */
  readonly timestampUnit: TimestampUnit;
  readonly format: StreamFormat;
  /** "debezium": the row is the envelope's `after`, and a delete is one whose `after` is null. */
  readonly envelope: "debezium" | undefined;
  readonly map: MapEvent | undefined;
}

const KAFKA_OPTIONS = [
  ...["topic", "timestampField", "createdField", "columns", "timezone", "timestampUnit"],
  ...["format", "envelope", "map"],
];

/** Declares a Kafka topic as a view's stream. Throws DEFINITION_INVALID. */
export function kafkaSource(options: {
  readonly topic: string;
  readonly timestampField: string;
  readonly createdField?: string;
  readonly columns?: Readonly<Record<string, string>>;
  readonly timezone?: string;
  readonly timestampUnit?: TimestampUnit;
  readonly format?: StreamFormat;
  readonly envelope?: "debezium";
  readonly map?: MapEvent;
}): KafkaSource {
  checkOptions("kafkaSource", options, KAFKA_OPTIONS);
  refuseUnless(typeof options.topic === "string" && options.topic !== "", `kafkaSource needs a topic.`);
  const what = `kafkaSource("${options.topic}")`;
  refuseUnless(
    typeof options.timestampField === "string" && options.timestampField !== "",
    `${what} needs timestampField, the field that says when it happened.`,
  );
  checkColumns(what, options.columns);
  checkOneOf(`${what}: timestampUnit`, options.timestampUnit, ["s", "ms", "us", "ns"]);
  checkOneOf(`${what}: format`, options.format, ["json", "avro", "json-schema"]);
  checkOneOf(`${what}: envelope`, options.envelope, ["debezium"]);
  refuseUnless(
    options.map === undefined || typeof options.map === "function",
    `${what}: map is ${shown(options.map)}; write a function from an event to a row.`,
  );
  return Object.freeze({
    kind: "kafka",
    topic: options.topic,
    timestampField: options.timestampField,
    createdField: options.createdField,
    columns: Object.freeze({ ...options.columns }),
    timezone: checkedTimezone(what, options.timezone ?? "UTC"),
    timestampUnit: options.timestampUnit ?? "ms",
    format: options.format ?? "json",
    envelope: options.envelope,
    map: options.map,
  });
}

function checkColumns(what: string, columns: Readonly<Record<string, string>> | undefined): void {
  for (const [field, column] of Object.entries(columns ?? {})) {
    refuseUnless(
      typeof column === "string" && column !== "",
      `${what}: columns.${field} is ${shown(column)}; write the name of a column.`,
    );
  }
}

function checkOneOf(what: string, value: string | undefined, known: readonly string[]): void {
  refuseUnless(
    value === undefined || known.includes(value),
    `${what} is ${shown(value)}; there are ${known.map((one) => `"${one}"`).join(", ")}.`,
  );
}

/** Features that arrive with the request, in `context`. */
export interface RequestSource<S extends Schema = Schema> extends Definition<"requestSource"> {
  readonly schema: S;
  /** Never set: carries the row type for the compiler. */
  readonly row?: RowOf<S>;
}

/** Declares request features: `requestSource("cart", { basket_value: float64() })`. */
export function requestSource<const S extends Schema>(name: string, schema: S): RequestSource<S> {
  checkSchema(`requestSource "${name}"`, schema);
  return define({ kind: "requestSource", name, schema: Object.freeze({ ...schema }) });
}

function checkedTimezone(what: string, timezone: string): string {
  let known = true;
  try {
    new Intl.DateTimeFormat("en", { timeZone: timezone });
  } catch {
    known = false;
  }
  refuseUnless(known, `${what}: timezone "${timezone}" is unknown; use an IANA name such as "Europe/Vienna".`);
  return timezone;
}
