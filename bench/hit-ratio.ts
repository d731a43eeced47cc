/**
 * How many reads an LRU answers when entities are asked for by Zipf's law: what the sizing in docs/operating.md rests
 * on. Two ways that must agree: Che's approximation, which takes milliseconds at any size, and the LRU that the gateway
 * uses, fed with draws, where so many entities fit here.
 */

import { LRUCache } from "lru-cache";
import { atMost, type BenchResult, countText, textTable } from "./result.ts";
import { seededRandom } from "./statistics.ts";
import { rankBuckets, type Zipf, zipfRanks } from "./zipf.ts";

/** How to run the bench. */
export interface HitRatioOptions {
  /** Takes a line for people. */
  readonly tell: (line: string) => void;
}

const EXPONENTS = [0.8, 1, 1.1];
const COUNTS = [1e6, 1e7, 1e8, 1e9];
/** Kept entities as a share of all. */
const KEPT_SHARES = [0.001, 0.01, 0.1];
/** Simulated up to so many entities: the LRU of a tenth of them takes 20 MB. */
const SIMULATED_COUNT_MAX = 1e6;
/** Draws that are counted; twice the cache, and at least as many, go before. */
const SIMULATED_DRAWS = 2_000_000;

/**
 * The share of reads that an LRU of `kept` entities answers, by Che's approximation: an entity is in the cache when it
 * was asked for within the last T reads, and T is such that `kept` of them are. H. Che, Y. Tung, Z. Wang, "Hierarchical
 * Web Caching Systems: Modeling, Design and Experimental Results", IEEE JSAC 20 (2002).
 */
export function cheHitRatio(zipf: Zipf, kept: number): number {
  if (kept >= zipf.count) return 1;
  if (kept <= 0) return 0;
  const buckets = rankBuckets(zipf);
  const total = buckets.reduce((sum, { ranks, weight }) => sum + ranks * weight, 0);
  const presentAfter = (reads: number) =>
    buckets.reduce((sum, { ranks, weight }) => sum - ranks * Math.expm1((-weight / total) * reads), 0);
  // T lies between `kept`, when every read was of another entity, and where the rarest are in. It is found by halving.
  let [low, high] = [kept, kept];
  while (presentAfter(high) < kept) high *= 2;
  for (let step = 0; step < 60; step++) {
    const middle = (low + high) / 2;
    if (presentAfter(middle) < kept) low = middle;
    else high = middle;
  }
  return buckets.reduce(
    (sum, { ranks, weight }) => sum - ((ranks * weight) / total) * Math.expm1((-weight / total) * high),
    0,
  );
}

/** The same by feeding an LRU with `draws` drawn reads, after a warm-up that fills it. */
export function simulatedHitRatio(zipf: Zipf, kept: number, draws: number, seed: number): number {
  const draw = zipfRanks(zipf, seededRandom(seed));
  const cache = new LRUCache<number, true>({ max: kept });
  let hits = 0;
  const read = () => {
    const rank = draw();
    if (cache.get(rank) === undefined) cache.set(rank, true);
    else hits++;
  };
  // Draws until it is full, and then as many again.
  let warmUp = 0;
  for (; cache.size < kept && warmUp < 50 * draws; warmUp++) read();
  for (let i = 0; i < Math.max(warmUp, draws / 2); i++) read();
  hits = 0;
  for (let i = 0; i < draws; i++) read();
  return hits / draws;
}

/** Runs both ways over the sizes that the docs quote. */
export function benchHitRatio({ tell }: HitRatioOptions): BenchResult {
  const cases = COUNTS.flatMap((count) =>
    KEPT_SHARES.flatMap((share) =>
      EXPONENTS.map((exponent) => {
        const kept = Math.round(share * count);
        const isSimulated = count <= SIMULATED_COUNT_MAX;
        const simulated = isSimulated ? simulatedHitRatio({ count, exponent }, kept, SIMULATED_DRAWS, 1) : undefined;
        return { count, kept, exponent, che: cheHitRatio({ count, exponent }, kept), simulated };
      }),
    ),
  );
  const percent = (ratio: number) => (100 * ratio).toFixed(1);
  const rows = COUNTS.flatMap((count) =>
    KEPT_SHARES.map((share) => [
      `${countText(count)} entities, ${100 * share} % kept`,
      ...cases
        .filter((one) => one.count === count && one.kept === Math.round(share * count))
        .map(({ che, simulated }) => percent(che) + (simulated === undefined ? "" : ` (${percent(simulated)})`)),
    ]),
  );
  const heading = ["hits in %, Che (simulated)", ...EXPONENTS.map((exponent) => `s = ${exponent}`)];
  tell(`\n${textTable(heading, rows)}\n`);
  const gaps = cases.flatMap(({ che, simulated }) => (simulated === undefined ? [] : [Math.abs(che - simulated)]));
  return {
    figures: { draws: SIMULATED_DRAWS, cases },
    bars: [atMost("Che's approximation and the LRU differ by, the most of all cases", Math.max(...gaps), "", 0.01)],
  };
}
