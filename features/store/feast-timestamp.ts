/**
 * google.protobuf.Timestamp, which Feast keeps a row's event time in: seconds (field 1) and nanos (field 2, never
 * negative), fields of zero left out, so that the epoch itself is no bytes at all. It is read for every row, so it is
 * read by hand. Source: https://github.com/protocolbuffers/protobuf/blob/main/src/google/protobuf/timestamp.proto
 *
 * Headgate's times begin with a mark: nanos of zero. Of a field that is there twice the last one counts, so the time is
 * the same to every reader; and no writer of protobuf writes a zero, so whoever writes the row anew takes the mark away,
 * even where time and values are the same.
 */

import { readVarint, VARINT_MAX_BYTES, writeVarint } from "./feast-varint.ts";

const [SECONDS, NANOS] = [0x08, 0x10];
const MARK = Uint8Array.of(NANOS, 0);
const TIME_MAX_BYTES = 2 * (1 + VARINT_MAX_BYTES);

/** A row's event time, as far as it can be an order's. */
export interface FeastTime {
  /** µs since the epoch, floored. */
  readonly timestampUs: number;
  /** True for one with Headgate's mark: nobody has written the row since. */
  readonly isMarked: boolean;
}

/** Writes a time of whole µs with Headgate's mark. */
export function encodeMarkedTime(timestampUs: number): Uint8Array {
  const bytes = new Uint8Array(MARK.length + TIME_MAX_BYTES);
  bytes.set(MARK);
  return bytes.subarray(0, writeTime(bytes, MARK.length, timestampUs));
}

/** Writes a time of whole µs as Feast does. */
export function encodeFeastTime(timestampUs: number): Uint8Array {
  const bytes = new Uint8Array(TIME_MAX_BYTES);
  return bytes.subarray(0, writeTime(bytes, 0, timestampUs));
}

/** Returns the offset after the time. */
function writeTime(into: Uint8Array, offset: number, timestampUs: number): number {
  const seconds = Math.floor(timestampUs / 1_000_000);
  const nanos = (timestampUs - seconds * 1_000_000) * 1_000;
  let end = offset;
  if (seconds !== 0) {
    into[end++] = SECONDS;
    end = writeVarint(into, end, seconds);
  }
  if (nanos !== 0) {
    into[end++] = NANOS;
    end = writeVarint(into, end, nanos);
  }
  return end;
}

/** Reads a time; undefined for bytes that are none, or one that is beyond what can be an order's. */
export function decodeFeastTime(bytes: Uint8Array): FeastTime | undefined {
  const cursor = { offset: 0 };
  let [seconds, nanos] = [0, 0];
  while (cursor.offset < bytes.length) {
    const head = bytes[cursor.offset++];
    const value = readVarint(bytes, cursor);
    if (typeof value !== "number") return undefined;
    if (head === SECONDS) seconds = value;
    else if (head === NANOS && value >= 0 && value < 1e9) nanos = value;
    else return undefined;
  }
  const micros = Math.floor(nanos / 1_000);
  const timestampUs = seconds * 1_000_000 + micros;
  if (!Number.isSafeInteger(timestampUs)) return undefined;
  return { timestampUs, isMarked: bytes[0] === MARK[0] && bytes[1] === MARK[1] };
}
