/**
 * A feature view: the features of one source about one or more entities, written and read as one row.
 * A row carries all of the view's fields (an absent one is null); fields that change at different times belong in
 * different views. A view without entities holds one row for the whole project.
 */

import { checkDefinition, checkOptions, checkSchema, type Definition, define, refuseUnless } from "./definition.ts";
import { parseDurationMs } from "./duration.ts";
import type { Entity } from "./entity.ts";
import type { RowOf, Schema } from "./field.ts";
import { shown } from "./shown.ts";
import type { FileSource, KafkaSource } from "./source.ts";

/** A declared feature view. */
export interface FeatureView<S extends Schema = Schema> extends Definition<"featureView"> {
  readonly entities: readonly Entity[];
  readonly schema: S;
  /** How old a value may be at serving, from its event timestamp; undefined: any age. */
  readonly ttlMs: number | undefined;
  readonly source: FileSource | undefined;
  /** The topics its rows are streamed from; none is an empty list. */
  readonly streams: readonly KafkaSource[];
  readonly description: string;
  /** Names the fields a feature service takes of this view; none means all. */
  select(...fields: readonly (keyof S & string)[]): FeatureSelection;
  /** Never set: carries the row type for the compiler. */
  readonly row?: RowOf<S>;
}

/** Some fields of something that has fields, in the order a model wants them. */
export interface FeatureSelection {
  readonly from: Definition;
  readonly fields: readonly string[];
}

const OPTIONS = ["entities", "schema", "ttl", "source", "stream", "description"];

/** Declares a feature view. Throws DEFINITION_INVALID. */
export function featureView<const S extends Schema>(
  name: string,
  options: {
    readonly entities: readonly Entity[];
    readonly schema: S;
    readonly ttl?: string;
    readonly source?: FileSource;
    readonly stream?: KafkaSource | readonly KafkaSource[];
    readonly description?: string;
  },
): FeatureView<S> {
  const what = `feature view "${name}"`;
  checkOptions(what, options, OPTIONS);
  refuseUnless(Array.isArray(options.entities), `${what} needs entities: [] (an empty list for a project-wide row).`);
  for (const [i, entity] of options.entities.entries()) checkDefinition(`${what}: entities[${i}]`, entity, ["entity"]);
  checkSchema(what, options.schema);
  const joinKeys = joinKeysOf(options.entities);
  const both = Object.keys(options.schema).find((field) => Object.hasOwn(joinKeys, field));
  refuseUnless(both === undefined, `${what}: "${both}" is a join key and can't be a field as well.`);
  const streams = options.stream === undefined ? [] : [options.stream].flat();
  checkSources(what, { source: options.source, streams }, { ...joinKeys, ...options.schema });
  const view: FeatureView<S> = {
    kind: "featureView",
    name,
    entities: Object.freeze([...options.entities]),
    schema: Object.freeze({ ...options.schema }),
    ttlMs: options.ttl === undefined ? undefined : parseDurationMs(options.ttl, `${what} ttl`),
    source: options.source,
    streams: Object.freeze(streams),
    description: options.description ?? "",
    select: (...fields) => selection(view, options.schema, fields),
  };
  return define(view);
}

/** Checks names against a schema. Throws DEFINITION_INVALID that lists what there is. */
export function selection(from: Definition, schema: Schema, fields: readonly string[]): FeatureSelection {
  for (const field of fields) {
    refuseUnless(
      Object.hasOwn(schema, field),
      `${from.kind} "${from.name}" has no field "${field}"; it has ${Object.keys(schema).join(", ")}.`,
    );
  }
  return Object.freeze({ from, fields: Object.freeze(fields.length === 0 ? Object.keys(schema) : [...fields]) });
}

/** The join keys of some entities together. */
export function joinKeysOf(entities: readonly Entity[]): Schema {
  return Object.assign({}, ...entities.map((entity) => entity.joinKeys));
}

function checkSources(
  what: string,
  { source, streams }: { readonly source: FileSource | undefined; readonly streams: readonly KafkaSource[] },
  columns: Schema,
): void {
  refuseUnless(
    source === undefined || source?.kind === "file",
    `${what}: source is ${shown(source)}; write fileSource({ path, timestampField }).`,
  );
  for (const [i, stream] of streams.entries()) {
    refuseUnless(
      stream?.kind === "kafka",
      `${what}: stream is ${shown(stream)}; write kafkaSource({ topic, timestampField }), or a list of them.`,
    );
    refuseUnless(
      streams.findIndex(({ topic }) => topic === stream.topic) === i,
      `${what}: stream names topic "${stream.topic}" twice; a topic is read in one way.`,
    );
  }
  const known = Object.keys(columns).join(", ");
  for (const renamed of [source, ...streams]) {
    const unknown = Object.keys(renamed?.columns ?? {}).find((name) => !Object.hasOwn(columns, name));
    refuseUnless(
      unknown === undefined,
      `${what}: columns names "${unknown}", which is none of its fields; it has ${known}.`,
    );
  }
}
