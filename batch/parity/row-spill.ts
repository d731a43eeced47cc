/**
 * Encoded rows in a temporary file, by parts: all rows of an entity are in the part that its key's hash names, so that
 * what is too much for memory is worked on part by part.
 *
 * Rows of a part are gathered and written a block at a time to one file; which blocks are whose is kept in memory. The
 * file has no name from the moment it is open, so it is gone on every way out, a kill included.
 */

import { closeSync, mkdtempSync, openSync, readSync, rmSync, unlinkSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HeadgateError, reasonOf } from "../../errors.ts";
import { copyBytes } from "../row-batch.ts";

/** Rows that are worked on together about; the fewer, the less memory and the more parts. */
const PART_ROWS = 4_096;
/** The most parts, for rows of an unknown number. Beyond 512 × 4,096 rows, parts grow. */
export const PARTS_MOST = 512;
/** Bytes of all blocks that are being gathered, and of one. */
const GATHERED_BYTES = 16 * 2 ** 20;
const BLOCK_BYTES_MOST = 256 * 2 ** 10;
/** Before a row: the tag (4), the hash (4), the row's length (4), the key's length (2). */
const HEAD_BYTES = 14;

/** A row as it was put, where it lies: a text and a view for each of millions would cost more than to join them. */
export class SpilledRow {
  readonly #block: Buffer;
  #keyStart = 0;
  #rowStart = 0;
  #end = 0;
  tag = 0;
  hash = 0;

  /** Before the first row of a block. */
  constructor(block: Buffer) {
    this.#block = block;
  }

  /** Goes on to the next row; false at the end of the block. */
  next(): boolean {
    const at = this.#end;
    if (at === this.#block.length) return false;
    this.tag = this.#block.readUInt32LE(at);
    this.hash = this.#block.readUInt32LE(at + 4);
    this.#keyStart = at + HEAD_BYTES;
    this.#rowStart = this.#keyStart + this.#block.readUInt16LE(at + 12);
    this.#end = this.#rowStart + this.#block.readUInt32LE(at + 8);
    return true;
  }

  hasKey(key: string): boolean {
    const start = this.#keyStart;
    if (key.length !== this.#rowStart - start) return false;
    for (let i = 0; i < key.length; i++) if (this.#block[start + i] !== key.charCodeAt(i)) return false;
    return true;
  }

  get key(): string {
    return this.#block.toString("latin1", this.#keyStart, this.#rowStart);
  }

  /** A view of the block, which stays as it is. */
  get bytes(): Uint8Array {
    return this.#block.subarray(this.#rowStart, this.#end);
  }
}

/** Into how many parts so many rows go. */
export function partsFor(rows: number): number {
  return Math.max(1, Math.min(PARTS_MOST, Math.ceil(rows / PART_ROWS)));
}

/** Neighbouring parts of so many rows together that each group has about as many as a part should; in order. */
export function partGroups(rowsOfParts: readonly number[]): readonly (readonly number[])[] {
  const groups: number[][] = [];
  let rows = 0;
  for (const [part, more] of rowsOfParts.entries()) {
    if (groups.length === 0 || rows + more > PART_ROWS) {
      groups.push([]);
      rows = 0;
    }
    groups.at(-1)!.push(part);
    rows += more;
  }
  return groups;
}

interface Part {
  rows: number;
  block: Buffer | undefined;
  end: number;
  /** Where its written blocks are: offset, length, offset, … */
  readonly written: number[];
}

/** Rows by parts. To be closed. */
export class RowSpill {
  readonly #file: number;
  readonly #parts: readonly Part[];
  readonly #blockBytes: number;
  #fileEnd = 0;

  /** Opens a temporary file in the system's folder for them (TMPDIR). Throws SPILL_FAILED, as do its other calls. */
  constructor(parts: number) {
    this.#file = spilling(0, openUnnamed);
    this.#parts = Array.from({ length: parts }, () => ({ rows: 0, block: undefined, end: 0, written: [] }));
    this.#blockBytes = Math.min(BLOCK_BYTES_MOST, Math.floor(GATHERED_BYTES / parts));
  }

  /**
   * Puts a row, copied, into the part that the hash names: the bytes from `start` to before `end`. The key is ASCII; the
   * tag a whole number below 2^32.
   */
  put(hash: number, key: string, tag: number, bytes: Uint8Array, start = 0, end = bytes.length): void {
    const part = this.#parts[hash % this.#parts.length]!;
    const size = HEAD_BYTES + key.length + end - start;
    if (part.block === undefined || part.end + size > part.block.length) {
      this.#flush(part);
      if (part.block === undefined || size > part.block.length)
        part.block = Buffer.allocUnsafeSlow(Math.max(size, this.#blockBytes));
    }
    const { block } = part;
    let at = block.writeUInt32LE(tag, part.end);
    at = block.writeUInt32LE(hash, at);
    at = block.writeUInt32LE(end - start, at);
    at = block.writeUInt16LE(key.length, at);
    for (let i = 0; i < key.length; i++) block[at++] = key.charCodeAt(i);
    part.end = copyBytes(bytes, start, end, block, at);
    part.rows++;
  }

  /** How many rows were put into each part. */
  rowsOfParts(): readonly number[] {
    return this.#parts.map(({ rows }) => rows);
  }

  /** The rows of a part, in the order they were put, each until the next is asked for; the part is empty afterwards. */
  *take(number: number): Generator<SpilledRow, void, undefined> {
    const part = this.#parts[number]!;
    this.#flush(part);
    part.block = undefined;
    const blocks = part.written.splice(0);
    for (let i = 0; i < blocks.length; i += 2) {
      const row = new SpilledRow(spilling(this.#fileEnd, () => this.#read(blocks[i]!, blocks[i + 1]!)));
      while (row.next()) yield row;
    }
  }

  close(): void {
    closeSync(this.#file);
  }

  #flush(part: Part): void {
    const { block } = part;
    if (block === undefined || part.end === 0) return;
    spilling(this.#fileEnd, () => writeWhole(this.#file, block, part.end, this.#fileEnd));
    part.written.push(this.#fileEnd, part.end);
    this.#fileEnd += part.end;
    part.end = 0;
  }

  #read(offset: number, length: number): Buffer {
    const block = Buffer.allocUnsafeSlow(length);
    for (let at = 0; at < length; ) {
      const read = readSync(this.#file, block, at, length - at, offset + at);
      if (read === 0) throw new Error("The temporary file of a parity run is shorter than what was written to it.");
      at += read;
    }
    return block;
  }
}

/** Opens a file that has no name any more. */
function openUnnamed(): number {
  const folder = mkdtempSync(join(tmpdir(), "headgate-parity-"));
  try {
    const path = join(folder, "rows");
    const file = openSync(path, "wx+", 0o600);
    unlinkSync(path);
    return file;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Does something to a file that is so long; whatever it throws is SPILL_FAILED. */
function spilling<T>(fileBytes: number, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throw new HeadgateError(
      "SPILL_FAILED",
      `The temporary file in ${tmpdir()}, of ${fileBytes} bytes by then, failed: ${reasonOf(cause)}. Set TMPDIR to a folder with room for both sides' rows.`,
      cause,
    );
  }
}

function writeWhole(file: number, block: Buffer, length: number, offset: number): void {
  for (let at = 0; at < length; ) at += writeSync(file, block, at, length - at, offset + at);
}
