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
    sources.set(readingOf(source), source);
  }
  const readings = [...sources.keys()];
  const readers = [...sources.values()].map((source) => compileEventReader(source, registry));
  const rows = subscriptions.map(({ view, source }) => ({
    reader: readings.indexOf(readingOf(source)),
    rowOf: compileRowOfEvent(view, source),
  }));
  const decodeParsed = (parsed: readonly ParsedEvent[], record: StreamRecord): readonly DecodedEvent[] =>
    rows.map(({ reader, rowOf }) => rowOf(parsed[reader]!, record));
  return Object.freeze({
    decode: (record: StreamRecord) => {
      const parsed = readers.map((read) => read(record));
      return areParsed(parsed)
        ? decodeParsed(parsed, record)
        : Promise.all(parsed).then((all) => decodeParsed(all, record));
    },
  });
}

/** Views whose sources agree in this share the parsed event. */
function readingOf({ format, envelope }: KafkaSource): string {
  return `${format} ${envelope}`;
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
