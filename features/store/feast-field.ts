/**
 * The names of a feature's, a row's time's and our header's fields in Feast's hash: features by four bytes of
 * MurmurHash3 over "<view>:<feature>", the rest by their views' names. Field names are held as texts of one character
 * a byte ("latin1"), as all that goes to Redis here is. Source: feast 0.67.0, infra/online_stores/helpers.py (_mmh3)
 * and redis.py.
 */

const [C1, C2] = [0xcc9e2d51, 0x1b873593];

/**
 * MurmurHash3 x86 32-bit with seed 0, unsigned.
 * Source: https://github.com/aappleby/smhasher/blob/master/src/MurmurHash3.cpp (public domain).
 */
export function murmur3(bytes: Uint8Array): number {
  const blocksEnd = bytes.length & ~3;
  let hash = 0;
  for (let i = 0; i < blocksEnd; i += 4) {
    hash ^= scrambled(bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24));
    hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0;
  }
  let tail = 0;
  for (let i = bytes.length - 1; i >= blocksEnd; i--) tail = (tail << 8) | bytes[i]!;
  if (blocksEnd < bytes.length) hash ^= scrambled(tail);
  hash ^= bytes.length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function scrambled(block: number): number {
  const mixed = Math.imul(block, C1);
  return Math.imul((mixed << 15) | (mixed >>> 17), C2);
}

/** The field of a feature's value: four bytes, little-endian. */
export function featureField(view: string, feature: string): string {
  const hash = murmur3(Buffer.from(`${view}:${feature}`));
  return String.fromCharCode(hash & 0xff, (hash >>> 8) & 0xff, (hash >>> 16) & 0xff, hash >>> 24);
}

/** The field of the row's event timestamp, which Feast writes too. */
export function timestampField(view: string): string {
  return `_ts:${view}`;
}

/** The field of what Headgate says of the row (feast-row.ts). Feast passes it over. */
export function headerField(view: string): string {
  return `_hg:${view}`;
}
