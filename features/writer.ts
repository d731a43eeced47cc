/**
 * The one door into the online store: rows of a view → encoded, written newest-wins, an outcome per row. The nightly
 * load, the stream and rows over HTTP all come through here, so they can't disagree on what a row means.
 */

import { reasonOf } from "../errors.ts";
import type { AppliedView } from "./applied-registry.ts";
import { compileEntityKey, sortedJoinKeys } from "./entity-key.ts";
import type { FeatureView } from "./feature-view.ts";
import { compileAccept, type FeatureValue, REFUSED, type Schema, typeName } from "./field.ts";
import { intern } from "./intern-table.ts";
import { viewJoinKeys } from "./registry.ts";
import { compileEncodeRow, encodeTombstone } from "./row-codec.ts";
import { shown } from "./shown.ts";
import { compileKeyRefusal, type OnlineStoreLayout } from "./store/key-refusal.ts";
import type { ControlStore, OnlineStore, RowWrite, WriteOutcome } from "./store/online-store.ts";
import { formatTimestampUs, isEventTimestampUs } from "./timestamp.ts";

/** A row as a source gives it. */
export interface SourceRow {
  /** Join key values, in the order of `ViewWriter.joinKeys`. */
  readonly entity: readonly unknown[];
  /** Values in the order of `ViewWriter.fields`; undefined deletes the entity's row. */
  readonly values: readonly unknown[] | undefined;
  /** When it happened, µs. */
  readonly eventTimestampUs: unknown;
  /** When the source made the row, µs: the record's or the file's timestamp where the row does not say. */
  readonly createdTimestampUs: number;
  /** Row number in the file, or offset in the partition. */
  readonly position: number;
}

/** Why a row can't be taken: a sentence that names the column and the value. */
export interface Refusal {
  readonly refused: string;
}

/** Encodes the rows of one view from one origin. It needs no store, so it can run in a thread of its own. */
export interface RowEncoder {
  readonly joinKeys: readonly string[];
  readonly fields: readonly string[];
  /** Checks and encodes a row; never throws for what the row holds. */
  encode(row: SourceRow, nowMs: number): RowWrite | Refusal;
}

/** Writes the rows of one view from one origin. */
export interface ViewWriter extends RowEncoder {
  /** Stores encoded rows. Rejects with STORE_UNREACHABLE or STORE_UNWRITABLE; nothing is acknowledged then. */
  write(rows: readonly RowWrite[]): Promise<readonly WriteOutcome[]>;
}

/** A view as far as its rows depend on it; plain, so that it can be handed to a thread. */
export interface EncodedView {
  readonly name: string;
  readonly joinKeys: Schema;
  readonly schema: Schema;
  readonly ttlMs: number | undefined;
}

/** Settings of an encoder. */
export interface RowEncoderOptions {
  readonly view: EncodedView;
  readonly applied: AppliedView;
  /** From recordOrigin. */
  readonly originId: number;
  /** One of SOURCE_RANK. */
  readonly sourceRank: number;
  /** How far an event may be dated ahead of its record, ms. */
  readonly maxFutureMs: number;
  /** How long a row is kept beyond its ttl, ms. */
  readonly expiryGraceMs: number;
  /** Of the store that the rows are for. */
  readonly onlineStoreLayout: OnlineStoreLayout;
}

/** Settings of a writer. */
export interface ViewWriterOptions extends Omit<RowEncoderOptions, "view"> {
  readonly store: Pick<OnlineStore, "write">;
  readonly view: FeatureView;
}

/** What an encoder needs to know of a view. */
export function encodedView(view: FeatureView): EncodedView {
  return { name: view.name, joinKeys: viewJoinKeys(view), schema: view.schema, ttlMs: view.ttlMs };
}

/** Records which run or topic partition writes rows; returns its id. */
export function recordOrigin(
  control: ControlStore,
  origin: Readonly<Record<string, string | number | readonly string[]>>,
): Promise<number> {
  return intern(control, "origin", JSON.stringify(origin));
}

/** Opens a writer. */
export function createViewWriter(options: ViewWriterOptions): ViewWriter {
  const encoder = createRowEncoder({ ...options, view: encodedView(options.view) });
  return Object.freeze({ ...encoder, write: (rows: readonly RowWrite[]) => options.store.write(rows) });
}

/** Compiles an encoder. */
export function createRowEncoder(options: RowEncoderOptions): RowEncoder {
  const { view, applied, originId, sourceRank } = options;
  const keyOf = compileEntityKey(view.joinKeys);
  const keyRefusal = compileKeyRefusal(options.onlineStoreLayout, view.joinKeys);
  const fields = Object.keys(view.schema);
  const takeValues = compileTakeValues(view);
  const encodeRow = compileEncodeRow(Object.values(view.schema));
  const maxFutureUs = options.maxFutureMs * 1_000;

  function encode(row: SourceRow, nowMs: number): RowWrite | Refusal {
    const { eventTimestampUs, createdTimestampUs, position } = row;
    if (!isEventTimestampUs(eventTimestampUs)) return refusedTimestamp(eventTimestampUs);
    if (!isEventTimestampUs(createdTimestampUs)) return refusedTimestamp(createdTimestampUs);
    if (eventTimestampUs - createdTimestampUs > maxFutureUs) return refusedFuture(eventTimestampUs, createdTimestampUs);
    let key: string;
    try {
      key = keyOf(row.entity);
    } catch (cause) {
      return { refused: reasonOf(cause) };
    }
    const keyless = keyRefusal?.(row.entity);
    if (keyless !== undefined) return { refused: keyless };
    const order = { eventTimestampUs, createdTimestampUs, generation: applied.generation, sourceRank, position };
    if (row.values === undefined) {
      const expireAtMs = deleteExpiryMs(view.ttlMs, options.expiryGraceMs, eventTimestampUs, nowMs);
      return { key, field: view.name, bytes: encodeTombstone(order), expireAtMs };
    }
    const values = takeValues(row.values);
    if (typeof values === "string") return { refused: values };
    return {
      key,
      field: view.name,
      bytes: encodeRow(order, { schemaId: applied.schemaId, writtenAtMs: nowMs, originId }, values),
      expireAtMs: rowExpiryMs(view.ttlMs, options.expiryGraceMs, eventTimestampUs, nowMs),
    };
  }

  return Object.freeze({ joinKeys: sortedJoinKeys(view.joinKeys), fields, encode });
}

/**
 * When a row may be collected: its ttl and the grace after the event, or the grace from now for one that is too old
 * already, so that it outlives the older rows a replay may still bring.
 */
export function rowExpiryMs(
  ttlMs: number | undefined,
  graceMs: number,
  eventTimestampUs: number,
  nowMs: number,
): number {
  if (ttlMs === undefined) return Number.POSITIVE_INFINITY;
  return Math.max(Math.ceil(eventTimestampUs / 1_000) + ttlMs, nowMs) + graceMs;
}

/** When a delete may be forgotten: never before ttl and grace have passed from now. */
function deleteExpiryMs(ttlMs: number | undefined, graceMs: number, eventTimestampUs: number, nowMs: number): number {
  if (ttlMs === undefined) return Number.POSITIVE_INFINITY;
  return Math.max(Math.ceil(eventTimestampUs / 1_000), nowMs) + ttlMs + graceMs;
}

function compileTakeValues(view: EncodedView): (values: readonly unknown[]) => readonly FeatureValue[] | string {
  const fields = Object.entries(view.schema).map(([name, type]) => ({ name, type, accept: compileAccept(type) }));
  return (values) => {
    const taken = new Array<FeatureValue>(fields.length);
    for (let i = 0; i < fields.length; i++) {
      const value = fields[i]!.accept(values[i] ?? null);
      if (value === REFUSED) return `"${fields[i]!.name}" is ${shown(values[i])}, not ${typeName(fields[i]!.type)}`;
      taken[i] = value;
    }
    return taken;
  };
}

function refusedTimestamp(value: unknown): Refusal {
  return { refused: `the timestamp is ${shown(value)}; it must be a time between 1900 and 2150` };
}

function refusedFuture(eventTimestampUs: number, createdTimestampUs: number): Refusal {
  return {
    refused: `the event is dated ${formatTimestampUs(eventTimestampUs)}, ahead of its record (${formatTimestampUs(createdTimestampUs)}) by more than maxFuture`,
  };
}
