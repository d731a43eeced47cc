/**
 * A 32-bit hash of a text by which entities and requests are chosen: into samples, into parts of a run, into the canary's
 * share. The same text is chosen by every process and every version, so these values are kept for good.
 *
 * It is FNV-1a and then MurmurHash3's last step, since FNV's high bits, which shares are chosen by, hardly depend on the
 * last characters. What is chosen for another reason begins at another start, so that one choice does not follow another.
 */

/** FNV's offset basis, where a hash begins unless there is a reason. */
export const FNV_OFFSET = 0x811c9dc5;

const FNV_PRIME = 0x01000193;

/**
 * FNV-1a over UTF-16 code units, which for canonical keys are bytes; 32 signed bits that another text may be added to.
 * Source: http://www.isthe.com/chongo/tech/comp/fnv/
 */
export function fnv1a(start: number, text: string): number {
  let hash = start;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), FNV_PRIME);
  return hash;
}

/** Goes on to another text, so that ("ab", "c") and ("a", "bc") are two. */
export function fnv1aNext(hash: number): number {
  return Math.imul(hash, FNV_PRIME);
}

/**
 * MurmurHash3's finalizer: a whole number in [0, 2^32) whose every bit depends on all bits of the hash.
 * Source: https://github.com/aappleby/smhasher/blob/master/src/MurmurHash3.cpp (fmix32)
 */
export function fmix32(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
