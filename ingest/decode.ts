/**
 * From a record to rows of views. The bytes are parsed once for all views that read them in the same way
 * (event-format.ts); each view then takes its own from the event (event-row.ts). Both are compiled when the definitions
 * are loaded, and neither throws for what a record holds: what can't be read is refused with a sentence.
 */

import { HeadgateError } from "../errors.ts";
import type { FeatureView } from "../features/feature-view.ts";
import type { KafkaSource } from "../features/source.ts";
import type { SourceRow } from "../features/writer.ts";
import { compileEventReader, type ParsedEvent } from "./event-format.ts";
import { compileRowOfEvent } from "./event-row.ts";
import type { SchemaRegistry } from "./schema-registry.ts";
import type { StreamRecord } from "./stream-record.ts";

/** What a record means to one view. */
export type DecodedEvent =
  /** A row; without values it deletes the entity's. */
  | { readonly row: SourceRow }
  /** Why it can't be taken: a sentence that names the field and the value. It belongs to the dead letters. */
  | { readonly refused: string }
  /** It is none of this view's. */
  | { readonly skipped: true };

/** Decodes the records of a topic for all views that read it. */
export interface TopicDecoder {
  /**
   * What the record means to each view, in the order of the subscriptions. A promise only while a schema is fetched; it
   * rejects with STREAM_UNREACHABLE or STREAM_DENIED when the schema registry can't be asked: the record is not at fault.
   */
  decode(record: StreamRecord): readonly DecodedEvent[] | Promise<readonly DecodedEvent[]>;
}

/** A view and how it reads the topic. */
export interface DecodedSubscription {
  readonly view: FeatureView;
  readonly source: KafkaSource;
}

/** Compiles the decoder of a topic. Throws DEFINITION_INVALID, and CONFIG_INVALID for Avro without a schema registry. */
export function compileTopicDecoder(
  subscriptions: readonly DecodedSubscription[],
  registry: SchemaRegistry | undefined,
): TopicDecoder {
  const sources = new Map<string, KafkaSource>();
  for (const { view, source } of subscriptions) {
    checkRegistry(view, source, registry);
    sources.set(readingOf(view, source), source);
  }
  const readings = [...sources.keys()];
  const readers = [...sources.values()].map((source) => compileEventReader(source, registry));
  const rows = subscriptions.map(({ view, source }) => ({
    reader: readings.indexOf(readingOf(view, source)),
    rowOf: compileRowOfEvent(view, source),
  }));
  const decodeParsed = (parsed: readonly ParsedEvent[], record: StreamRecord): readonly DecodedEvent[] =>
    rows.map(({ reader, rowOf }) => rowOf(parsed[reader]!, record));
  const decodeAll = (record: StreamRecord) => {
    const parsed = readers.map((read) => read(record));
    return areParsed(parsed)
      ? decodeParsed(parsed, record)
      : Promise.all(parsed).then((all) => decodeParsed(all, record));
  };
  const [only] = rows;
  return Object.freeze({ decode: rows.length === 1 ? compileDecodeOne(readers[0]!, only!.rowOf) : decodeAll });
}

/** What nearly every topic is, one view's, without the lists that several need. */
function compileDecodeOne(
  read: ReturnType<typeof compileEventReader>,
  rowOf: ReturnType<typeof compileRowOfEvent>,
): TopicDecoder["decode"] {
  return (record) => {
    const parsed = read(record);
    return parsed instanceof Promise ? parsed.then((one) => [rowOf(one, record)]) : [rowOf(parsed, record)];
  };
}

/** Views whose sources agree in this share the parsed event; not with a map, which may write to it. */
function readingOf(view: FeatureView, { format, envelope, map }: KafkaSource): string {
  return `${format} ${envelope} ${map === undefined ? "" : view.name}`;
}

function areParsed(parsed: readonly (ParsedEvent | Promise<ParsedEvent>)[]): parsed is readonly ParsedEvent[] {
  return !parsed.some((one) => one instanceof Promise);
}

function checkRegistry(view: FeatureView, { topic, format }: KafkaSource, registry: SchemaRegistry | undefined): void {
  if (format !== "avro" || registry !== undefined) return;
  throw new HeadgateError(
    "CONFIG_INVALID",
    `Feature view "${view.name}" reads topic "${topic}" as Avro, which needs the schema registry's address. Set schemaRegistry in headgate.config.ts.`,
  );
}
