/**
 * A hash of entity keys: which part of a run's work a key belongs to, and whether it is in the sample. It depends on the
 * canonical key and a seed alone, so that the files' side and the store's choose the same entities, today and tomorrow.
 */

/** One more than the greatest hash. */
const HASH_LIMIT = 2 ** 32;

/**
 * A whole number in [0, 2^32): FNV-1a over the key's characters, begun at a seed, then murmur3's finalizer, since FNV's
 * high bits, which the sample is chosen by, hardly depend on the last characters. Sources:
 * http://www.isthe.com/chongo/tech/comp/fnv/, https://github.com/aappleby/smhasher/blob/master/src/MurmurHash3.cpp (fmix32).
 */
export function keyHash(key: string, seed: number): number {
  let hash = mixed(0x811c9dc5 ^ seed);
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  return mixed(hash) >>> 0;
}

/** True for the share of all hashes that a sample takes, from 0 to 1. */
export function isSampled(hash: number, share: number): boolean {
  return hash < share * HASH_LIMIT;
}

function mixed(bits: number): number {
  let hash = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
