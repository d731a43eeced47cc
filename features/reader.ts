/**
 * The one door out of the online store: a read plan and entities → feature vectors, each value with a status and an
 * event timestamp. Serving, the debug view and parity all come through here, so they can't disagree.
 *
 * Synchronous when the store is: with the data in memory or in LMDB a request never leaves its turn of the event loop.
 * "Too old" is decided here, from the event timestamp, whatever tier the row came from.
 */

import { channel } from "node:diagnostics_channel";
import { type FeatureStatus, STATUS } from "./feature-status.ts";
import type { FeatureVector, ViewRead } from "./feature-vector.ts";
import type { FeatureValue } from "./field.ts";
import { compileVectorKeeper, type VectorKeeper } from "./kept-vector.ts";
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

/** A row as the reader keeps it beside its bytes; shared by all plans. */
interface Decoded {
  readonly eventTimestampUs: number;
  readonly schema: StoredSchema;
  readonly values: readonly FeatureValue[];
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
  readonly keeper: VectorKeeper | undefined;
}

/** Opens a reader of a plan on a store, with `fenced` to fall back to where the store has memory before it. */
export function createFeatureReader(
  store: Pick<OnlineStore, "read">,
  schemas: StoredSchemas,
  plan: ReadPlan,
  fenced?: FencedRows,
): FeatureReader {
  const projections: Projections[] = Array.from({ length: plan.viewCount }, () => new Map());
  const reading: RowReading = { plan, schemas, projections, keeper: compileVectorKeeper(plan) };

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
function unknownSchemas(found: readonly EntityRows[], { keeper, schemas }: RowReading): Set<number> | undefined {
  let unknown: Set<number> | undefined;
  for (const entity of found) {
    if (keeper?.has(entity)) continue;
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
  const { keeper, plan } = reading;
  const vectors: FeatureVector[] = new Array(entityCount);
  const keyCount = plan.keys.length;
  for (let e = 0; e < entityCount; e++) {
    const first = e * keyCount;
    vectors[e] = keeper?.find(found[first]!, nowMs) ?? vectorOf(reading, found, first, context, nowMs);
  }
  return vectors;
}

/** The vector of the entity whose rows are found from `first` on. */
function vectorOf(
  { keeper, plan, projections, schemas }: RowReading,
  found: readonly EntityRows[],
  first: number,
  context: readonly FeatureValue[],
  nowMs: number,
): FeatureVector {
  const vector: FeatureVector = {
    values: new Array<FeatureValue>(plan.slotCount).fill(null),
    statuses: new Array<FeatureStatus>(plan.slotCount).fill(STATUS.NOT_FOUND),
    views: new Array<ViewRead>(plan.viewCount),
  };
  for (let k = 0; k < plan.keys.length; k++) {
    const { views } = plan.keys[k]!;
    const { tier, rows } = found[first + k]!;
    for (let v = 0; v < views.length; v++) {
      const view = views[v]!;
      vector.views[view.index] = placeRow(vector, view, rows[v], tier, schemas, projections[view.index]!, nowMs);
    }
  }
  placeContext(vector, plan, context);
  for (const transform of plan.transforms) runTransform(vector, transform);
  return keeper === undefined ? vector : keeper.keep(found[first]!, vector);
}

/** Puts one row's values into their slots and tells what the row was worth. */
function placeRow(
  vector: FeatureVector,
  view: PlannedView,
  row: StoredRow | undefined,
  tier: string,
  schemas: StoredSchemas,
  projections: Projections,
  nowMs: number,
): ViewRead {
  const decoded = row === undefined ? DELETED : decodedOf(row, schemas);
  if (decoded === undefined) publishIncompatible(view.name, "unknown");
  if (decoded === DELETED || decoded === undefined)
    return { status: STATUS.NOT_FOUND, eventTimestampUs: undefined, tier };
  const sources = sourcesOf(view, decoded.schema, projections);
  if (sources === null) return { status: STATUS.NOT_FOUND, eventTimestampUs: undefined, tier };
  const { eventTimestampUs, values } = decoded;
  const fresh = nowMs * 1_000 - eventTimestampUs <= view.maxAgeUs;
  for (let i = 0; i < sources.length; i++) {
    const slot = view.slots[i]!;
    const source = sources[i]!;
    const value = source < 0 ? null : values[source]!;
    vector.values[slot] = fresh ? value : null;
    vector.statuses[slot] = fresh ? (value === null ? STATUS.NULL_VALUE : STATUS.PRESENT) : STATUS.OUTSIDE_MAX_AGE;
  }
  return { status: fresh ? STATUS.PRESENT : STATUS.OUTSIDE_MAX_AGE, eventTimestampUs, tier };
}

/** Undefined, and not kept, for a row whose schema the store lacks: the next read asks for it again. */
function decodedOf(row: StoredRow, schemas: StoredSchemas): Decoded | typeof DELETED | undefined {
  row.decoded ??= decode(row.bytes, schemas);
  return row.decoded as Decoded | typeof DELETED | undefined;
}

function decode(bytes: Uint8Array, schemas: StoredSchemas): Decoded | typeof DELETED | undefined {
  if (isTombstone(bytes)) return DELETED;
  const schema = schemas.get(readSchemaId(bytes));
  if (schema === undefined) return undefined;
  return {
    eventTimestampUs: readEventTimestampUs(bytes),
    schema,
    values: schema.decode(bytes),
  };
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
