/** Where a Feast view's rows come from, as the text of a fileSource and a kafkaSource, with what could not be carried over. */

import { listText, quoted } from "./definition-text.ts";
import type { FeastSource, FeastView } from "./feast-registry.ts";

/** Says what could not be carried over. */
export type Note = (sentence: string) => void;

/** What the sources of a project are told apart by. */
export interface SourceContext {
  /** A file's path from the project's folder, of its path from the Feast repo. */
  readonly pathOf: (uri: string) => string;
  /** The view's fields and join keys, which columns may be mapped to. */
  readonly columns: ReadonlySet<string>;
  readonly note: Note;
}

/** Feast's DataSource.SourceType. */
const SOURCE_TYPE = Object.freeze({ file: 1, kafka: 3, push: 9 });
const TYPE_NAMES: Readonly<Record<number, string>> = {
  ...{ 2: "BigQuery", 4: "Kinesis", 5: "Redshift", 6: "a custom source", 8: "Snowflake" },
  ...{ 10: "Trino", 11: "Spark", 12: "Athena", 13: "Iceberg" },
};

/** `fileSource({ … })`; undefined where there is none. */
export function fileSourceText(view: FeastView, context: SourceContext): string | undefined {
  const { batch } = view;
  const { note } = context;
  if (batch === undefined || batch.type === 0) return undefined;
  const lost = `view ${view.name} has no source`;
  if (batch.type !== SOURCE_TYPE.file || batch.fileOptions === undefined) {
    const from = TYPE_NAMES[batch.type] ?? `a source of type ${batch.type}`;
    note(`${lost}: its rows are in ${from} ("${batch.name}"). Export them to Parquet and add a fileSource.`);
    return undefined;
  }
  const { uri, fileFormat, s3EndpointOverride } = batch.fileOptions;
  if (fileFormat?.deltaFormat !== undefined) {
    note(`${lost}: ${uri} is a Delta table. Export it to Parquet and add a fileSource.`);
    return undefined;
  }
  if (/^(?!s3:|file:)[a-z][a-z0-9+.-]*:\/\//i.test(uri)) {
    note(`${lost}: ${uri} is neither a local path nor in S3. Copy the files and add a fileSource.`);
    return undefined;
  }
  if (batch.timestampField === "") {
    note(`${lost}: the registry does not say which column of ${uri} holds the event time. Add a fileSource.`);
    return undefined;
  }
  if (s3EndpointOverride !== "")
    note(`view ${view.name}: set AWS_ENDPOINT_URL_S3=${s3EndpointOverride} to read ${uri}.`);
  if (batch.datePartitionColumn !== "") {
    note(
      `view ${view.name}: date_partition_column "${batch.datePartitionColumn}" is not used; row groups are skipped by their statistics.`,
    );
  }
  const options = [`path: ${quoted(context.pathOf(uri))}`, ...timeOptions(batch, context)];
  return `fileSource(${listText("{", options, "}", "  ")})`;
}

/** `kafkaSource({ … })`; undefined where the view has no stream that can be read. */
export function kafkaSourceText(view: FeastView, context: SourceContext): string | undefined {
  const { stream } = view;
  const { note } = context;
  // Rows that are pushed need no stream: see pushSourceOf.
  if (stream === undefined || stream.type === 0 || stream.type === SOURCE_TYPE.push) return undefined;
  const lost = `view ${view.name} has no stream`;
  const { kafkaOptions } = stream;
  if (stream.type !== SOURCE_TYPE.kafka || kafkaOptions === undefined) {
    note(`${lost}: "${stream.name}" is ${TYPE_NAMES[stream.type] ?? `a source of type ${stream.type}`}, not Kafka.`);
    return undefined;
  }
  const { messageFormat, topic } = kafkaOptions;
  if (messageFormat !== undefined && messageFormat.jsonFormat === undefined) {
    const format = messageFormat.avroFormat === undefined ? "Protobuf" : "Avro whose schema is in the definition";
    note(
      `${lost}: events of topic ${topic} are ${format}. Headgate reads JSON, and Avro framed by a schema registry: if they are, add a kafkaSource with its format.`,
    );
    return undefined;
  }
  if (stream.timestampField === "") {
    note(`${lost}: the registry does not say which field of topic ${topic} holds the event time. Add a kafkaSource.`);
    return undefined;
  }
  return `kafkaSource(${listText("{", [`topic: ${quoted(topic)}`, ...timeOptions(stream, context)], "}", "  ")})`;
}

/** The push source that feeds a view; undefined where none does. */
export function pushSourceOf({ stream }: FeastView): string | undefined {
  return stream?.type === SOURCE_TYPE.push ? stream.name : undefined;
}

function timeOptions(source: FeastSource, { columns, note }: SourceContext): readonly string[] {
  const { timestampField, createdTimestampColumn, fieldMapping, name } = source;
  const mapped = Object.entries(fieldMapping).filter(([, field]) => columns.has(field));
  for (const [column, field] of Object.entries(fieldMapping)) {
    if (!columns.has(field)) note(`source ${name}: "${column}" is mapped to "${field}", which is no field here.`);
  }
  const texts = mapped.map(([column, field]) => `${field}: ${quoted(column)}`);
  return [
    `timestampField: ${quoted(timestampField)}`,
    ...(createdTimestampColumn === "" ? [] : [`createdField: ${quoted(createdTimestampColumn)}`]),
    ...(texts.length === 0 ? [] : [`columns: { ${texts.join(", ")} }`]),
  ];
}
