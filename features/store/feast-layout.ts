/**
 * Feast's layout of a Redis (Feast 0.67, entity key serialization 3): one hash for each entity key, which all views of
 * the entity and Feast itself share; a field for each feature. docs/store-format.md has the bytes.
 *
 * Keys never expire by us but as Feast's `key_ttl_seconds` says, since a key's other rows may be Feast's, to be kept.
 */

import { HeadgateError } from "../../errors.ts";
import { sortedJoinKeys } from "../entity-key.ts";
import type { FeatureValue } from "../field.ts";
import { readSchemaId } from "../row-codec.ts";
import { isTombstone } from "../row-order.ts";
import { projectionOf, recordSchema, type StoredSchema, StoredSchemas } from "../stored-schema.ts";
import type { LayoutView } from "./feast-definitions.ts";
import { compileFeastKeys, FEAST_KEY_RULE, type FeastKeys } from "./feast-key.ts";
import { parseFeastReply } from "./feast-reply.ts";
import { compileFeastRows, type FeastFields, type FeastRows } from "./feast-row.ts";
import { READ_FEAST_ROWS, REPLACE_FIELDS, WRITE_FEAST_ROWS } from "./feast-script.ts";
import { type ControlStore, type RowWrite, type StoredRow, sameBytes } from "./online-store.ts";
import type { RedisLayout, RowArguments, RowFields } from "./redis-layout.ts";
import { type Argument, optionalArguments } from "./redis-script.ts";

/** Whose rows, and for how long. */
export interface FeastLayoutOptions {
  /** Feast's project, which ends every key. */
  readonly project: string;
  /** Feast's `key_ttl_seconds`: a key expires so long after its last write; undefined: never. */
  readonly keyTtlSeconds: number | undefined;
  /** The views, by name. */
  readonly views: ReadonlyMap<string, LayoutView>;
}

/** What a value's form and its place in a command take beyond what it takes in a row. */
const ARGUMENT_BYTES = 12;

/** A view, compiled. */
interface LaidView {
  readonly view: LayoutView;
  readonly keys: FeastKeys;
  readonly rows: FeastRows;
  readonly writing: RowArguments;
  /** Of the schema as it is declared; undefined until it is asked for. */
  schemaId: number | undefined;
  /** Where the schema's fields are in rows written under another; of those met so far. */
  readonly projections: Map<StoredSchema, readonly number[]>;
}

/** The layout of views that checkFeastDefinitions has passed. */
export function createFeastLayout(control: ControlStore, options: FeastLayoutOptions): RedisLayout {
  return new FeastLayout(control, options);
}

class FeastLayout implements RedisLayout {
  readonly readScript = READ_FEAST_ROWS;
  readonly writeScript = WRITE_FEAST_ROWS;
  readonly #control: ControlStore;
  readonly #options: FeastLayoutOptions;
  readonly #schemas: StoredSchemas;
  readonly #views = new Map<string, LaidView>();
  /** By join keys. */
  readonly #keys = new Map<string, FeastKeys>();
  readonly #fields = new WeakMap<readonly string[], RowFields>();

  constructor(control: ControlStore, options: FeastLayoutOptions) {
    this.#control = control;
    this.#options = options;
    this.#schemas = new StoredSchemas(control);
    for (const name of options.views.keys()) this.#viewOf(name);
  }

  readyToRead(fields: readonly string[]): Promise<void> | undefined {
    for (const field of fields) {
      if (this.#viewOf(field).schemaId === undefined) return this.#learnSchemas(fields);
    }
    return undefined;
  }

  readyToWrite(rows: readonly RowWrite[]): Promise<void> | undefined {
    const unknown = new Set<number>();
    for (const { bytes } of rows) {
      if (!isTombstone(bytes) && this.#schemas.get(readSchemaId(bytes)) === undefined) unknown.add(readSchemaId(bytes));
    }
    return unknown.size === 0 ? undefined : this.#schemas.fetch(unknown);
  }

  keyOf(entityKey: string, field: string): string | undefined {
    return this.#viewOf(field).keys.keyOf(entityKey);
  }

  writtenKeyOf({ key, field }: Pick<RowWrite, "key" | "field">): string {
    const stored = this.keyOf(key, field);
    if (stored !== undefined) return stored;
    throw new HeadgateError(
      "ENTITY_KEY_INVALID",
      `Entity "${key}" of feature view "${field}" can't be keyed, as ${FEAST_KEY_RULE}.`,
    );
  }

  rowFields(fields: readonly string[]): RowFields {
    let known = this.#fields.get(fields);
    if (known === undefined) {
      const views = fields.map((field) => this.#viewOf(field));
      const all = views.flatMap(({ rows }) => rows.fields);
      known = Object.freeze({ fields: all, rowsOf: (found, from) => rowsOf(views, found, from) } satisfies RowFields);
      this.#fields.set(fields, known);
    }
    return known;
  }

  answersOf(reply: unknown, fieldCount: number): readonly (Buffer | null | Error)[] {
    return parseFeastReply(reply as Buffer, fieldCount);
  }

  rowArguments(field: string): RowArguments {
    return this.#viewOf(field).writing;
  }

  async replacement(
    row: RowWrite,
    key: string,
    ifStored: Uint8Array | undefined,
    read: (fields: readonly string[]) => Promise<readonly (Buffer | null)[]>,
  ): Promise<readonly Argument[] | undefined> {
    const laid = this.#viewOf(row.field);
    await Promise.all([this.readyToRead([row.field]), this.readyToWrite([row])]);
    const { fields } = laid.rows;
    const stored = await read(fields);
    if (!sameBytes(laid.rows.decode(stored, 0, laid.schemaId!), ifStored)) return undefined;
    const { time, header, values } = this.#fieldsOf(laid, row);
    const next = [time, header, ...(isTombstone(row.bytes) ? values.map(() => undefined) : values)];
    return [
      ...[REPLACE_FIELDS.lua, "1", key, String(fields.length), ...fields],
      ...stored.flatMap((bytes) => optionalArguments(bytes ?? undefined)),
      ...next.flatMap((bytes) => optionalArguments(bytes)),
      this.#ttl,
    ];
  }

  keySpace(field: string): FeastKeys {
    return this.#viewOf(field).keys;
  }

  keySpaces(): readonly FeastKeys[] {
    return [...this.#keys.values()];
  }

  get #ttl(): string {
    return String(this.#options.keyTtlSeconds ?? "");
  }

  #viewOf(name: string): LaidView {
    const known = this.#views.get(name);
    if (known !== undefined) return known;
    const view = this.#options.views.get(name);
    if (view === undefined) {
      throw new HeadgateError("VIEW_NOT_FOUND", `No feature view "${name}" is defined, so its rows can't be found.`);
    }
    const rows = compileFeastRows(view);
    const [time, header] = rows.fields;
    const head = [time!, header!, this.#ttl, String(rows.features.length), ...rows.features];
    const of = (row: RowWrite) => {
      const { header, time, values } = this.#fieldsOf(laid, row);
      return [header, time, ...values];
    };
    const width = 2 + rows.features.length;
    const bytesOf = ({ bytes }: RowWrite) => bytes.length + width * ARGUMENT_BYTES;
    const writing = Object.freeze({ head, width, bytesOf, of });
    const laid: LaidView = {
      view,
      keys: this.#keysOf(view),
      rows,
      writing,
      schemaId: undefined,
      projections: new Map(),
    };
    this.#views.set(name, laid);
    return laid;
  }

  #keysOf({ joinKeys }: LayoutView): FeastKeys {
    const id = sortedJoinKeys(joinKeys).join("&");
    const keys = this.#keys.get(id) ?? compileFeastKeys(joinKeys, this.#options.project);
    this.#keys.set(id, keys);
    return keys;
  }

  async #learnSchemas(fields: readonly string[]): Promise<void> {
    const learn = async (laid: LaidView) => {
      laid.schemaId ??= await recordSchema(this.#control, laid.view.name, laid.view.schema);
    };
    await Promise.all(fields.map((field) => learn(this.#viewOf(field))));
  }

  #fieldsOf(laid: LaidView, { key, field, bytes }: RowWrite): FeastFields {
    if (isTombstone(bytes)) return laid.rows.encode(bytes, undefined);
    const schema = this.#schemas.get(readSchemaId(bytes));
    const sources = schema && this.#sourcesOf(laid, schema);
    if (schema === undefined || sources === undefined) {
      throw new HeadgateError(
        "REGISTRY_NOT_APPLIED",
        `A row of "${field}" (${key}) follows a schema that the view as it is defined here is not compatible with. Look with "headgate plan", then run "headgate apply".`,
      );
    }
    const values = schema.decode(bytes);
    return laid.rows.encode(
      bytes,
      sources.map((source): FeatureValue => (source < 0 ? null : values[source]!)),
    );
  }

  #sourcesOf(laid: LaidView, schema: StoredSchema): readonly number[] | undefined {
    const known = laid.projections.get(schema);
    if (known !== undefined) return known;
    const wanted = Object.entries(laid.view.schema).map(([name, type]) => ({ name, type }));
    const sources = projectionOf(schema, laid.view.name, wanted);
    if (sources !== undefined) laid.projections.set(schema, sources);
    return sources;
  }
}

function rowsOf(
  views: readonly LaidView[],
  found: readonly (Buffer | null)[],
  from: number,
): (StoredRow | undefined)[] {
  let at = from;
  return views.map(({ rows, schemaId }) => {
    const bytes = rows.decode(found, at, schemaId!);
    at += rows.fields.length;
    return bytes && { bytes, decoded: undefined };
  });
}
