/**
 * The latest values of something, such as a version's scores or the times of its runs: a ring of fixed size, so that
 * what is compared is recent and memory is bounded. Recording a value is one write into an array.
 */

/** The values kept: enough that a decile holds hundreds; 80 kB. More look back longer. */
const RECENT_VALUES = 10_000;

/** A ring of values. */
export class RecentValues {
  readonly #ring: Float64Array;
  #recorded = 0;

  /** Keeps the latest `size` values. */
  constructor(size = RECENT_VALUES) {
    this.#ring = new Float64Array(size);
  }

  /** Takes a value; NaN and infinities are none. */
  record(value: number): void {
    if (Number.isFinite(value)) this.#ring[this.#recorded++ % this.#ring.length] = value;
  }

  /** The latest `count` of the values that are kept, ascending; all of them unless given. */
  sorted(count = this.#ring.length): Float64Array {
    const kept = Math.min(this.#recorded, this.#ring.length, count);
    const latest = new Float64Array(kept);
    for (let i = 0; i < kept; i++) latest[i] = this.#ring[(this.#recorded - 1 - i) % this.#ring.length]!;
    return latest.sort();
  }

  /** The value below which a share of those kept lies, by the nearest rank; undefined of none. */
  quantile(share: number): number | undefined {
    return quantile(this.sorted(), share);
  }
}

/** The same of ascending values. */
export function quantile(sorted: Float64Array, share: number): number | undefined {
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))];
}
