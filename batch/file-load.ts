/**
 * Files of a view's source, as rows for the store: range by range read, checked, encoded and reduced to the latest row
 * of each entity. The next ranges, of however many files, are read while one is encoded.
 *
 * A ViewRows is plain, so that it can be handed to a thread, and says everything that the outcome depends on: the same
 * one gives the same rows wherever and whenever it is loaded.
 */

import type { AppliedView } from "../features/applied-registry.ts";
import { SOURCE_RANK } from "../features/row-order.ts";
import type { OnlineStoreLayout } from "../features/store/key-refusal.ts";
import { isEventTimestampUs } from "../features/timestamp.ts";
import { createRowEncoder, type RowEncoder } from "../features/writer.ts";
import { type FileToLoad, type LoadedView, type OpenedFile, openFile, type RowRange } from "./file-open.ts";
import type { FileTails } from "./file-tail.ts";
import { latestPerEntity, latestUnsorted } from "./point-in-time.ts";
import {
  addRow,
  BAD_SAMPLES,
  type BadRow,
  createRowBlock,
  packRows,
  type RowBatch,
  type RowBlock,
} from "./row-batch.ts";
import { startedAhead, type Work } from "./started-ahead.ts";

/** The most rows that are decoded at once. Memory grows with it; row groups are read whole up to it. */
export const DEFAULT_RANGE_ROWS = 131_072;
/** The most bytes of encoded rows that are handed on at once. A text that a column's dictionary has once is in many rows. */
const BATCH_BYTES = 67_108_864;
/** Files opened, and ranges read, before their turn. More hides the latency of a store of small files better. */
const AHEAD_MOST = 16;

/** Which rows to load. */
export interface ViewRows {
  readonly view: LoadedView;
  readonly applied: AppliedView;
  readonly files: readonly FileToLoad[];
  readonly originId: number;
  readonly maxFutureMs: number;
  readonly expiryGraceMs: number;
  /** Of the store that the rows are for. */
  readonly onlineStoreLayout: OnlineStoreLayout;
  /** The written-at of the rows. */
  readonly nowMs: number;
  readonly rangeRows: number;
  /** True where the rows of a batch may come in any order; without it they are sorted by key. */
  readonly isUnsorted?: boolean;
}

/** Told before each piece of decoding and encoding whose bytes they are, so that a decoder that never comes back can be named. */
export type OnDecode = (path: string, row: number) => void;

/** The rows of the files, in their order, range by range. Throws what openFile and its read throw. */
export async function* encodeFiles(
  load: ViewRows,
  tails: FileTails,
  onDecode: OnDecode,
): AsyncGenerator<RowBatch, void, undefined> {
  const encoder = createRowEncoder({ ...load, sourceRank: SOURCE_RANK.file });
  const bounds = { works: AHEAD_MOST, weight: 1 };
  for await (const read of startedAhead(rangeReads(load, tails, onDecode), bounds)) {
    onDecode(load.files[read.file]!.path, read.range.start);
    yield* encodeRange(load, encoder, read);
  }
  tails.clear();
}

/** A range that has been read. */
export interface RangeRead {
  /** The file's place in the load. */
  readonly file: number;
  readonly opened: OpenedFile;
  readonly range: RowRange;
  readonly values: readonly (readonly unknown[])[];
}

/** The ranges of the files, in their order, each to be begun when its turn is near. */
export async function* rangeReads(
  load: Pick<ViewRows, "view" | "rangeRows" | "files">,
  tails: FileTails,
  onDecode: OnDecode,
): AsyncGenerator<Work<RangeRead>> {
  const { view, rangeRows, files } = load;
  const openings = files.map(
    (file): Work<OpenedFile> => ({
      weight: 1,
      begin: () => openFile({ view, rangeRows, ...file }, tails, () => onDecode(file.path, 0)),
    }),
  );
  let file = 0;
  for await (const opened of startedAhead(openings, { works: AHEAD_MOST, weight: AHEAD_MOST })) {
    const [number, { path }] = [file, files[file]!];
    // What is open has its end at hand.
    tails.forget(path);
    for (const range of opened.ranges) {
      const begin = async (): Promise<RangeRead> => {
        const values = await opened.read(range, () => onDecode(path, range.start));
        return { file: number, opened, range, values };
      };
      yield { weight: range.weight, begin };
    }
    file++;
  }
}

/** One range: columns in, rows out. */
function* encodeRange(
  load: ViewRows,
  encoder: RowEncoder,
  { file, opened, range, values }: RangeRead,
): Generator<RowBatch, void, undefined> {
  const { version, path, interval } = load.files[file]!;
  const joinKeys = values.slice(0, opened.joinKeys);
  const fields = values.slice(opened.joinKeys, opened.joinKeys + encoder.fields.length);
  const events = values[opened.joinKeys + encoder.fields.length]!;
  const created = opened.hasCreated ? values.at(-1) : undefined;
  const fileCreatedUs = Math.floor(version.lastModifiedMs) * 1_000;
  let piece = newPiece();
  for (let i = 0; i < events.length; i++) {
    piece.read++;
    const eventTimestampUs = events[i];
    if (isEventTimestampUs(eventTimestampUs)) {
      spanEvent(piece, eventTimestampUs);
      if (eventTimestampUs < interval.startUs || eventTimestampUs >= interval.endUs) {
        piece.outside++;
        continue;
      }
    }
    const row = encoder.encode(
      {
        entity: joinKeys.map((column) => column[i]),
        values: fields.map((column) => column[i]),
        eventTimestampUs,
        createdTimestampUs: (created?.[i] ?? fileCreatedUs) as number,
        position: range.start + i,
      },
      load.nowMs,
    );
    if ("refused" in row) {
      if (piece.bad++ < BAD_SAMPLES)
        piece.badSamples.push(badRow(load.view, path, range.start + i, eventTimestampUs, row.refused));
      continue;
    }
    addRow(piece.block, row);
    if (piece.block.ends.at(-1)! < BATCH_BYTES) continue;
    yield batchOf(load, file, piece, opened);
    piece = newPiece();
  }
  yield batchOf(load, file, piece, opened);
}

/** What was encoded since the last batch. */
interface Piece {
  readonly block: RowBlock;
  readonly badSamples: BadRow[];
  read: number;
  outside: number;
  bad: number;
  firstEventUs: number;
  lastEventUs: number;
}

function newPiece(): Piece {
  const events = { firstEventUs: Number.POSITIVE_INFINITY, lastEventUs: Number.NEGATIVE_INFINITY };
  return { block: createRowBlock(), badSamples: [], read: 0, outside: 0, bad: 0, ...events };
}

function spanEvent(piece: Piece, eventTimestampUs: number): void {
  if (eventTimestampUs < piece.firstEventUs) piece.firstEventUs = eventTimestampUs;
  if (eventTimestampUs > piece.lastEventUs) piece.lastEventUs = eventTimestampUs;
}

function batchOf(load: ViewRows, file: number, { block, ...counts }: Piece, opened: OpenedFile): RowBatch {
  const latest = load.isUnsorted === true ? latestUnsorted(block) : latestPerEntity(block);
  return {
    file,
    rows: packRows(load.view.name, block, latest),
    superseded: block.keys.length - latest.length,
    bytesRead: opened.takeBytesRead(),
    ...counts,
  };
}

/** A bad timestamp is told by its column; what else is refused names its own. */
function badRow(view: LoadedView, file: string, row: number, eventTimestampUs: unknown, refused: string): BadRow {
  const column = isEventTimestampUs(eventTimestampUs) ? "" : `column "${view.source.timestampField}": `;
  return { file, row, reason: column + refused };
}
