/**
 * Protobuf's varint of an int64, read and written by hand where it is met for every row. A negative number takes ten
 * bytes (its two's complement), not zigzag. Format: https://protobuf.dev/programming-guides/encoding/#varints
 */

import { canonicalInteger } from "../field.ts";

/** The most bytes of a varint. */
export const VARINT_MAX_BYTES = 10;

/** Writes an int64; returns the offset after it. */
export function writeVarint(into: Uint8Array, offset: number, value: number | bigint): number {
  if (typeof value === "bigint") return writeWide(into, offset, BigInt.asUintN(64, value));
  let end = offset;
  if (value < 0) {
    // The complement is not negative, and its bits are the number's turned over.
    for (let rest = -(value + 1); end < offset + 9; rest = Math.floor(rest / 0x80)) into[end++] = 0xff - (rest % 0x80);
    into[end++] = 1;
    return end;
  }
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) into[end++] = 0x80 | (rest % 0x80);
  into[end++] = rest;
  return end;
}

/** Reads an int64 and moves the cursor behind it: a number where that is exact, else a bigint; undefined where none is. */
export function readVarint(bytes: Uint8Array, cursor: { offset: number }): number | bigint | undefined {
  const start = cursor.offset;
  let [value, complement, scale] = [0, 0, 1];
  for (let i = 0; i < VARINT_MAX_BYTES; i++) {
    const byte = bytes[cursor.offset++];
    if (byte === undefined) return undefined;
    if (i === VARINT_MAX_BYTES - 1) {
      if (byte > 1) return undefined;
      return byte === 1 && complement < Number.MAX_SAFE_INTEGER ? -complement - 1 : readWide(bytes, start);
    }
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return value <= Number.MAX_SAFE_INTEGER ? value : readWide(bytes, start);
    complement += (0xff - byte) * scale;
    scale *= 0x80;
  }
  return undefined;
}

function writeWide(into: Uint8Array, offset: number, value: bigint): number {
  let end = offset;
  let rest = value;
  for (; rest >= 0x80n; rest >>= 7n) into[end++] = 0x80 | Number(rest & 0x7fn);
  into[end++] = Number(rest);
  return end;
}

function readWide(bytes: Uint8Array, start: number): number | bigint {
  let value = 0n;
  for (let at = start, shift = 0n; ; at++, shift += 7n) {
    value |= BigInt(bytes[at]! & 0x7f) << shift;
    if (bytes[at]! < 0x80) return canonicalInteger(BigInt.asIntN(64, value));
  }
}
