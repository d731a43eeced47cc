/**
 * A hash of entity keys: which part of a run's work a key belongs to, and whether it is in the sample. It depends on the
 * canonical key and a seed alone, so that the files' side and the store's choose the same entities, today and tomorrow.
 */

import { FNV_OFFSET, fmix32, fnv1a } from "../../features/text-hash.ts";

/** One more than the greatest hash. */
const HASH_LIMIT = 2 ** 32;

/** A whole number in [0, 2^32). Seeds are mixed, so that near ones choose others. */
export function keyHash(key: string, seed: number): number {
  return fmix32(fnv1a(fmix32(FNV_OFFSET ^ seed), key));
}

/** True for the share of all hashes that a sample takes, from 0 to 1. */
export function isSampled(hash: number, share: number): boolean {
  return hash < share * HASH_LIMIT;
}
