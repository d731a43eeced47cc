/**
 * How two samples of a model's scores differ: the population stability index and the two-sample Kolmogorov–Smirnov test,
 * and histograms to look at beside them.
 */

/** How two samples of scores differ. */
export interface ScoreDrift {
  /** Population stability index: under 0.1 alike, over 0.25 different, by custom. */
  readonly psi: number;
  /** The greatest distance between the two distribution functions, 0 to 1. */
  readonly ksStatistic: number;
  /** The chance of such a distance between samples of one distribution. */
  readonly ksPValue: number;
}

/** Compares two ascending samples; undefined when either is empty. */
export function scoreDrift(expected: Float64Array, actual: Float64Array): ScoreDrift | undefined {
  if (expected.length === 0 || actual.length === 0) return undefined;
  const ksStatistic = ksDistance(expected, actual);
  return Object.freeze({
    psi: stabilityIndex(expected, actual),
    ksStatistic,
    ksPValue: ksPValue(ksStatistic, expected.length, actual.length),
  });
}

/** Values per bin between ascending edges; values beyond the ends go into the outer bins. */
export function histogramOf(sorted: Float64Array, edges: readonly number[]): readonly number[] {
  const bins = edges.length - 1;
  const width = (edges[bins]! - edges[0]!) / bins || 1;
  const counts = new Array<number>(bins).fill(0);
  for (const value of sorted) {
    counts[Math.min(bins - 1, Math.max(0, Math.floor((value - edges[0]!) / width)))]!++;
  }
  return counts;
}

/** Edges of `bins` equal bins over all of some ascending samples, so that their histograms can be laid side by side. */
export function sharedEdges(samples: readonly Float64Array[], bins: number): readonly number[] {
  const filled = samples.filter((sample) => sample.length > 0);
  const least = Math.min(...filled.map((sample) => sample[0]!));
  const greatest = Math.max(...filled.map((sample) => sample.at(-1)!));
  if (filled.length === 0) return [0, 1];
  return Array.from({ length: bins + 1 }, (_, i) => (i === bins ? greatest : least + (i * (greatest - least)) / bins));
}

const PSI_BINS = 10;
/** Stands for the share of an empty bin, whose logarithm there is none of. */
const PSI_FLOOR = 1e-4;

/** Σ (a − e) · ln(a / e) over the deciles of the expected sample; equal deciles (a score that many have) are one bin. */
function stabilityIndex(expected: Float64Array, actual: Float64Array): number {
  const edges = new Set<number>();
  for (let i = 1; i < PSI_BINS; i++) edges.add(expected[Math.floor((i * expected.length) / PSI_BINS)]!);
  let index = 0;
  let [below, belowActual] = [0, 0];
  for (const edge of [...edges, Number.POSITIVE_INFINITY]) {
    const [upTo, upToActual] = [countUpTo(expected, edge), countUpTo(actual, edge)];
    const e = Math.max((upTo - below) / expected.length, PSI_FLOOR);
    const a = Math.max((upToActual - belowActual) / actual.length, PSI_FLOOR);
    index += (a - e) * Math.log(a / e);
    [below, belowActual] = [upTo, upToActual];
  }
  return index;
}

/** How many of an ascending sample are at most `limit`. */
function countUpTo(sorted: Float64Array, limit: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

function ksDistance(a: Float64Array, b: Float64Array): number {
  let [i, j, distance] = [0, 0, 0];
  while (i < a.length && j < b.length) {
    const score = Math.min(a[i]!, b[j]!);
    // Equal scores are passed in both before the distance is looked at.
    while (i < a.length && a[i]! === score) i++;
    while (j < b.length && b[j]! === score) j++;
    distance = Math.max(distance, Math.abs(i / a.length - j / b.length));
  }
  return distance;
}

/** Kolmogorov's asymptotic series with Stephens' correction. Press et al., Numerical Recipes, 3rd ed., 14.3.3. */
function ksPValue(distance: number, n: number, m: number): number {
  const root = Math.sqrt((n * m) / (n + m));
  const lambda = (root + 0.12 + 0.11 / root) * distance;
  // Below this the series does not converge, and the value is 1 to more digits than anyone reads.
  if (lambda < 0.2) return 1;
  let sum = 0;
  for (let k = 1; k <= 100; k++) {
    const term = Math.exp(-2 * k * k * lambda * lambda);
    sum += k % 2 === 1 ? term : -term;
    if (term < 1e-12) break;
  }
  return Math.min(1, Math.max(0, 2 * sum));
}
