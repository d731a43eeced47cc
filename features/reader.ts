/**
 * The one door out of the online store: a read plan and entities → feature vectors, each value with a status and an
 * event timestamp. Serving, the debug view and parity all come through here, so they can't disagree.
 *
 * Synchronous when the store is: with the data in memory or in LMDB a request never leaves its turn of the event loop.
 * "Too old" is decided here, from the event timestamp, whatever tier the row came from.
 */

import { channel } from "node:diagnostics_channel";
import { type DecodedEntity, type DecodedList, decodeEntity, isDecoded, valueAt } from "./decoded-entity.ts";
import { type FeatureStatus, STATUS } from "./feature-status.ts";
import type { FeatureVector, ViewRead } from "./feature-vector.ts";
import type { FeatureValue } from "./field.ts";
import { runTransform } from "./on-demand-run.ts";
import type { PlannedKey, PlannedView, ReadPlan } from "./read-plan.ts";
import { placeContext } from "./request-context.ts";
import { readSchemaId } from "./row-codec.ts";
import { isTombstone, readEventTimestampUs } from "./row-order.ts";
import type { EntityRows, OnlineStore, ReadRequest, StoredRow } from "./store/online-store.ts";
import { projectionOf, type StoredSchema, type StoredSchemas } from "./stored-schema.ts";

/** Entities as requests give them: join key → value. */
export type EntityKeys = Readonly<Record<string, unknown>>;

/** A reader of one plan. */
export interface FeatureReader {
  readonly plan: ReadPlan;
  /**
   * One vector per entity, in order; `context` holds the request features and must have been checked by bindContext.
   * Throws ENTITY_KEY_INVALID and TRANSFORM_FAILED; rejects with STORE_UNREACHABLE.
   */
  read(
    entities: readonly EntityKeys[],
    context: readonly FeatureValue[],
    nowMs: number,
  ): FeatureVector[] | Promise<FeatureVector[]>;
  /**
   * The same from rows that memory still holds and that are out of date by at most `maxStaleMs`, for when the store is
   * away; undefined when it does not hold all of them.
   */
  readStale(
    entities: readonly EntityKeys[],
    context: readonly FeatureValue[],
    nowMs: number,
    maxStaleMs: number,
  ): FeatureVector[] | undefined;
}

/** Memory whose rows are no longer proven current: the entities it holds whole, undefined for the others. */
export interface FencedRows {
  readFenced(requests: readonly ReadRequest[], maxAgeMs: number): readonly (EntityRows | undefined)[];
}

/** Published once for each row that could not be read as its view is declared today. */
const incompatibleRow = channel("headgate:row-incompatible");

/** A decoded row. Beside a row that is kept for itself it is kept, and shared by all plans. */
interface DecodedRow {
  readonly schema: StoredSchema;
  readonly eventTimestampUs: number;
  /** The values of its fields are in it from `first` on, to be read by valueAt. */
  readonly values: DecodedList;
  readonly first: number;
  readonly isNumbers: boolean;
}

/** Where the wanted fields are in rows of a stored schema; null for an incompatible one. One map per view of the plan. */
type Projections = Map<StoredSchema, readonly number[] | null>;

/** What a tombstone decodes to. */
const DELETED = Symbol("deleted");

/** What rows are read with. */
interface RowReading {
  readonly plan: ReadPlan;
  readonly schemas: StoredSchemas;
  readonly projections: readonly Projections[];
  /** What a vector begins with, to be copied. */
  readonly noValues: readonly FeatureValue[];
  readonly noStatuses: readonly FeatureStatus[];
}

/** Opens a reader of a plan on a store, with `fenced` to fall back to where the store has memory before it. */
export function createFeatureReader(
  store: Pick<OnlineStore, "read">,
  schemas: StoredSchemas,
  plan: ReadPlan,
  fenced?: FencedRows,
): FeatureReader {
  const projections: Projections[] = Array.from({ length: plan.viewCount }, () => new Map());
  const reading: RowReading = { plan, schemas, projections, ...blankLists(plan) };

  function vectorsOf(
    found: readonly EntityRows[],
    entityCount: number,
    context: readonly FeatureValue[],
    nowMs: number,
  ) {
    const unknown = unknownSchemas(found, reading);
    if (unknown === undefined) return assemble(reading, found, entityCount, context, nowMs);
    return schemas.fetch(unknown).then(() => assemble(reading, found, entityCount, context, nowMs));
  }

  return Object.freeze({
    plan,
    read(entities: readonly EntityKeys[], context: readonly FeatureValue[], nowMs: number) {
      const found = store.read(requestsOf(plan.keys, entities));
      return found instanceof Promise
        ? found.then((rows) => vectorsOf(rows, entities.length, context, nowMs))
        : vectorsOf(found, entities.length, context, nowMs);
    },
    readStale(entities: readonly EntityKeys[], context: readonly FeatureValue[], nowMs: number, maxStaleMs: number) {
      const found = fenced?.readFenced(requestsOf(plan.keys, entities), maxStaleMs) ?? [undefined];
      if (!isWhole(found) || unknownSchemas(found, reading) !== undefined) return undefined;
      return assemble(reading, found, entities.length, context, nowMs);
    },
  });
}

function blankLists({ slotCount }: ReadPlan): Pick<RowReading, "noValues" | "noStatuses"> {
  return {
    noValues: new Array<FeatureValue>(slotCount).fill(null),
    noStatuses: new Array<FeatureStatus>(slotCount).fill(STATUS.NOT_FOUND),
  };
}

function isWhole(found: readonly (EntityRows | undefined)[]): found is readonly EntityRows[] {
  return found.every((entity) => entity !== undefined);
}

function requestsOf(keys: readonly PlannedKey[], entities: readonly EntityKeys[]): ReadRequest[] {
  const requests: ReadRequest[] = [];
  for (const entity of entities) {
    for (const { joinKeys, keyOf, fields } of keys) {
      const key = joinKeys.length === 1 ? keyOf([entity[joinKeys[0]!]]) : keyOf(joinKeys.map((name) => entity[name]));
      requests.push({ key, fields });
    }
  }
  return requests;
}

/** Ids of schemas that have to be fetched before the rows can be read; almost always none. */
function unknownSchemas(found: readonly EntityRows[], { schemas }: RowReading): Set<number> | undefined {
  let unknown: Set<number> | undefined;
  for (const entity of found) {
    if (entity.kept !== undefined && isDecoded(entity.kept)) continue;
    for (const row of entity.rows) {
      if (row === undefined || row.decoded !== undefined || isTombstone(row.bytes)) continue;
      const id = readSchemaId(row.bytes);
      if (schemas.get(id) !== undefined) continue;
      unknown ??= new Set();
      unknown.add(id);
    }
  }
  return unknown;
}

function assemble(
  reading: RowReading,
  found: readonly EntityRows[],
  entityCount: number,
  context: readonly FeatureValue[],
  nowMs: number,
): FeatureVector[] {
  const { noStatuses, noValues, plan } = reading;
  const { keys, transforms, viewCount } = plan;
  const vectors: FeatureVector[] = new Array(entityCount);
  for (let e = 0; e < entityCount; e++) {
    const vector: FeatureVector = {
      values: noValues.slice(),
      statuses: noStatuses.slice(),
      views: new Array<ViewRead>(viewCount),
    };
    for (let k = 0; k < keys.length; k++) placeEntity(vector, keys[k]!, found[e * keys.length + k]!, reading, nowMs);
    placeContext(vector, plan, context);
    for (const transform of transforms) runTransform(vector, transform);
    vectors[e] = vector;
  }
  return vectors;
}

/** Puts the values of one entity's rows into their slots and tells what each row was worth. */
function placeEntity(
  vector: FeatureVector,
  { views }: PlannedKey,
  entity: EntityRows,
  { projections, schemas }: RowReading,
  nowMs: number,
): void {
  const { kept, places } = entity;
  const decoded = kept !== undefined && decodeEntity(kept, schemas) ? kept : undefined;
  for (let v = 0; v < views.length; v++) {
    const view = views[v]!;
    const row =
      decoded === undefined
        ? decodedOf(entity.rows[v], view, schemas)
        : rowOf(decoded, places === undefined ? v : places[v]!);
    const sources = row === undefined ? null : sourcesOf(view, row.schema, projections[view.index]!);
    vector.views[view.index] =
      row === undefined || sources === null
        ? { status: STATUS.NOT_FOUND, eventTimestampUs: undefined, tier: entity.tier }
        : placeRow(vector, view, row, sources, entity.tier, nowMs);
  }
}

function placeRow(
  vector: FeatureVector,
  view: PlannedView,
  { eventTimestampUs, values, first, isNumbers }: DecodedRow,
  sources: readonly number[],
  tier: string,
  nowMs: number,
): ViewRead {
  const fresh = nowMs * 1_000 - eventTimestampUs <= view.maxAgeUs;
  for (let i = 0; i < sources.length; i++) {
    const slot = view.slots[i]!;
    const source = sources[i]!;
    const value = source < 0 ? null : valueAt(values, isNumbers, first + source);
    vector.values[slot] = fresh ? value : null;
    vector.statuses[slot] = fresh ? (value === null ? STATUS.NULL_VALUE : STATUS.PRESENT) : STATUS.OUTSIDE_MAX_AGE;
  }
  return { status: fresh ? STATUS.PRESENT : STATUS.OUTSIDE_MAX_AGE, eventTimestampUs, tier };
}

/** A row of an entity that was decoded as a whole; undefined where there is none, as at −1. */
function rowOf({ decoded, layout }: DecodedEntity, index: number): DecodedRow | undefined {
  const schema = layout.schemas[index];
  if (schema === undefined) return undefined;
  const { isNumbers, offsets } = layout;
  const offset = offsets[index]!;
  const eventTimestampUs = valueAt(decoded, isNumbers, offset) as number;
  return { schema, eventTimestampUs, values: decoded, first: offset + 1, isNumbers };
}

/** A row by itself; undefined where there is none, or one whose schema the store lacks: the next read asks for it again. */
function decodedOf(row: StoredRow | undefined, { name }: PlannedView, schemas: StoredSchemas): DecodedRow | undefined {
  if (row === undefined) return undefined;
  row.decoded ??= decode(row.bytes, schemas);
  const decoded = row.decoded as DecodedRow | typeof DELETED | undefined;
  if (decoded === undefined) publishIncompatible(name, "unknown");
  return decoded === DELETED ? undefined : decoded;
}

function decode(bytes: Uint8Array, schemas: StoredSchemas): DecodedRow | typeof DELETED | undefined {
  if (isTombstone(bytes)) return DELETED;
  const schema = schemas.get(readSchemaId(bytes));
  if (schema === undefined) return undefined;
  const values = schema.decode(bytes);
  return { schema, eventTimestampUs: readEventTimestampUs(bytes), values, first: 0, isNumbers: false };
}

function sourcesOf(view: PlannedView, schema: StoredSchema, projections: Projections): readonly number[] | null {
  let sources = projections.get(schema);
  if (sources === undefined) {
    sources = projectionOf(schema, view.name, view.wanted) ?? null;
    projections.set(schema, sources);
  }
  if (sources === null) publishIncompatible(view.name, schema.fingerprint);
  return sources;
}

function publishIncompatible(view: string, schema: string): void {
  if (incompatibleRow.hasSubscribers) incompatibleRow.publish({ view, schema });
}
