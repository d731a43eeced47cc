/** Counts of numbers between edges, as numpy.histogram has them: each bin open on the right, the last one closed. */

/** Counts as numbers pass; nulls (NaN) count nowhere. */
export class Histogram {
  readonly #edges: Float64Array;
  /** One count for each bin. */
  readonly counts: Float64Array;
  /** Numbers below the first edge. */
  below = 0;
  /** Numbers above the last edge. */
  above = 0;

  /** Edges are ascending. */
  constructor(edges: readonly number[]) {
    this.#edges = Float64Array.from(edges);
    this.counts = new Float64Array(Math.max(0, edges.length - 1));
  }

  /** Takes the next numbers. */
  take(numbers: Float64Array, count: number): void {
    const edges = this.#edges;
    const [first, last] = [edges[0]!, edges[edges.length - 1]!];
    for (let place = 0; place < count; place++) {
      const value = numbers[place]!;
      if (value < first) this.below++;
      else if (value > last) this.above++;
      else if (!Number.isNaN(value)) this.counts[this.#binOf(value)]!++;
    }
  }

  #binOf(value: number): number {
    let [low, high] = [0, this.counts.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#edges[middle]! <= value) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
