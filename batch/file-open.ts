/**
 * A file of a view's source, opened: its columns fit the view, and this is what an interval of event time needs of it.
 * Whatever can be refused about a file is refused here, before a row is read.
 */

import { type FieldType, timestamp } from "../features/field.ts";
import { compileLocalToUtc } from "../features/local-time.ts";
import type { FileSource } from "../features/source.ts";
import { isEventTimestampUs } from "../features/timestamp.ts";
import type { EncodedView } from "../features/writer.ts";
import type { ObjectVersion } from "../object-store.ts";
import type { FileTails } from "./file-tail.ts";
import { createGroupBytes } from "./group-bytes.ts";
import type { Interval } from "./interval.ts";
import {
  columnBounds,
  decodedRowBytes,
  openParquet,
  type ParquetFile,
  type PlannedColumn,
  planColumns,
  readColumns,
} from "./parquet.ts";
import { partitionValue, pathPartitions } from "./path-partition.ts";
import { ownsRow, type ShardShare } from "./shard.ts";

const DAY_US = 86_400_000_000;
/** What a range's rows may take when they are decoded, bytes, estimated by the footer. Wide rows are read fewer at once. */
const RANGE_BYTES = 67_108_864;

/** A view as far as its files' rows depend on it; plain, so that it can be handed to a thread. */
export interface LoadedView extends EncodedView {
  readonly source: FileSource;
}

/** A version of a file, and what is wanted of it. */
export interface FileToLoad {
  readonly path: string;
  readonly version: ObjectVersion;
  readonly interval: Interval;
  /** Undefined: all of the interval's rows. */
  readonly share?: ShardShare | undefined;
}

/** A file to open. */
export interface FileToOpen extends FileToLoad {
  readonly view: LoadedView;
  /** The most rows of a range. */
  readonly rangeRows: number;
}

/** What there is in a file, plain. */
export interface FileSummary {
  readonly rows: number;
  /** Rows of the row groups that the interval needs, whoever shares them. */
  readonly rowsToRead: number;
  /** The largest row group that is read in several ranges, and their length; 0 when there is none. */
  readonly largestRowGroupRows: number;
  readonly rowsAtOnce: number;
  /** Bounds of the events in the row groups that are not read; ±Infinity when there is none. */
  readonly skippedFirstEventUs: number;
  readonly skippedLastEventUs: number;
  readonly bytesRead: number;
}

/** Rows [start, end) by their number in the file; within one row group. */
export interface RowRange {
  readonly start: number;
  readonly end: number;
  /** The row group's place in the file. */
  readonly group: number;
  /** What it takes of memory, as a share of what a range may. */
  readonly weight: number;
}

/** A file that is open. */
export interface OpenedFile {
  readonly summary: FileSummary;
  /** What there is to read, of this share. */
  readonly ranges: readonly RowRange[];
  /** Join keys in their key's order, then fields in the view's. */
  readonly joinKeys: number;
  readonly hasCreated: boolean;
  /**
   * The rows of a range, one array for each join key and field, then the event timestamps, then the created ones. Throws
   * PARQUET_INVALID or SOURCE_CHANGED. `onDecode`: see readColumns.
   */
  read(range: RowRange, onDecode: () => void): Promise<readonly (readonly unknown[])[]>;
  /** Bytes read since this was last asked. */
  takeBytesRead(): number;
}

/** Opens. Throws PARQUET_INVALID, PARQUET_COLUMN_MISSING, PARQUET_COLUMN_TYPE, SOURCE_CHANGED. `onDecode` is called before the footer is. */
export async function openFile(
  load: FileToOpen,
  tails: FileTails,
  onDecode: () => void = () => {},
): Promise<OpenedFile> {
  let bytesRead = 0;
  const source = await tails.open(load.path, load.version, (bytes) => {
    bytesRead += bytes;
  });
  const takeBytesRead = (): number => {
    const taken = bytesRead;
    bytesRead = 0;
    return taken;
  };
  const file = await openParquet({
    ...source,
    read: (start, end) =>
      source.read(start, end).then((bytes) => {
        onDecode();
        return bytes;
      }),
  });
  const columns = viewColumns(file, load.view);
  const { ranges, ...found } = neededRanges(file, load, {
    eventsOf: compileEventBounds(file, load.view.source, columns),
    rowBytesOf: (group) => decodedRowBytes(file, group, columns.planned),
  });
  const groupBytes = createGroupBytes(source);
  return Object.freeze({
    summary: {
      rows: file.rows,
      ...found,
      bytesRead,
    },
    ranges,
    joinKeys: Object.keys(load.view.joinKeys).length,
    hasCreated: load.view.source.createdField !== undefined,
    read: async ({ start, end, group }: RowRange, onDecode: () => void) => {
      const ofGroup = { ...file, source: groupBytes.of(group) };
      const values = await readColumns(ofGroup, columns.planned, start, end, onDecode);
      if (end === ranges.findLast((range) => range.group === group)?.end) groupBytes.forget(group);
      return columns.wanted.map((one) =>
        "planned" in one ? values[one.planned]! : new Array<unknown>(end - start).fill(one.value),
      );
    },
    takeBytesRead,
  });
}

/** A wanted column: one of the planned ones, or a value that is the path's for every row. */
type WantedValues = { readonly planned: number } | { readonly value: unknown };

interface ViewColumns {
  readonly planned: readonly PlannedColumn[];
  /** Join keys, fields, event timestamp, created timestamp. */
  readonly wanted: readonly WantedValues[];
  readonly event: WantedValues;
}

function viewColumns(file: ParquetFile, view: LoadedView): ViewColumns {
  const { timestampField, createdField, columns: renamed, timezone } = view.source;
  const isThere = new Set(file.columns.map(({ name }) => name));
  const partitions = pathPartitions(file.source.path);
  const toUtc = compileLocalToUtc(timezone);
  const planned: PlannedColumn[] = [];
  const want = (column: string, type: FieldType, isDeclared: boolean): WantedValues => {
    const text = isThere.has(column) ? undefined : partitions.get(column);
    if (text !== undefined) return { value: partitionValue(file.source.path, [column, text], type, toUtc) };
    return { planned: planned.push(...planColumns(file, [{ column, type, isDeclared }], toUtc)) - 1 };
  };
  // The order of an encoder's join keys and fields.
  const declared = [
    ...Object.entries(view.joinKeys).sort(([a], [b]) => (a < b ? -1 : 1)),
    ...Object.entries(view.schema),
  ];
  const values = declared.map(([name, type]) => want(renamed[name] ?? name, type, true));
  const event = want(timestampField, timestamp(), false);
  const created = createdField === undefined ? [] : [want(createdField, timestamp(), false)];
  return { planned, wanted: [...values, event, ...created], event };
}

interface EventBounds {
  readonly firstUs: number;
  readonly lastUs: number;
}

/** The bounds of the events in a row group; undefined where they are not told. */
function compileEventBounds(
  file: ParquetFile,
  source: FileSource,
  { planned, event }: ViewColumns,
): (group: number) => EventBounds | undefined {
  if ("value" in event) {
    const us = event.value;
    return () => (isEventTimestampUs(us) ? { firstUs: us, lastUs: us } : undefined);
  }
  const column = planned[event.planned]!;
  const { value } = column.column;
  const isLocal = value.is === "date" || (value.is === "timestamp" && !value.utc);
  // Where a zone's clock changes, the order of local times is not that of instants.
  const marginUs = isLocal && source.timezone !== "UTC" ? DAY_US : 0;
  return (group) => {
    const { least, greatest } = columnBounds(file, group, column) ?? {};
    // An absurd bound hides bad rows, which have to be seen.
    if (!isEventTimestampUs(least) || !isEventTimestampUs(greatest)) return undefined;
    return { firstUs: least - marginUs, lastUs: greatest + marginUs };
  };
}

type NeededRanges = Omit<FileSummary, "rows" | "bytesRead"> & { readonly ranges: readonly RowRange[] };

function neededRanges(
  file: ParquetFile,
  { interval, rangeRows, share }: FileToOpen,
  {
    eventsOf,
    rowBytesOf,
  }: {
    readonly eventsOf: (group: number) => EventBounds | undefined;
    readonly rowBytesOf: (group: number) => number;
  },
): NeededRanges {
  const ranges: RowRange[] = [];
  let [rowsToRead, first, last] = [0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  let [largestRowGroupRows, rowsAtOnce] = [0, 0];
  for (const [group, { start, end }] of file.rowGroups.entries()) {
    const bounds = eventsOf(group);
    if (bounds !== undefined && (bounds.lastUs < interval.startUs || bounds.firstUs >= interval.endUs)) {
      first = Math.min(first, bounds.firstUs);
      last = Math.max(last, bounds.lastUs);
      continue;
    }
    const rowBytes = rowBytesOf(group);
    const length = Math.max(1, Math.min(rangeRows, Math.floor(RANGE_BYTES / rowBytes)));
    if (end - start > Math.max(length, largestRowGroupRows)) [largestRowGroupRows, rowsAtOnce] = [end - start, length];
    for (let from = start; from < end; from += length) {
      const to = Math.min(end, from + length);
      const weight = Math.max((to - from) / rangeRows, ((to - from) * rowBytes) / RANGE_BYTES);
      if (share === undefined || ownsRow(share, rowsToRead)) ranges.push({ start: from, end: to, group, weight });
      rowsToRead += to - from;
    }
  }
  const events = { skippedFirstEventUs: first, skippedLastEventUs: last };
  return { ranges, rowsToRead, ...events, largestRowGroupRows, rowsAtOnce };
}
