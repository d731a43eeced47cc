/**
 * POST /features/{view}/rows: rows over HTTP, for those without Kafka. They go through the same writer as the stream and
 * the nightly load and rank as the stream does, so that all three may bring the same entity and end the same.
 *
 * A request is taken whole or not at all: every row is checked and encoded before the first is written.
 */

import { excerpt, HeadgateError } from "../errors.ts";
import { type AppliedRegistry, requireApplied } from "../features/applied-registry.ts";
import { findView } from "../features/catalog.ts";
import { sortedJoinKeys } from "../features/entity-key.ts";
import type { FeatureView } from "../features/feature-view.ts";
import { type Accept, type FieldType, REFUSED, type Schema, typeName } from "../features/field.ts";
import { compileFromJson, isObject, type JsonValue } from "../features/json-value.ts";
import { type Registry, viewJoinKeys } from "../features/registry.ts";
import { SOURCE_RANK } from "../features/row-order.ts";
import { shown } from "../features/shown.ts";
import type { OnlineStoreLayout } from "../features/store/key-refusal.ts";
import type { OnlineStore, RowWrite, WriteOutcome } from "../features/store/online-store.ts";
import { formatTimestampUs, isEventTimestampUs, parseTimestampUs } from "../features/timestamp.ts";
import { createViewWriter, recordOrigin, type SourceRow, type ViewWriter } from "../features/writer.ts";

/** What rows over HTTP depend on. */
export interface RowWriteOptions {
  readonly store: Pick<OnlineStore, "write" | "control">;
  readonly registry: Registry;
  /** As it was when the gateway started. */
  readonly applied: AppliedRegistry | undefined;
  /** The most rows of a request. */
  readonly maxEntities: number;
  /** How far an event may be dated ahead of the request, ms. */
  readonly maxFutureMs: number;
  /** How long a row is kept beyond its ttl, ms. */
  readonly expiryGraceMs: number;
  /** Of the store. */
  readonly onlineStoreLayout: OnlineStoreLayout;
  /** Epoch ms. */
  readonly now: () => number;
}

/**
 * Writes a parsed body's rows to a view, and tells what became of each. Throws VIEW_NOT_FOUND, REGISTRY_NOT_APPLIED,
 * ROWS_INVALID naming the first row that can't be taken, TOO_MANY_ENTITIES, and what the store throws. `route` is where the
 * rows came in, which their origin tells; POST /features/{view}/rows unless given.
 */
export type WriteRows = (view: string, body: unknown, route?: string) => Promise<JsonValue>;

/** Compiles it. A view's writer is made at its first rows and kept. */
export function createRowWrite(options: RowWriteOptions): WriteRows {
  const doors = new Map<string, Promise<RowDoor>>();
  return async (name, body, route = `POST /features/${name}/rows`) => {
    const view = findView(options.registry, name);
    const rows = rowsOf(body, options.maxEntities);
    const id = `${view.name} ${route}`;
    let door = doors.get(id);
    if (door === undefined) {
      door = openDoor(options, view, route);
      doors.set(id, door);
      // A store that was away must not be away for ever.
      door.catch(() => doors.delete(id));
    }
    const { parse, writer } = await door;
    const nowMs = options.now();
    const encoded = rows.map((row, i) => encode(writer, parse(row, i, nowMs), i, nowMs));
    return outcomesOf(view, await writer.write(encoded));
  };
}

/** A view's way in: JSON → row → bytes. */
interface RowDoor {
  readonly writer: ViewWriter;
  readonly parse: (row: unknown, index: number, nowMs: number) => SourceRow;
}

async function openDoor(options: RowWriteOptions, view: FeatureView, route: string): Promise<RowDoor> {
  const { store, registry } = options;
  const writer = createViewWriter({
    store,
    view,
    applied: requireApplied(options.applied, registry, [view]).get(view.name)!,
    originId: await recordOrigin(store.control, { http: route }),
    sourceRank: SOURCE_RANK.stream,
    maxFutureMs: options.maxFutureMs,
    expiryGraceMs: options.expiryGraceMs,
    onlineStoreLayout: options.onlineStoreLayout,
  });
  return { writer, parse: compileParseRow(view, options.maxFutureMs) };
}

function rowsOf(body: unknown, maxRows: number): readonly unknown[] {
  const extra = isObject(body) ? Object.keys(body).find((member) => member !== "rows") : undefined;
  if (extra !== undefined) throw invalid(`Unknown member "${excerpt(extra)}"; a request has "rows" alone.`);
  const rows = isObject(body) ? body.rows : undefined;
  if (!Array.isArray(rows) || rows.length === 0) {
    throw invalid(`The request body must be {"rows": [{"entity": …, "values": …, "event_timestamp": …}, …]}.`);
  }
  if (rows.length <= maxRows) return rows;
  throw new HeadgateError(
    "TOO_MANY_ENTITIES",
    `The request has ${rows.length} rows; the most is ${maxRows} (maxEntities). Send them in several requests.`,
  );
}

const MEMBERS = ["entity", "values", "event_timestamp", "created_timestamp"];

function compileParseRow(view: FeatureView, maxFutureMs: number): RowDoor["parse"] {
  const joinKeys = viewJoinKeys(view);
  const parseEntity = compileParseMembers(joinKeys, sortedJoinKeys(joinKeys), "entity", "join key");
  const parseValues = compileParseMembers(view.schema, Object.keys(view.schema), "values", "field");
  return (row, index, nowMs) => {
    const what = `rows[${index}]`;
    if (!isObject(row)) throw invalid(`${what} is ${shown(row)}, not an object.`);
    const extra = Object.keys(row).find((member) => !MEMBERS.includes(member));
    if (extra !== undefined) throw invalid(`${what} has "${excerpt(extra)}"; a row has ${MEMBERS.join(", ")}.`);
    const entity = parseEntity(row.entity, what);
    const missing = entity.indexOf(null);
    if (missing !== -1) throw invalid(`${what}.entity lacks join key "${sortedJoinKeys(joinKeys)[missing]}".`);
    if (row.values === undefined) {
      throw invalid(`${what} has no values; send the view's fields, or null to delete the entity's row.`);
    }
    const eventTimestampUs = timestampOf(row.event_timestamp, `${what}.event_timestamp`);
    // A request has no time of its own that a repetition would have as well: without one the event's is taken.
    const created = row.created_timestamp;
    const createdTimestampUs =
      created === undefined ? eventTimestampUs : timestampOf(created, `${what}.created_timestamp`);
    if (eventTimestampUs > (nowMs + maxFutureMs) * 1_000) {
      throw invalid(
        `${what}.event_timestamp is ${formatTimestampUs(eventTimestampUs)}, ahead of now by more than maxFuture.`,
      );
    }
    const values = row.values === null ? undefined : parseValues(row.values, what);
    return { entity, values, eventTimestampUs, createdTimestampUs, position: 0 };
  };
}

/** Takes an object's members in the order of `names`; one that is absent is null. */
function compileParseMembers(
  schema: Schema,
  names: readonly string[],
  member: string,
  kind: string,
): (value: unknown, what: string) => readonly unknown[] {
  const takes = names.map((name): readonly [string, FieldType, Accept] => [
    name,
    schema[name]!,
    compileFromJson(schema[name]!),
  ]);
  return (value, what) => {
    if (!isObject(value)) throw invalid(`${what}.${member} is ${shown(value)}, not an object of ${kind}s.`);
    const extra = Object.keys(value).find((name) => !Object.hasOwn(schema, name));
    if (extra !== undefined) {
      throw invalid(`${what}.${member} has "${excerpt(extra)}", which is no ${kind}; there are ${names.join(", ")}.`);
    }
    return takes.map(([name, type, accept]) => {
      const taken = Object.hasOwn(value, name) ? accept(value[name]) : null;
      if (taken !== REFUSED) return taken;
      throw invalid(`${what}.${member}.${name} is ${shown(value[name])}, not ${typeName(type)}.`);
    });
  };
}

function timestampOf(value: unknown, what: string): number {
  const timestampUs = typeof value === "string" ? parseTimestampUs(value) : undefined;
  if (isEventTimestampUs(timestampUs)) return timestampUs;
  throw invalid(
    `${what} is ${shown(value)}; write RFC 3339, UTC where it has no zone, between 1900 and 2150, such as "2026-11-22T02:00:00Z".`,
  );
}

function encode(writer: ViewWriter, row: SourceRow, index: number, nowMs: number): RowWrite {
  const encoded = writer.encode(row, nowMs);
  if ("refused" in encoded) throw invalid(`rows[${index}]: ${encoded.refused}.`);
  return encoded;
}

function outcomesOf(view: FeatureView, outcomes: readonly WriteOutcome[]): JsonValue {
  const count = (kind: WriteOutcome) => outcomes.filter((outcome) => outcome === kind).length;
  return {
    feature_view: view.name,
    rows_written: count("written"),
    rows_equal: count("equal"),
    rows_stale: count("stale"),
    outcomes: [...outcomes],
  };
}

function invalid(sentence: string): HeadgateError {
  return new HeadgateError("ROWS_INVALID", sentence);
}
