/**
 * From a record's bytes to an event: JSON, or what a Confluent-compatible schema registry frames (a zero byte, the
 * schema's id in four bytes, big-endian, then the payload) in Avro or JSON. A record without value is a delete, and so
 * is a Debezium envelope that says so; of them only the key matters.
 *
 * https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format
 */

import { isUtf8 } from "node:buffer";
import { excerpt, reasonOf } from "../errors.ts";
import { parseJson } from "../features/json-text.ts";
import type { KafkaSource } from "../features/source.ts";
import { type AvroReader, compileAvro } from "./avro.ts";
import { openDebezium, openDebeziumKey } from "./envelope.ts";
import type { FoundSchema, RegistrySchema, SchemaRegistry } from "./schema-registry.ts";
import type { StreamRecord } from "./stream-record.ts";

/** What a record says, before a view has looked at it. */
export type ParsedEvent =
  | { readonly event: unknown }
  | { readonly deletion: Deletion }
  | { readonly refused: string }
  | { readonly skipped: true };

/** That an entity is gone. */
export interface Deletion {
  /** The row as it was, of an envelope; undefined where nothing tells. */
  readonly before: unknown;
  readonly key: RecordKey;
  /** When it happened, µs. */
  readonly eventTimestampUs: number;
}

/** A record's key: what it holds where it is of the format, and its bytes as text where they are UTF-8. */
export type RecordKey = { readonly key: unknown; readonly text: string | undefined } | { readonly refused: string };

/** The refusal goes on where "the value" or "the key" began. */
type Parsed = { readonly event: unknown } | { readonly refused: string };
type ParseBytes = (bytes: Buffer) => Parsed | Promise<Parsed>;

/** Compiles the reading of a source's records, as far as the views that share its format and envelope agree. */
export function compileEventReader(
  { format, envelope }: KafkaSource,
  registry: SchemaRegistry | undefined,
): (record: StreamRecord) => ParsedEvent | Promise<ParsedEvent> {
  const parse = compileParse(format, registry);
  const keyOf = compileKey(parse, format !== "json", envelope);
  const deletionOf = (record: StreamRecord, before: unknown, eventTimestampUs: number) =>
    following(keyOf(record.key), (key): ParsedEvent => ({ deletion: { before, key, eventTimestampUs } }));

  function eventOf(parsed: Parsed, record: StreamRecord): ParsedEvent | Promise<ParsedEvent> {
    if ("refused" in parsed) return { refused: `the value ${parsed.refused}` };
    if (envelope === undefined) return parsed;
    const opened = openDebezium(parsed.event);
    if (!("deleted" in opened)) return opened;
    const { before, eventTimestampUs } = opened.deleted;
    return deletionOf(record, before, eventTimestampUs ?? record.timestampMs * 1_000);
  }

  return (record) => {
    if (record.value === null) return deletionOf(record, undefined, record.timestampMs * 1_000);
    const parsed = parse(bufferOf(record.value));
    return parsed instanceof Promise ? parsed.then((one) => eventOf(one, record)) : eventOf(parsed, record);
  };
}

function compileParse(format: KafkaSource["format"], registry: SchemaRegistry | undefined): ParseBytes {
  if (format === "json") return parseJsonBytes;
  // The schema itself is not needed: what a field may be is what the view declares.
  if (format === "json-schema") return (bytes) => notFramed(bytes) ?? parseJsonBytes(bytes.subarray(FRAME_BYTES));
  const readers = new WeakMap<RegistrySchema, AvroReader>();
  const readerOf = (schema: RegistrySchema): AvroReader => {
    const reader = compileAvro(schema);
    readers.set(schema, reader);
    return reader;
  };
  const readAvro = (schema: FoundSchema, bytes: Buffer): Parsed => {
    if (schema === undefined) return { refused: `has schema id ${schemaIdOf(bytes)}, which is not in the registry` };
    return (readers.get(schema) ?? readerOf(schema))(bytes.subarray(FRAME_BYTES));
  };
  return (bytes) =>
    notFramed(bytes) ?? following(registry!.schema(schemaIdOf(bytes)), (schema) => readAvro(schema, bytes));
}

const schemaIdOf = (bytes: Buffer) => bytes.readUInt32BE(1);

/** The zero byte and the schema's id. */
const FRAME_BYTES = 5;

function notFramed(bytes: Buffer): Parsed | undefined {
  if (isFramed(bytes)) return undefined;
  const begin = `0x${bytes.subarray(0, FRAME_BYTES).toString("hex")}`;
  return { refused: `is not framed for a schema registry: it begins with ${begin}, not with 00 and a schema's id` };
}

const isFramed = (bytes: Buffer) => bytes.length >= FRAME_BYTES && bytes[0] === 0;

/** The most characters of a parser's complaint. */
const COMPLAINT_CHARACTERS = 160;

function parseJsonBytes(bytes: Buffer): Parsed {
  if (!isUtf8(bytes)) return { refused: "is not JSON: its bytes are not UTF-8" };
  try {
    return { event: parseJson(bytes.toString("utf8")) };
  } catch (cause) {
    return { refused: `is not JSON: ${excerpt(reasonOf(cause), COMPLAINT_CHARACTERS)}` };
  }
}

/** Keys are often plainer than values: a key that is not of the format is read as JSON, and can be plain text. */
function compileKey(
  parse: ParseBytes,
  canBeFramed: boolean,
  envelope: KafkaSource["envelope"],
): (key: Uint8Array | null) => RecordKey | Promise<RecordKey> {
  const open = envelope === undefined ? (key: unknown) => key : openDebeziumKey;
  return (key) => {
    if (key === null) return { refused: "the record has neither a value nor a key" };
    const bytes = bufferOf(key);
    if (canBeFramed && isFramed(bytes)) {
      return following(parse(bytes), (parsed) =>
        "refused" in parsed
          ? { refused: `the record's key ${parsed.refused}` }
          : { key: open(parsed.event), text: undefined },
      );
    }
    const parsed = parseJsonBytes(bytes);
    const text = isUtf8(bytes) ? bytes.toString("utf8") : undefined;
    return { key: "refused" in parsed ? undefined : open(parsed.event), text };
  };
}

function following<T, R>(value: T | Promise<T>, then: (value: T) => R | Promise<R>): R | Promise<R> {
  return value instanceof Promise ? value.then(then) : then(value);
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
