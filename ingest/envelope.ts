/**
 * Debezium's change events: {before, after, op, source, ts_ms}, bare or inside Kafka Connect's {schema, payload}. The
 * row is `after`. Where the schema is there, it says which numbers are times or decimals.
 *
 * A delete is dated by the database (`source`), not by Kafka's record: a connector that lags would otherwise date it
 * after a row that came back meanwhile. https://debezium.io/documentation/reference/stable/connectors/postgresql.html#postgresql-events
 */

import { isObject } from "../features/json-value.ts";
import { shown } from "../features/shown.ts";
import { compileReadLogical, toMicroseconds } from "./logical-type.ts";

/** What an envelope holds. */
export type OpenedEnvelope =
  | { readonly event: unknown }
  | { readonly deleted: DeletedRow }
  | { readonly refused: string }
  | { readonly skipped: true };

/** A row that was deleted. */
export interface DeletedRow {
  /** The row as it was, or the part of it that the database tells; undefined where it tells nothing. */
  readonly before: unknown;
  /** When the database deleted it, µs; undefined where the envelope does not say. */
  readonly eventTimestampUs: number | undefined;
}

/** A struct of Kafka Connect's schemas, as far as it matters here. */
interface ConnectSchema {
  readonly type?: unknown;
  readonly name?: string;
  readonly field?: string;
  readonly parameters?: Readonly<Record<string, unknown>>;
  readonly fields?: readonly ConnectSchema[];
}

type JsonObject = Record<string, unknown>;

/** The last µs of a time that was cut to milliseconds: a delete must not seem older than what it deletes. */
const END_OF_MS_US = 999;

/** Opens a change event. It may write to the event, which must be the caller's own. */
export function openDebezium(event: unknown): OpenedEnvelope {
  const { value, schema } = openConnect(event);
  if (value === null) return { deleted: { before: undefined, eventTimestampUs: undefined } };
  if (!isObject(value)) return { refused: `the event is ${shown(value)}, not a Debezium envelope` };
  const { op, after, before } = value;
  if (op === "m") return { skipped: true };
  if (op === "t") return { refused: `op is "t": the table was truncated, which deletes rows that no event names` };
  if (op === undefined ? after === undefined : !KNOWN_OPS.has(op)) {
    return { refused: `op is ${shown(op)}; a Debezium envelope has "c", "r", "u" or "d"` };
  }
  if (op !== "d" && isObject(after)) return { event: withLogicalTypes(after, memberOf(schema, "after")) };
  if (op !== "d" && after !== null) return { refused: `"after" is ${shown(after)}, not an object` };
  const row = isObject(before) ? withLogicalTypes(before, memberOf(schema, "before")) : undefined;
  return { deleted: { before: row, eventTimestampUs: databaseTimeUs(value.source) } };
}

const KNOWN_OPS: ReadonlySet<unknown> = new Set(["c", "r", "u", "d"]);

/** The key of a change event: its columns, with their declared types. */
export function openDebeziumKey(key: unknown): unknown {
  const { value, schema } = openConnect(key);
  return isObject(value) ? withLogicalTypes(value, schema) : value;
}

/** What Kafka Connect's JSON converter wraps, and the schema that it wraps it with. */
function openConnect(value: unknown): { readonly value: unknown; readonly schema: ConnectSchema | undefined } {
  const isWrapped = isObject(value) && value.payload !== undefined && value.schema !== undefined && !("op" in value);
  if (!isWrapped) return { value, schema: undefined };
  return { value: value.payload, schema: isObject(value.schema) ? (value.schema as ConnectSchema) : undefined };
}

function memberOf(schema: ConnectSchema | undefined, name: string): ConnectSchema | undefined {
  return fieldsOf(schema).find((one) => one.field === name);
}

function fieldsOf(schema: ConnectSchema | undefined): readonly ConnectSchema[] {
  return Array.isArray(schema?.fields) ? schema.fields.filter(isObject) : [];
}

function withLogicalTypes(row: JsonObject, schema: ConnectSchema | undefined): JsonObject {
  for (const { field, name, parameters, ...inner } of fieldsOf(schema)) {
    if (field === undefined || !Object.hasOwn(row, field)) continue;
    const value = row[field];
    if (value === null) continue;
    const read = compileReadLogical(name, parameters);
    if (read !== undefined) row[field] = read(value);
    else if (isObject(value)) withLogicalTypes(value, inner);
  }
  return row;
}

/** When the database made the change. Newer connectors say it in µs too. */
function databaseTimeUs(source: unknown): number | undefined {
  if (!isObject(source)) return undefined;
  const us = toMicroseconds(source.ts_us, "us") ?? toMicroseconds(source.ts_ns, "ns");
  if (typeof us === "number") return us;
  const ms = toMicroseconds(source.ts_ms, "ms");
  return typeof ms === "number" ? ms + END_OF_MS_US : undefined;
}
