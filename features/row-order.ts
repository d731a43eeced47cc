/**
 * The order of a row: which of two rows of one entity and view is newer, as bytes that compare as memcmp does, so that
 * every store can decide it (JavaScript, an LMDB transaction, Redis' Lua by `string.byte`) without knowing what it means.
 *
 * order = (event timestamp µs, created timestamp µs − event timestamp µs, schema generation, source rank, position),
 * each an integer in the form of FoundationDB's tuple layer: a head byte 0x14 ± n, then n big-endian bytes (negative:
 * ones' complement). Small numbers take a byte, no encoding is a prefix of another, and byte order is number order.
 * The created timestamp is kept as its distance from the event because among equal events the distance orders the same
 * and is shorter. Format: https://github.com/apple/foundationdb/blob/main/design/tuple.md (0x0c–0x1c).
 *
 * A row's bytes begin with one byte for the length of its order, then the order. Rows of equal order are told apart by
 * their values, see compareRows.
 */

/** What decides newest, in this sequence. All integers, |x| ≤ 2^53 − 1. */
export interface RowOrder {
  /** When it happened, µs since the epoch. */
  readonly eventTimestampUs: number;
  /** When the source made the row, µs since the epoch. */
  readonly createdTimestampUs: number;
  /** Rises when `apply` changes the view, so that a re-materialization after a change lands. */
  readonly generation: number;
  /** One of SOURCE_RANK. */
  readonly sourceRank: number;
  /** Row number in the file, or offset in the partition. */
  readonly position: number;
}

/** How sources rank at equal event and created times: the higher wins. Feast's is that of rows it wrote into the store itself. */
export const SOURCE_RANK = Object.freeze({ feast: 0, stream: 1, file: 2 });

const ZERO = 0x14;
const INTEGERS = 5;

/** The most bytes an encoded order and its length byte can take. */
export const ROW_ORDER_MAX_BYTES = 1 + INTEGERS * 9;

/** Writes length byte and order at `offset`; returns the offset after them. */
export function writeRowOrder(into: Uint8Array, offset: number, order: RowOrder): number {
  let end = writeInteger(into, offset + 1, order.eventTimestampUs);
  end = writeInteger(into, end, order.createdTimestampUs - order.eventTimestampUs);
  end = writeInteger(into, end, order.generation);
  end = writeInteger(into, end, order.sourceRank);
  end = writeInteger(into, end, order.position);
  into[offset] = end - offset - 1;
  return end;
}

/** Reads the order back from a row's bytes. */
export function readRowOrder(row: Uint8Array): RowOrder {
  const cursor = { offset: 1 };
  const eventTimestampUs = readInteger(row, cursor);
  const createdTimestampUs = eventTimestampUs + readInteger(row, cursor);
  const generation = readInteger(row, cursor);
  const sourceRank = readInteger(row, cursor);
  const position = readInteger(row, cursor);
  return { eventTimestampUs, createdTimestampUs, generation, sourceRank, position };
}

/** The event timestamp alone: all that a read at serving time needs of the order. */
export function readEventTimestampUs(row: Uint8Array): number {
  return readInteger(row, { offset: 1 });
}

/** Where the payload begins: after the length byte and the order. */
export function payloadOffset(row: Uint8Array): number {
  return 1 + row[0]!;
}

/** True for a row that is nothing but its order: a delete. */
export function isTombstone(row: Uint8Array): boolean {
  return row.length === payloadOffset(row);
}

/** True for a row that Feast itself wrote. It does not say when it was made or written: what stands there is made up. */
export function isOfFeast({ sourceRank }: Pick<RowOrder, "sourceRank">): boolean {
  return sourceRank === SOURCE_RANK.feast;
}

/**
 * Negative, zero or positive as `a` is older than, equal to or newer than `b`: by their orders and, where these are
 * equal, by their values, so that what a store ends with never depends on which of two rows came first. A delete is
 * newer than any row of its order; of two rows the one whose values' bytes compare as greater is (which says nothing
 * but is the same everywhere); equal values are equal, whatever run wrote them. `b` is [bStart, bEnd) of its bytes.
 */
export function compareRows(a: Uint8Array, b: Uint8Array, bStart = 0, bEnd = b.length): number {
  const end = 1 + Math.min(a[0]!, b[bStart]!);
  for (let i = 1; i < end; i++) {
    const difference = a[i]! - b[bStart + i]!;
    if (difference !== 0) return difference;
  }
  if (isTombstone(a)) return bEnd - bStart > end ? 1 : 0;
  return bEnd - bStart > end ? compareValues(a, b, bStart, bEnd) : -1;
}

function compareValues(a: Uint8Array, b: Uint8Array, bStart: number, bEnd: number): number {
  let at = valuesOffset(a);
  let bAt = valuesOffset(b, bStart, bEnd);
  for (; at < a.length && bAt < bEnd; at++, bAt++) {
    const difference = a[at]! - b[bAt]!;
    if (difference !== 0) return difference;
  }
  return a.length - at - (bEnd - bAt);
}

/** Where the values of the row [start, end) begin: after the order and the three varints of the header. */
export function valuesOffset(row: Uint8Array, start = 0, end = row.length): number {
  let offset = start + 1 + row[start]!;
  for (let varints = 0; varints < 3 && offset < end; varints++) {
    while (offset < end && row[offset]! >= 0x80) offset++;
    if (offset < end) offset++;
  }
  return offset;
}

/** In two halves of 32 bits, whose arithmetic is that of machine integers. */
function writeInteger(into: Uint8Array, offset: number, value: number): number {
  const magnitude = value < 0 ? -value : value;
  const high = Math.floor(magnitude / 2 ** 32);
  let rest = magnitude >>> 0;
  const bytes = high > 0 ? 8 - (Math.clz32(high) >> 3) : 4 - (Math.clz32(rest) >> 3);
  const flip = value < 0 ? 0xff : 0;
  into[offset] = value < 0 ? ZERO - bytes : ZERO + bytes;
  const end = offset + 1 + bytes;
  for (let i = 1; i <= bytes; i++) {
    if (i === 5) rest = high;
    into[end - i] = (rest & 0xff) ^ flip;
    rest >>>= 8;
  }
  return end;
}

function readInteger(row: Uint8Array, cursor: { offset: number }): number {
  const head = row[cursor.offset]! - ZERO;
  const bytes = head < 0 ? -head : head;
  const flip = head < 0 ? 0xff : 0;
  let magnitude = 0;
  for (let i = 1; i <= bytes; i++) magnitude = magnitude * 256 + (row[cursor.offset + i]! ^ flip);
  cursor.offset += 1 + bytes;
  return head < 0 ? -magnitude : magnitude;
}
