/**
 * One file of a view's source, as rows for the store: which of its row groups an interval needs, then range by range
 * decoded, checked, encoded and reduced to the latest row of each entity.
 *
 * A FileLoad is plain, so that it can be handed to a thread, and says everything that the outcome depends on: the same
 * load gives the same rows wherever and whenever it runs.
 */

import type { AppliedView } from "../features/applied-registry.ts";
import { timestamp } from "../features/field.ts";
import type { FileSource } from "../features/source.ts";
import { isEventTimestampUs } from "../features/timestamp.ts";
import { createRowEncoder, type EncodedView, type RowEncoder, SOURCE_RANK } from "../features/writer.ts";
import type { ObjectStore, ObjectVersion } from "../object-store.ts";
import type { Interval } from "./interval.ts";
import { compileLocalToUtc } from "./local-time.ts";
import {
  columnBounds,
  openParquet,
  type ParquetFile,
  type PlannedColumn,
  planColumns,
  readColumns,
  type WantedColumn,
} from "./parquet.ts";
import { latestPerEntity } from "./point-in-time.ts";
import {
  addRow,
  BAD_SAMPLES,
  type BadRow,
  createRowBlock,
  packRows,
  type RowBatch,
  type RowCounts,
} from "./row-batch.ts";

/** The most rows that are decoded at once. Memory grows with it; row groups are read whole up to it. */
export const DEFAULT_RANGE_ROWS = 131_072;
const DAY_US = 86_400_000_000;

/** A view as far as its files' rows depend on it. */
export interface LoadedView extends EncodedView {
  readonly source: FileSource;
}

/** What to load. */
export interface FileLoad {
  readonly view: LoadedView;
  readonly applied: AppliedView;
  readonly path: string;
  readonly version: ObjectVersion;
  readonly interval: Interval;
  readonly originId: number;
  readonly maxFutureMs: number;
  readonly expiryGraceMs: number;
  /** The written-at of its rows. */
  readonly nowMs: number;
  readonly rangeRows: number;
}

/** A file opened for a load: its columns fit, and this is what there is to read. */
export interface OpenedLoad {
  /** Ranges of rows to read, each within one row group and at most `rangeRows` long. */
  readonly ranges: readonly { readonly start: number; readonly end: number }[];
  readonly rowsToRead: number;
  /** Bounds of the events in the row groups that are not read. */
  readonly skippedFirstEventUs: number;
  readonly skippedLastEventUs: number;
  /** Rows of the largest row group. */
  readonly largestRowGroupRows: number;
  readonly file: ParquetFile;
  readonly columns: ViewColumns;
  /** Bytes read so far. */
  bytesRead(): number;
}

/** A view's columns in a file: join keys in their key's order, fields in the view's. */
interface ViewColumns {
  readonly planned: readonly PlannedColumn[];
  readonly joinKeys: number;
  readonly timestamp: PlannedColumn;
  readonly hasCreated: boolean;
}

type OpeningLoad = Pick<FileLoad, "view" | "path" | "version" | "interval" | "rangeRows">;

/**
 * Reads a file's footer, checks its columns and finds what the interval needs. Throws PARQUET_INVALID,
 * PARQUET_COLUMN_MISSING, PARQUET_COLUMN_TYPE or SOURCE_CHANGED; no row has been read then.
 */
export async function openFileLoad(load: OpeningLoad, objects: ObjectStore): Promise<OpenedLoad> {
  const { path, version, interval, rangeRows } = load;
  let bytesRead = 0;
  const file = await openParquet({
    path,
    bytes: version.bytes,
    read: (start, end) => {
      bytesRead += end - start;
      return objects.read(path, start, end, version.etag);
    },
  });
  const columns = planViewColumns(file, load.view);
  const marginUs = boundsMarginUs(load.view.source, columns.timestamp);
  const ranges: { start: number; end: number }[] = [];
  let skippedFirstEventUs = Number.POSITIVE_INFINITY;
  let skippedLastEventUs = Number.NEGATIVE_INFINITY;
  for (const [group, { start, end }] of file.rowGroups.entries()) {
    const bounds = eventBounds(file, group, columns.timestamp, marginUs);
    if (bounds !== undefined && (bounds.lastUs < interval.startUs || bounds.firstUs >= interval.endUs)) {
      skippedFirstEventUs = Math.min(skippedFirstEventUs, bounds.firstUs);
      skippedLastEventUs = Math.max(skippedLastEventUs, bounds.lastUs);
      continue;
    }
    for (let from = start; from < end; from += rangeRows)
      ranges.push({ start: from, end: Math.min(end, from + rangeRows) });
  }
  return Object.freeze({
    ranges,
    rowsToRead: ranges.reduce((rows, range) => rows + range.end - range.start, 0),
    skippedFirstEventUs,
    skippedLastEventUs,
    largestRowGroupRows: file.rowGroups.reduce((most, { start, end }) => Math.max(most, end - start), 0),
    file,
    columns,
    bytesRead: () => bytesRead,
  });
}

/** The rows of a file's load, range by range; at least one batch, so that its counts are told. */
export async function* encodeFile(load: FileLoad, objects: ObjectStore): AsyncGenerator<RowBatch, void, undefined> {
  const opened = await openFileLoad(load, objects);
  const encoder = createRowEncoder({ ...load, sourceRank: SOURCE_RANK.file });
  let told = 0;
  const bytesSince = (): number => {
    const since = opened.bytesRead() - told;
    told += since;
    return since;
  };
  yield {
    ...NOTHING,
    rows: packRows(load.view.name, createRowBlock(), []),
    firstEventUs: opened.skippedFirstEventUs,
    lastEventUs: opened.skippedLastEventUs,
    skipped: opened.file.rows - opened.rowsToRead,
    bytesRead: bytesSince(),
  };
  for (const { start, end } of opened.ranges) {
    const values = await readColumns(opened.file, opened.columns.planned, start, end);
    yield { ...encodeRange(load, opened.columns, encoder, values, start), bytesRead: bytesSince() };
  }
}

const NOTHING: RowCounts = Object.freeze({
  read: 0,
  outside: 0,
  skipped: 0,
  superseded: 0,
  bad: 0,
  badSamples: [],
  firstEventUs: Number.POSITIVE_INFINITY,
  lastEventUs: Number.NEGATIVE_INFINITY,
  bytesRead: 0,
});

/** One decoded range: columns in, rows out. `first` is its first row's number in the file. */
function encodeRange(
  load: FileLoad,
  columns: ViewColumns,
  encoder: RowEncoder,
  values: readonly unknown[][],
  first: number,
): RowBatch {
  const { startUs, endUs } = load.interval;
  const joinKeys = values.slice(0, columns.joinKeys);
  const fields = values.slice(columns.joinKeys, columns.joinKeys + encoder.fields.length);
  const events = values[columns.joinKeys + encoder.fields.length]!;
  const created = columns.hasCreated ? values.at(-1) : undefined;
  const fileCreatedUs = Math.floor(load.version.lastModifiedMs) * 1_000;
  const block = createRowBlock();
  const badSamples: BadRow[] = [];
  let [outside, bad, firstEventUs, lastEventUs] = [0, 0, NOTHING.firstEventUs, NOTHING.lastEventUs];
  for (let i = 0; i < events.length; i++) {
    const eventTimestampUs = events[i];
    if (isEventTimestampUs(eventTimestampUs)) {
      if (eventTimestampUs < firstEventUs) firstEventUs = eventTimestampUs;
      if (eventTimestampUs > lastEventUs) lastEventUs = eventTimestampUs;
      if (eventTimestampUs < startUs || eventTimestampUs >= endUs) {
        outside++;
        continue;
      }
    }
    const row = encoder.encode(
      {
        entity: joinKeys.map((column) => column[i]),
        values: fields.map((column) => column[i]),
        eventTimestampUs,
        createdTimestampUs: (created?.[i] ?? fileCreatedUs) as number,
        position: first + i,
      },
      load.nowMs,
    );
    if (!("refused" in row)) addRow(block, row);
    else if (bad++ < BAD_SAMPLES) badSamples.push(badRow(load, first + i, eventTimestampUs, row.refused));
  }
  const latest = latestPerEntity(block);
  const superseded = block.keys.length - latest.length;
  const rows = packRows(load.view.name, block, latest);
  return {
    ...NOTHING,
    rows,
    read: events.length,
    outside,
    superseded,
    bad,
    badSamples,
    firstEventUs,
    lastEventUs,
  };
}

/** A bad timestamp is told by its column; what else is refused names its own. */
function badRow({ view, path }: FileLoad, row: number, eventTimestampUs: unknown, refused: string): BadRow {
  const column = isEventTimestampUs(eventTimestampUs) ? "" : `column "${view.source.timestampField}": `;
  return { file: path, row, reason: column + refused };
}

function planViewColumns(file: ParquetFile, view: LoadedView): ViewColumns {
  const { timestampField, createdField, columns: renamed, timezone } = view.source;
  const wanted = (name: string, type: WantedColumn["type"]): WantedColumn => ({ column: renamed[name] ?? name, type });
  // The order of an encoder's join keys and fields.
  const joinKeys = Object.keys(view.joinKeys).sort();
  const planned = planColumns(
    file,
    [
      ...joinKeys.map((name) => wanted(name, view.joinKeys[name]!)),
      ...Object.entries(view.schema).map(([name, type]) => wanted(name, type)),
      { column: timestampField, type: timestamp(), isDeclared: false },
      ...(createdField === undefined ? [] : [{ column: createdField, type: timestamp(), isDeclared: false }]),
    ],
    compileLocalToUtc(timezone),
  );
  const hasCreated = createdField !== undefined;
  return { planned, joinKeys: joinKeys.length, timestamp: planned.at(hasCreated ? -2 : -1)!, hasCreated };
}

/** Where a zone's clock changes, the order of local times is not that of instants: the bounds are widened by a day. */
function boundsMarginUs(source: FileSource, { column: { value } }: PlannedColumn): number {
  const local = value.is === "date" || (value.is === "timestamp" && !value.utc);
  return local && source.timezone !== "UTC" ? DAY_US : 0;
}

function eventBounds(
  file: ParquetFile,
  group: number,
  column: PlannedColumn,
  marginUs: number,
): { readonly firstUs: number; readonly lastUs: number } | undefined {
  const { least, greatest } = columnBounds(file, group, column) ?? {};
  // An absurd bound hides bad rows, which have to be seen.
  if (!isEventTimestampUs(least) || !isEventTimestampUs(greatest)) return undefined;
  return { firstUs: least - marginUs, lastUs: greatest + marginUs };
}
