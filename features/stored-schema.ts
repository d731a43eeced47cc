/**
 * The schemas rows were written under, kept append-only in the online store, and how such rows are read today.
 *
 * A row carries the id of its schema. A reader projects it by field name onto the fields it wants: a field the row
 * lacks is null, one the reader does not want is passed over. Only a field whose type changed makes the row
 * incompatible: it then counts as NOT_FOUND, and is counted, never read as garbage.
 */

import { type FieldType, type Schema, typeName, typeNames } from "./field.ts";
import { fingerprintOf } from "./fingerprint.ts";
import { intern, readInterned } from "./intern-table.ts";
import { compileDecodeValues, type DecodeValues } from "./row-codec.ts";
import type { ControlStore } from "./store/online-store.ts";

const TABLE = "schema";
/** No view has this name, so no view reads rows of its schemas. */
const OF_NO_VIEW = "";

/**
 * Layouts that entities share, some 5 MB. There are as many as ways in which an entity's rows are there, or not, under
 * schemas of theirs; in a store with more, an entity whose way is not among them has a layout of its own.
 */
const LAYOUTS_MOST = 10_000;

/** A field as stored or as wanted. */
export interface NamedField {
  readonly name: string;
  readonly type: FieldType;
}

/** A schema as it is kept: the view's name and its fields in stored order, with the decoder of its rows. */
export interface StoredSchema {
  readonly view: string;
  readonly fields: readonly NamedField[];
  /** First 16 hex digits of SHA-256 over the record. */
  readonly fingerprint: string;
  readonly decode: DecodeValues;
}

/** How the values of several rows of one entity lie in one list; the same object for all that lie alike. */
export interface EntityLayout {
  /** Of each row; undefined where there is none, or a deleted one. */
  readonly schemas: readonly (StoredSchema | undefined)[];
  /** Where in the list each row's event timestamp is, µs; its values follow, in its schema's order. */
  readonly offsets: readonly number[];
  /** True where the list holds nothing but numbers, and holes for nulls. */
  readonly isNumbers: boolean;
}

/** Records a view's schema, once; returns its id. */
export function recordSchema(control: ControlStore, view: string, schema: Schema): Promise<number> {
  return intern(control, TABLE, JSON.stringify({ view, fields: Object.entries(typeNames(schema)) }));
}

/** The stored schemas met so far, by id. One for a process: schemas never change once recorded, while the store lasts. */
export class StoredSchemas {
  private readonly known = new Map<number, StoredSchema>();
  private readonly underWay = new Map<number, Promise<void>>();
  /** By the ids of the rows' schemas. */
  private readonly layouts = new Map<string, EntityLayout>();
  private readonly control: ControlStore;

  constructor(control: ControlStore) {
    this.control = control;
  }

  /** The schema if it was met before. */
  get(id: number): StoredSchema | undefined {
    return this.known.get(id);
  }

  /** The layout of rows by the ids of their schemas, which were met before; undefined: no row. */
  layoutOf(ids: readonly (number | undefined)[], isNumbers: boolean): EntityLayout {
    const key = `${isNumbers} ${ids.join()}`;
    let layout = this.layouts.get(key);
    if (layout === undefined) {
      const schemas = ids.map((id) => (id === undefined ? undefined : this.known.get(id)));
      layout = layOut(schemas, isNumbers);
      if (this.layouts.size < LAYOUTS_MOST) this.layouts.set(key, layout);
    }
    return layout;
  }

  /**
   * Fetches schemas that were not met before, each once however many ask at a time. One the store lacks stays unknown,
   * and is asked for again: a store that is catching up with its primary has rows before it has their schema.
   */
  async fetch(ids: Iterable<number>): Promise<void> {
    await Promise.all([...ids].filter((id) => !this.known.has(id)).map((id) => this.fetchOnce(id)));
  }

  /**
   * Looks by `control` whether the store still has all that were met, as they were; to be asked when it may have been emptied since,
   * and its ids given anew. Rows of an id that is another schema's now are decoded as incompatible from here on; rows
   * that were decoded before keep what they were taken for, so whoever keeps such rows has to throw them away.
   */
  async areKept(control: ControlStore): Promise<boolean> {
    const kept = await Promise.all(
      [...this.known].map(async ([id, schema]) => {
        const text = await readInterned(control, TABLE, id);
        const isKept = text !== undefined && fingerprintOf(JSON.parse(text)) === schema.fingerprint;
        if (text !== undefined && !isKept) {
          this.known.set(id, Object.freeze({ ...schema, view: OF_NO_VIEW }));
          this.layouts.clear();
        }
        return isKept;
      }),
    );
    return kept.every((isKept) => isKept);
  }

  private fetchOnce(id: number): Promise<void> {
    const started = this.underWay.get(id);
    if (started !== undefined) return started;
    const fetched = readInterned(this.control, TABLE, id)
      .then((text) => {
        if (text !== undefined) this.known.set(id, parse(text));
      })
      .finally(() => this.underWay.delete(id));
    this.underWay.set(id, fetched);
    return fetched;
  }
}

/**
 * Where in a stored row each wanted field is: its index there, or −1 for a field the row lacks (it reads null).
 * Undefined when the schema is incompatible: of another view, or a wanted field is of another type there.
 */
export function projectionOf(
  stored: StoredSchema,
  view: string,
  wanted: readonly NamedField[],
): readonly number[] | undefined {
  if (stored.view !== view) return undefined;
  const sources = wanted.map((field) => stored.fields.findIndex((candidate) => candidate.name === field.name));
  const fits = sources.every(
    (source, i) => source < 0 || typeName(stored.fields[source]!.type) === typeName(wanted[i]!.type),
  );
  return fits ? sources : undefined;
}

function layOut(schemas: readonly (StoredSchema | undefined)[], isNumbers: boolean): EntityLayout {
  let end = 0;
  const offsets = schemas.map((schema) => {
    const offset = end;
    if (schema !== undefined) end += 1 + schema.fields.length;
    return offset;
  });
  return Object.freeze({ schemas: Object.freeze(schemas), offsets: Object.freeze(offsets), isNumbers });
}

function parse(text: string): StoredSchema {
  const record = JSON.parse(text) as { view: string; fields: [string, string][] };
  const fields = record.fields.map(([name, type]) => ({ name, type: parseTypeName(type) }));
  const decode = compileDecodeValues(fields.map((field) => field.type));
  return Object.freeze({ view: record.view, fields, fingerprint: fingerprintOf(record), decode });
}

function parseTypeName(name: string): FieldType {
  const list = /^array\((.+)\)$/.exec(name);
  return Object.freeze({ kind: (list?.[1] ?? name) as FieldType["kind"], list: list !== null });
}
