/**
 * Which requests are kept in the served log: those whose id hashes below the share. So a request is kept with all its
 * entities or not at all, whoever asks gets the same answer for the same id, and nothing has to be drawn or remembered.
 *
 * The hash is 32-bit FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/) with MurmurHash3's last step
 * (https://github.com/aappleby/smhasher/blob/master/src/MurmurHash3.cpp, fmix32): FNV alone leaves the high bits of ids
 * that differ in their last characters alike, and the comparison is by the high bits.
 */

/** Compiles the choice of a share from 0 to 1. */
export function compileSample(share: number): (requestId: string) => boolean {
  if (share >= 1) return () => true;
  const below = share * 2 ** 32;
  return (requestId) => hashOf(requestId) < below;
}

/** Uniform in [0, 2^32). */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
