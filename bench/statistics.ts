/** The few statistics that a bench needs, and how they are told. A median for the figure, the extremes for how far it can be trusted. */

/** The middle and both ends of some repetitions. */
export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
  /** All of them, in the order in which they were measured. */
  readonly values: readonly number[];
}

/** Spread of at least one value; undefined when one is (a figure that this machine can't measure). */
export function spreadOf(values: readonly (number | undefined)[]): Spread | undefined {
  if (values.length === 0 || values.some((value) => value === undefined)) return undefined;
  const measured = values as readonly number[];
  const sorted = Float64Array.from(measured).sort();
  return { median: medianOf(sorted), least: sorted[0]!, most: sorted.at(-1)!, values: measured };
}

/** Of an even number the mean of the middle two, so that the lucky half of two rounds is not the figure. */
function medianOf(sorted: Float64Array): number {
  return (sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2;
}

/** The median as tables show it, "–" where it was not measured. */
export function medianText(spread: Spread | undefined, digits: number): string {
  return spread?.median.toFixed(digits) ?? "–";
}

/** The same with both ends in brackets. */
export function spreadText(spread: Spread | undefined, digits: number): string {
  if (spread === undefined) return "–";
  return `${spread.median.toFixed(digits)} (${spread.least.toFixed(digits)}–${spread.most.toFixed(digits)})`;
}

/** The value at a share of sorted values, by nearest rank: one that was really measured. */
export function percentile(sorted: Float64Array, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))]!;
}

/** Pseudo-random doubles in [0, 1) from a seed: mulberry32, the same run after run. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** 1 … count in an order made from a seed (Fisher–Yates). */
export function shuffledIds(count: number, seed: number): Uint32Array {
  const random = seededRandom(seed);
  const ids = Uint32Array.from({ length: count }, (_, i) => i + 1);
  for (let i = count - 1; i > 0; i--) {
    const other = Math.floor(random() * (i + 1));
    const id = ids[i]!;
    ids[i] = ids[other]!;
    ids[other] = id;
  }
  return ids;
}

/** Draws ids of 1 … count. */
export type DrawId = () => number;

/** Every id as likely as any other: the worst case for every cache. */
export function uniformIds(count: number, seed: number): DrawId {
  const random = seededRandom(seed);
  return () => 1 + Math.floor(random() * count);
}

/** Zipf's law with exponent 1: the id of rank r is drawn in proportion to 1/r, as popularity usually is. */
export function zipfIds(count: number, seed: number): DrawId {
  const random = seededRandom(seed);
  const byRank = shuffledIds(count, seed);
  const upTo = new Float64Array(count);
  let total = 0;
  for (let rank = 1; rank <= count; rank++) {
    total += 1 / rank;
    upTo[rank - 1] = total;
  }
  return () => {
    const drawn = random() * total;
    let low = 0;
    let high = count - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (upTo[middle]! < drawn) low = middle + 1;
      else high = middle;
    }
    return byRank[low]!;
  };
}
