/**
 * How many rows share a script call, found by how long the server takes: more as long as it answers quickly, half when
 * it does not. A script call is served alone, so its length is what a read waits; a large call on a quick server costs
 * less a row, and a small one on a slow server keeps reads quick. (Additive increase, multiplicative decrease: RFC 5681.)
 */

/** Rows of the first call. */
const FIRST_ROWS = 256;
/** The least rows: below it the cost of a call of its own is that of its rows. */
const LEAST_ROWS = 64;
/** Added when a full call was answered in time. */
const STEP_ROWS = 32;
/** A call with up to three others before it shall be answered within this, ms. Longer loads hardly quicker and makes reads beside it wait. */
export const DEFAULT_WRITE_TARGET_MS = 5;

/** The size for one server. */
export class CallSize {
  readonly #most: number;
  readonly #targetMs: number;
  #rows: number;
  #halvedMs = Number.NEGATIVE_INFINITY;

  /** `most` bounds the rows. */
  constructor(most: number, targetMs: number) {
    this.#most = most;
    this.#targetMs = targetMs;
    this.#rows = Math.min(most, FIRST_ROWS);
  }

  /** Rows of the next call. */
  get rows(): number {
    return this.#rows;
  }

  /** Takes in that a call of so many rows took from the one moment to the other; ms of one clock. */
  answered(rows: number, sentMs: number, answeredMs: number): void {
    if (answeredMs - sentMs <= this.#targetMs) {
      if (rows >= this.#rows) this.#rows = Math.min(this.#most, this.#rows + STEP_ROWS);
      return;
    }
    // Those that were under way together are late together: once is enough.
    if (sentMs < this.#halvedMs || rows <= LEAST_ROWS) return;
    this.#halvedMs = answeredMs;
    this.#rows = Math.max(Math.min(this.#most, LEAST_ROWS), Math.min(this.#rows, rows) >>> 1);
  }
}
