/**
 * Zipf's law over any number of ranks: rank r is asked for in proportion to 1/r^s. Sums over 10⁹ ranks are taken in
 * buckets that grow with the rank, which is exact to about 10⁻⁶, and ranks are drawn without a table, by
 * rejection-inversion: W. Hörmann and G. Derflinger, "Rejection-inversion to generate variates from monotone discrete
 * distributions", ACM TOMACS 6 (1996), as in Apache Commons' RejectionInversionZipfSampler.
 */

/** So many ranks, and how unlike they are. */
export interface Zipf {
  readonly count: number;
  /** s: 0 is uniform; what people ask for is mostly 0.8 to 1.1. */
  readonly exponent: number;
}

/** Ranks that are alike enough to be taken as one: how many, and the weight 1/r^s of each. */
export interface RankBucket {
  readonly ranks: number;
  readonly weight: number;
}

/** Ranks up to this have a bucket each. */
const EXACT_RANKS = 1_000;
/** A bucket's last rank over its first. */
const BUCKET_GROWTH = 1.005;

/** All ranks in buckets; the weight of one is its ranks' mean, by the integral of 1/x^s. */
export function rankBuckets({ count, exponent }: Zipf): readonly RankBucket[] {
  const buckets: RankBucket[] = [];
  for (let from = 1; from <= count; ) {
    const to = from <= EXACT_RANKS ? from : Math.min(count, Math.floor(from * BUCKET_GROWTH));
    const ranks = to - from + 1;
    const weight = ranks === 1 ? from ** -exponent : integral(from - 0.5, to + 0.5, exponent) / ranks;
    buckets.push({ ranks, weight });
    from = to + 1;
  }
  return buckets;
}

/** Draws ranks 1 … count. */
export function zipfRanks({ count, exponent }: Zipf, random: () => number): () => number {
  const upTo = (x: number) => integral(1, x, exponent);
  const [first, last] = [upTo(1.5) - 1, upTo(count + 0.5)];
  const squeeze = 2 - inverseIntegral(upTo(2.5) - 2 ** -exponent, exponent);
  return () => {
    for (;;) {
      const drawn = last + random() * (first - last);
      const x = inverseIntegral(drawn, exponent);
      const rank = Math.min(count, Math.max(1, Math.round(x)));
      if (rank - x <= squeeze || drawn >= upTo(rank + 0.5) - rank ** -exponent) return rank;
    }
  };
}

/** The integral of 1/x^s. */
function integral(from: number, to: number, exponent: number): number {
  return exponent === 1 ? Math.log(to / from) : (to ** (1 - exponent) - from ** (1 - exponent)) / (1 - exponent);
}

/** The x up to which the integral of 1/x^s from 1 is `area`. */
function inverseIntegral(area: number, exponent: number): number {
  return exponent === 1 ? Math.exp(area) : (1 + area * (1 - exponent)) ** (1 / (1 - exponent));
}
