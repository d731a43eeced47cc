/**
 * How long a run over so many rows will take, judged by those that were: a straight line through the latest runs, which
 * is what models cost (something for the run, something for each row). The slope that the warm-up showed holds as long
 * as all runs are alike, since a line through one point has none.
 */

/** What each run leaves of the weight of those before it: the last fifty or so decide. */
const KEPT = 0.98;

/** How strongly the slope of the warm-up is held: as if by runs a row or so apart. */
const PRIOR = 1;

/** A run that was timed. */
export interface TimedRun {
  readonly rows: number;
  readonly ms: number;
}

/** Judges the run time of one model. */
export class RunTime {
  readonly #slope: number;
  #weight = 0;
  #rows = 0;
  #ms = 0;
  #rowsSquared = 0;
  #rowsByMs = 0;

  /** Begins with what the warm-up took for one row and for many. */
  constructor(one: TimedRun, many: TimedRun) {
    this.#slope = Math.max(0, (many.ms - one.ms) / Math.max(1, many.rows - one.rows));
    this.took(one.rows, one.ms);
  }

  /** Takes a run that ended. */
  took(rows: number, ms: number): void {
    this.#weight = KEPT * this.#weight + 1;
    this.#rows = KEPT * this.#rows + rows;
    this.#ms = KEPT * this.#ms + ms;
    this.#rowsSquared = KEPT * this.#rowsSquared + rows * rows;
    this.#rowsByMs = KEPT * this.#rowsByMs + rows * ms;
  }

  /** What a run over so many rows is expected to take, ms. */
  expectedMs(rows: number): number {
    const [meanRows, meanMs] = [this.#rows / this.#weight, this.#ms / this.#weight];
    const spread = this.#rowsSquared / this.#weight - meanRows * meanRows;
    const together = this.#rowsByMs / this.#weight - meanRows * meanMs;
    const slope = Math.max(0, (together + PRIOR * this.#slope) / (spread + PRIOR));
    return Math.max(0, meanMs + slope * (rows - meanRows));
  }
}
