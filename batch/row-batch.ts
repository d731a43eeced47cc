/**
 * Rows on their way from a file to the store: encoded, the latest of each entity, sorted by key, with the counts of
 * what was left behind.
 *
 * A hundred thousand rows as objects that all live until their batch is written would keep the garbage collector busier
 * than the encoder. So they are gathered in one block of bytes, cross threads as that block (handed over, not copied)
 * with one text of all keys, and become objects again a slice at a time, just before they are written.
 */

import type { RowWrite } from "../features/store/online-store.ts";

/** The most bad rows that are told with file and row number. */
export const BAD_SAMPLES = 10;

/** A row that can't be taken. */
export interface BadRow {
  readonly file: string;
  /** Row number in the file; the first is 0. */
  readonly row: number;
  readonly reason: string;
}

/** What became of the rows of a range, and where their events lie. */
export interface RowCounts {
  readonly read: number;
  /** Outside of the interval. */
  readonly outside: number;
  /** Older than another row of the same entity in the same batch. */
  readonly superseded: number;
  readonly bad: number;
  /** The first of the bad ones. */
  readonly badSamples: readonly BadRow[];
  /** The earliest and latest event among the rows; ±Infinity when there is none. */
  readonly firstEventUs: number;
  readonly lastEventUs: number;
  readonly bytesRead: number;
}

/** Rows of one view in a form that crosses threads. */
export interface PackedRows {
  readonly field: string;
  /** One per line: entity keys are percent-encoded and hold no line break. */
  readonly keys: string;
  /** Where each row ends in `bytes`. */
  readonly ends: Uint32Array<ArrayBuffer>;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly expireAtMs: Float64Array<ArrayBuffer>;
}

/** The rows of a range of a file. */
export interface RowBatch extends RowCounts {
  /** The file's place in what is loaded. */
  readonly file: number;
  readonly rows: PackedRows;
}

/** Rows being gathered. */
export interface RowBlock {
  readonly keys: string[];
  readonly ends: number[];
  readonly expireAtMs: number[];
  /** Longer than what is in it. */
  bytes: Uint8Array;
}

const FIRST_BLOCK_BYTES = 65_536;

/** An empty block. */
export function createRowBlock(): RowBlock {
  return { keys: [], ends: [], expireAtMs: [], bytes: new Uint8Array(FIRST_BLOCK_BYTES) };
}

/** Copies a row to the end of a block. */
export function addRow(block: RowBlock, row: RowWrite): void {
  const start = block.ends.at(-1) ?? 0;
  const end = start + row.bytes.length;
  if (end > block.bytes.length) {
    const longer = new Uint8Array(2 * end);
    longer.set(block.bytes);
    block.bytes = longer;
  }
  block.bytes.set(row.bytes, start);
  block.keys.push(row.key);
  block.ends.push(end);
  block.expireAtMs.push(row.expireAtMs);
}

/** A row's bytes, as a view of the block. */
export function rowBytes({ bytes, ends }: Pick<PackedRows, "bytes" | "ends"> | RowBlock, row: number): Uint8Array {
  return bytes.subarray(row === 0 ? 0 : ends[row - 1], ends[row]);
}

/** More bytes are copied by the runtime; a view of fewer takes it longer than to copy them. */
const FEW_BYTES = 256;

/** Copies bytes from `start` to before `end` into others, at a place; returns the place after them. */
export function copyBytes(from: Uint8Array, start: number, end: number, into: Uint8Array, place: number): number {
  const after = place + end - start;
  if (end - start > FEW_BYTES) into.set(from.subarray(start, end), place);
  else for (let at = start; at < end; at++) into[place++] = from[at]!;
  return after;
}

/** The named rows of a block, in that order. */
export function packRows(field: string, block: RowBlock, sequence: readonly number[]): PackedRows {
  const ends = new Uint32Array(sequence.length);
  const expireAtMs = new Float64Array(sequence.length);
  let length = 0;
  for (const row of sequence) length += block.ends[row]! - (row === 0 ? 0 : block.ends[row - 1]!);
  const bytes = new Uint8Array(length);
  let end = 0;
  for (let i = 0; i < sequence.length; i++) {
    const row = sequence[i]!;
    end = copyBytes(block.bytes, row === 0 ? 0 : block.ends[row - 1]!, block.ends[row]!, bytes, end);
    ends[i] = end;
    expireAtMs[i] = block.expireAtMs[row]!;
  }
  return { field, keys: sequence.map((row) => block.keys[row]).join("\n"), ends, bytes, expireAtMs };
}

/** What a batch hands over to another thread instead of copying. */
export function transferablesOf({ rows }: RowBatch): ArrayBuffer[] {
  return [rows.ends.buffer, rows.bytes.buffer, rows.expireAtMs.buffer];
}

/** The rows, `length` at a time; their bytes are views of the block. */
export function* unpackRows(packed: PackedRows, length: number): Generator<readonly RowWrite[], void, undefined> {
  const { field, ends, expireAtMs } = packed;
  if (ends.length === 0) return;
  const keys = packed.keys.split("\n");
  for (let from = 0; from < ends.length; from += length) {
    const rows: RowWrite[] = [];
    for (let i = from; i < Math.min(ends.length, from + length); i++) {
      rows.push({ key: keys[i]!, field, bytes: rowBytes(packed, i), expireAtMs: expireAtMs[i]! });
    }
    yield rows;
  }
}
