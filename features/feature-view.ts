/**
 * A feature view: the features of one source about one or more entities, written and read as one row.
 * A row carries all of the view's fields (an absent one is null); fields that change at different times belong in
 * different views. A view without entities holds one row for the whole project.
 */

import { checkName, type Definition, define, require } from "./definition.ts";
import { parseDurationMs } from "./duration.ts";
import type { Entity } from "./entity.ts";
import type { RowOf, Schema } from "./field.ts";
import type { FileSource, KafkaSource } from "./source.ts";

/** A declared feature view. */
export interface FeatureView<S extends Schema = Schema> extends Definition<"featureView"> {
  readonly entities: readonly Entity[];
  readonly schema: S;
  /** How old a value may be at serving, from its event timestamp; undefined: any age. */
  readonly ttlMs: number | undefined;
  readonly source: FileSource | undefined;
  readonly stream: KafkaSource | undefined;
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

/** Declares a feature view. Throws DEFINITION_INVALID. */
export function featureView<const S extends Schema>(
  name: string,
  options: {
    readonly entities: readonly Entity[];
    readonly schema: S;
    readonly ttl?: string;
    readonly source?: FileSource;
    readonly stream?: KafkaSource;
    readonly description?: string;
  },
): FeatureView<S> {
  const what = `feature view "${name}"`;
  require(Array.isArray(options.entities), `${what} needs entities: [] (an empty list for a project-wide row).`);
  checkSchema(what, options.schema, joinKeysOf(options.entities));
  const view: FeatureView<S> = {
    kind: "featureView",
    name,
    entities: Object.freeze([...options.entities]),
    schema: Object.freeze({ ...options.schema }),
    ttlMs: options.ttl === undefined ? undefined : parseDurationMs(options.ttl, `${what} ttl`),
    source: options.source,
    stream: options.stream,
    description: options.description ?? "",
    select: (...fields) => selection(view, options.schema, fields),
  };
  return define(view);
}

/** Checks names against a schema. Throws DEFINITION_INVALID that lists what there is. */
export function selection(from: Definition, schema: Schema, fields: readonly string[]): FeatureSelection {
  for (const field of fields) {
    require(Object.hasOwn(
      schema,
      field,
    ), `${from.kind} "${from.name}" has no field "${field}"; it has ${Object.keys(schema).join(", ")}.`);
  }
  return Object.freeze({ from, fields: Object.freeze(fields.length === 0 ? Object.keys(schema) : [...fields]) });
}

/** The join keys of some entities together. */
export function joinKeysOf(entities: readonly Entity[]): Schema {
  return Object.assign({}, ...entities.map((entity) => entity.joinKeys));
}

function checkSchema(what: string, schema: Schema, joinKeys: Schema): void {
  const names = Object.keys(schema ?? {});
  require(names.length > 0, `${what} has no field; add schema: { name: float32() }.`);
  for (const field of names) {
    checkName(`${what} field`, field);
    require(!Object.hasOwn(joinKeys, field), `${what}: "${field}" is a join key and can't be a field as well.`);
  }
}
