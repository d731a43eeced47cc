/**
 * How a row lies in LMDB. Key: `<field>/<entity key>` as UTF-8, so that a field's rows are one range in the order of
 * their keys (an entity key is percent-encoded and a view's name is a word: neither holds a "/" or a NUL). Value:
 * 6 bytes of expiry, epoch ms big-endian, all ones for never; then the row.
 */

import type { RowWrite } from "./online-store.ts";

/** Where the row begins in a value. */
export const EXPIRY_BYTES = 6;
const NEVER = 2 ** 48 - 1;

/** lmdb-js' key encoding for texts as their UTF-8; twice as quick as its own, which takes any type. */
export const TEXT_KEYS = {
  writeKey: (key: string, into: Buffer, offset: number): number => offset + into.write(key, offset, "utf8"),
  readKey: (from: Buffer, start: number, end: number): string => from.toString("utf8", start, end),
};
/** Every key lies between these: lmdb-js' own bounds are not texts. */
export const FIRST_KEY = "\u0001";
/** The upper of the two bounds. */
export const LAST_KEY = "\u{10ffff}";

/** The key of a row. */
export function lmdbKey(field: string, entityKey: string): string {
  return `${field}/${entityKey}`;
}

/** The keys of a field's rows, those after the entity key `cursor` where it is given; `end` is exclusive. */
export function fieldRange(field: string, cursor: string | undefined): { start: string; end: string } {
  // NUL makes it the next key after the cursor's; "0" is the character after "/".
  return { start: cursor === undefined ? lmdbKey(field, "") : `${lmdbKey(field, cursor)}\0`, end: `${field}0` };
}

/** Writes a row's value at the front of `into`, which must hold EXPIRY_BYTES more than the row; returns that part. */
export function writeLmdbValue(into: Buffer, { bytes, expireAtMs }: RowWrite): Buffer {
  into.writeUIntBE(expireAtMs < NEVER ? Math.max(0, Math.ceil(expireAtMs)) : NEVER, 0, EXPIRY_BYTES);
  into.set(bytes, EXPIRY_BYTES);
  return into.subarray(0, EXPIRY_BYTES + bytes.length);
}

/** True when a value's expiry has passed. */
export function isDue(value: Buffer, nowMs: number): boolean {
  const expireAtMs = value.readUIntBE(0, EXPIRY_BYTES);
  return expireAtMs !== NEVER && expireAtMs < nowMs;
}

/** The order to write keys in: sorted, which LMDB does twice as quickly; equal keys as they came. */
export function writeSequence(keys: readonly string[]): Uint32Array {
  const sequence = Uint32Array.from(keys.keys());
  if (keys.every((key, i) => i === 0 || keys[i - 1]! <= key)) return sequence;
  return sequence.sort((a, b) => (keys[a]! < keys[b]! ? -1 : keys[a]! > keys[b]! ? 1 : a - b));
}
