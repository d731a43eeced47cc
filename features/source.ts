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
  for (const [field, column] of Object.entries(options.columns ?? {})) {
    refuseUnless(
      typeof column === "string" && column !== "",
      `fileSource("${options.path}"): columns.${field} is ${shown(column)}; write the name of a column.`,
    );
  }
  return Object.freeze({
    kind: "file",
    path: options.path,
    timestampField: options.timestampField,
    createdField: options.createdField,
    columns: Object.freeze({ ...options.columns }),
    timezone: checkedTimezone(options.path, options.timezone ?? "UTC"),
  });
}

/** A Kafka topic. */
export interface KafkaSource {
  readonly kind: "kafka";
  readonly topic: string;
  readonly timestampField: string;
}

/** Declares a Kafka topic as a view's stream. */
export function kafkaSource(options: { readonly topic: string; readonly timestampField: string }): KafkaSource {
  checkOptions("kafkaSource", options, ["topic", "timestampField"]);
  refuseUnless(typeof options.topic === "string" && options.topic !== "", `kafkaSource needs a topic.`);
  refuseUnless(
    typeof options.timestampField === "string" && options.timestampField !== "",
    `kafkaSource("${options.topic}") needs timestampField, the field that says when it happened.`,
  );
  return Object.freeze({ kind: "kafka", topic: options.topic, timestampField: options.timestampField });
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

function checkedTimezone(path: string, timezone: string): string {
  let known = true;
  try {
    new Intl.DateTimeFormat("en", { timeZone: timezone });
  } catch {
    known = false;
  }
  refuseUnless(
    known,
    `fileSource("${path}"): timezone "${timezone}" is unknown; use an IANA name such as "Europe/Vienna".`,
  );
  return timezone;
}
