/**
 * The offline history of a view, joined point-in-time to what was served of it: for each served row the row that the
 * files would have given at that moment, which is the latest by event time among those that had happened and, where the
 * source says when a row was made, had been made.
 *
 * The files stream by once. A row becomes known at one instant, its event or its making, whichever is later, and is a
 * candidate for every serving from then on; so it is kept only if it is the newest that became known between two
 * servings of its entity, and the newest up to each serving is a running maximum over these. Memory is bounded by the
 * servings, whatever the history's length. Rows are held as the store would hold them and compared as it does, so that
 * "latest" can't mean two things.
 */

import { HeadgateError } from "../../errors.ts";
import { compileEntityKey, type EntityKeyOf } from "../../features/entity-key.ts";
import { compareRows, SOURCE_RANK } from "../../features/row-order.ts";
import type { OnlineStoreLayout } from "../../features/store/key-refusal.ts";
import { isEventTimestampUs } from "../../features/timestamp.ts";
import { createRowEncoder, encodedView, type RowEncoder } from "../../features/writer.ts";
import type { ObjectStore } from "../../object-store.ts";
import { type LoadedView, type OpenedFile, openFile, type RowRange } from "../file-open.ts";
import { createFileTails } from "../file-tail.ts";
import type { Interval } from "../interval.ts";
import { startedAhead, type Work } from "../started-ahead.ts";
import type { ComparedView, ServedRow } from "./served-line.ts";

/** Files opened, and ranges read, before their turn. */
const AHEAD_MOST = 16;

/** What the history says of a served row. */
export interface JoinedRow {
  readonly served: ServedRow;
  /** The row that was offline then, as the store would hold it. */
  readonly offline: Uint8Array | undefined;
  /** True when the files have a row of the served event time, known or not yet known then. */
  readonly isOffline: boolean;
}

/** A joined view. */
export interface JoinedView {
  readonly rows: readonly JoinedRow[];
  /** The earliest event in the files; Infinity when they have none. */
  readonly firstEventUs: number;
  readonly rowsRead: number;
  /** Of the logged entities' rows, those that can't be taken. */
  readonly rowsBad: number;
}

/** What to join. */
export interface ServedHistoryOptions {
  readonly view: ComparedView;
  readonly served: readonly ServedRow[];
  readonly objects: ObjectStore;
  /** How far an event may be dated ahead of its record, ms: the same rows are refused as by a materialization. */
  readonly maxFutureMs: number;
  /** Of the online store, for the same reason. */
  readonly onlineStoreLayout: OnlineStoreLayout;
  /** The most rows decoded at once. */
  readonly rangeRows: number;
  /** Told after each range how many rows were read, and of how many, as far as it is known yet. */
  readonly onRead?: ((rowsRead: number, rowsTotal: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Joins. Throws what listing, opening and reading files throw, and the signal's reason. */
export async function joinHistory(options: ServedHistoryOptions): Promise<JoinedView> {
  const { view, served, signal } = options;
  const loaded: LoadedView = { ...encodedView(view), source: view.source };
  const entities = entitiesOf(served);
  const counts = { firstEventUs: Number.POSITIVE_INFINITY, rowsRead: 0, rowsBad: 0 };
  const join = compileJoin(options, loaded, entities, counts);
  let total = 0;
  for await (const read of startedAhead(rangeReads(options, loaded, neededInterval(served), opened), READ_BOUNDS)) {
    signal?.throwIfAborted();
    join(read);
    options.onRead?.(counts.rowsRead, total);
  }
  function opened({ summary }: OpenedFile): void {
    total += summary.rowsToRead;
    counts.firstEventUs = Math.min(counts.firstEventUs, summary.skippedFirstEventUs);
  }
  for (const entity of entities.values()) runNewest(entity.newest);
  return { ...counts, rows: served.map((row) => joinedRow(row, entities.get(row.key)!)) };
}

const READ_BOUNDS = { works: AHEAD_MOST, weight: 1 };

/** The servings of one entity, and what is known of its history. */
interface ServedEntity {
  /** Ascending, each once. */
  readonly servedAtUs: readonly number[];
  /** The newest row that became known after the serving before and up to this one; in the end, up to this one at all. */
  readonly newest: (Uint8Array | undefined)[];
  /** Served event times; true once a row of that time was met. */
  readonly events: Map<number, boolean>;
}

function entitiesOf(served: readonly ServedRow[]): ReadonlyMap<string, ServedEntity> {
  const times = new Map<string, Set<number>>();
  const events = new Map<string, Map<number, boolean>>();
  for (const { key, request, eventTimestampUs } of served) {
    if (!times.has(key)) times.set(key, new Set());
    if (!events.has(key)) events.set(key, new Map());
    times.get(key)!.add(request.servedAtUs);
    if (eventTimestampUs !== undefined) events.get(key)!.set(eventTimestampUs, false);
  }
  return new Map(
    [...times].map(([key, ofKey]) => {
      const servedAtUs = [...ofKey].sort((a, b) => a - b);
      return [key, { servedAtUs, newest: new Array(servedAtUs.length).fill(undefined), events: events.get(key)! }];
    }),
  );
}

/** Rows outside of it were too old for every serving, or had not happened yet. */
function neededInterval(served: readonly ServedRow[]): Interval {
  let [startUs, endUs] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const { request, eventTimestampUs = request.servedAtUs, maxAgeUs } of served) {
    startUs = Math.min(startUs, request.servedAtUs - maxAgeUs);
    // An event may be dated a little ahead of the clock that served it.
    endUs = Math.max(endUs, eventTimestampUs + 1, request.servedAtUs + 1);
  }
  return { startUs, endUs };
}

/** A range of a file, read. */
interface RangeRead {
  readonly opened: OpenedFile;
  readonly range: RowRange;
  readonly values: readonly (readonly unknown[])[];
  readonly fileCreatedUs: number;
}

async function* rangeReads(
  { objects, rangeRows }: ServedHistoryOptions,
  view: LoadedView,
  interval: Interval,
  onOpen: (opened: OpenedFile) => void,
): AsyncGenerator<Work<RangeRead>> {
  const tails = createFileTails(objects);
  const files = await objects.list(view.source.path);
  if (files.length === 0) {
    const why = `Feature view "${view.name}": no file is at ${view.source.path}`;
    throw new HeadgateError("SOURCE_NOT_FOUND", `${why}, so there is no history to compare with.`);
  }
  const openings = files.map((file) => ({
    weight: 1,
    begin: () => openFile({ view, rangeRows, interval, ...file }, tails),
  }));
  let next = 0;
  for await (const opened of startedAhead(openings, { works: AHEAD_MOST, weight: AHEAD_MOST })) {
    const { path, version } = files[next++]!;
    tails.forget(path);
    onOpen(opened);
    const fileCreatedUs = Math.floor(version.lastModifiedMs) * 1_000;
    for (const range of opened.ranges) {
      const begin = async () => ({ opened, range, values: await opened.read(range, () => {}), fileCreatedUs });
      yield { weight: range.weight, begin };
    }
  }
}

type Counts = { -readonly [Name in "firstEventUs" | "rowsRead" | "rowsBad"]: JoinedView[Name] };

function compileJoin(
  { maxFutureMs, onlineStoreLayout }: ServedHistoryOptions,
  view: LoadedView,
  entities: ReadonlyMap<string, ServedEntity>,
  counts: Counts,
): (read: RangeRead) => void {
  const keyOf = compileEntityKey(view.joinKeys);
  const applied = { schemaId: 1, generation: 1 };
  const ranks = { originId: 1, sourceRank: SOURCE_RANK.file, maxFutureMs, expiryGraceMs: 0 };
  const encoder = createRowEncoder({ view, applied, ...ranks, onlineStoreLayout });
  return ({ opened, range, values, fileCreatedUs }) => {
    const keys = values.slice(0, opened.joinKeys);
    const fields = values.slice(opened.joinKeys, opened.joinKeys + encoder.fields.length);
    const events = values[opened.joinKeys + encoder.fields.length]!;
    const created = opened.hasCreated ? values.at(-1)! : undefined;
    counts.rowsRead += events.length;
    for (let i = 0; i < events.length; i++) {
      const eventUs = events[i];
      if (isEventTimestampUs(eventUs) && eventUs < counts.firstEventUs) counts.firstEventUs = eventUs;
      const entity = entityAt(entities, keyOf, keys, i);
      if (entity === undefined) continue;
      const madeUs = created?.[i] ?? undefined;
      const row = encodedRow(encoder, [keys, fields], [eventUs, madeUs ?? fileCreatedUs], range.start + i, i);
      if (row === undefined) counts.rowsBad++;
      else addRow(entity, row, eventUs as number, (madeUs ?? eventUs) as number);
    }
  };
}

/** Undefined for an entity that was not served, and for what is no key. */
function entityAt(
  entities: ReadonlyMap<string, ServedEntity>,
  keyOf: EntityKeyOf,
  keys: readonly (readonly unknown[])[],
  row: number,
): ServedEntity | undefined {
  const [only] = keys;
  try {
    return entities.get(keyOf(keys.length === 1 ? [only![row]] : keys.map((column) => column[row])));
  } catch {
    return undefined;
  }
}

/** As a materialization encodes it; undefined for what it refuses. */
function encodedRow(
  encoder: RowEncoder,
  [keys, fields]: readonly [readonly (readonly unknown[])[], readonly (readonly unknown[])[]],
  [eventTimestampUs, createdUs]: readonly [unknown, unknown],
  position: number,
  i: number,
): Uint8Array | undefined {
  const entity = keys.map((column) => column[i]);
  const values = fields.map((column) => column[i]);
  const createdTimestampUs = createdUs as number;
  const encoded = encoder.encode({ entity, values, eventTimestampUs, createdTimestampUs, position }, 0);
  return "refused" in encoded ? undefined : encoded.bytes;
}

function addRow({ servedAtUs, newest, events }: ServedEntity, row: Uint8Array, eventUs: number, madeUs: number): void {
  if (events.has(eventUs)) events.set(eventUs, true);
  const at = firstFrom(servedAtUs, Math.max(eventUs, madeUs));
  if (at === servedAtUs.length) return;
  const other = newest[at];
  if (other === undefined || compareRows(row, other) >= 0) newest[at] = row;
}

/** The first place whose time is not before this one. */
function firstFrom(times: readonly number[], timeUs: number): number {
  let [low, high] = [0, times.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (times[middle]! < timeUs) low = middle + 1;
    else high = middle;
  }
  return low;
}

function runNewest(newest: (Uint8Array | undefined)[]): void {
  for (let i = 1; i < newest.length; i++) {
    const [before, here] = [newest[i - 1], newest[i]];
    if (here === undefined || (before !== undefined && compareRows(before, here) > 0)) newest[i] = before;
  }
}

function joinedRow(served: ServedRow, { servedAtUs, newest, events }: ServedEntity): JoinedRow {
  return {
    served,
    offline: newest[firstFrom(servedAtUs, served.request.servedAtUs)],
    isOffline: served.eventTimestampUs !== undefined && events.get(served.eventTimestampUs)!,
  };
}
