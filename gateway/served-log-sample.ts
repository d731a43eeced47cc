/**
 * Which requests are kept in the served log: those whose id hashes below the share. So a request is kept with all its
 * entities or not at all, whoever asks gets the same answer for the same id, and nothing has to be drawn or remembered.
 */

import { FNV_OFFSET, fmix32, fnv1a } from "../features/text-hash.ts";

/** Compiles the choice of a share from 0 to 1. */
export function compileSample(share: number): (requestId: string) => boolean {
  if (share >= 1) return () => true;
  const below = share * 2 ** 32;
  return (requestId) => fmix32(fnv1a(FNV_OFFSET, requestId)) < below;
}
