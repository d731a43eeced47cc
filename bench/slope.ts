/**
 * Whether a figure rises with time: a straight line through its samples by least squares, and how far the slope may be
 * off, since a line through noise rises or falls by chance. Samples close to one another are alike, which a bound that
 * takes them as independent would hide; so they are averaged over spans first.
 */

/** A value at a time. */
export interface Sample {
  /** Minutes. */
  readonly at: number;
  readonly value: number;
}

/** A slope, per minute. */
export interface Slope {
  readonly slope: number;
  /** The ends of its 95 % confidence interval. */
  readonly least: number;
  readonly most: number;
}

/** The mean of the samples of each span, by time. */
export function spanMeans(samples: readonly Sample[], spanMinutes: number): readonly Sample[] {
  const spans = new Map<number, Sample[]>();
  for (const sample of samples) {
    const span = Math.floor(sample.at / spanMinutes);
    spans.set(span, [...(spans.get(span) ?? []), sample]);
  }
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  return [...spans.values()]
    .map((span) => ({ at: mean(span.map(({ at }) => at)), value: mean(span.map(({ value }) => value)) }))
    .sort((one, other) => one.at - other.at);
}

/** The slope of at least three samples that are not all of one time; undefined of fewer. */
export function slopeOf(samples: readonly Sample[]): Slope | undefined {
  const count = samples.length;
  if (count < 3) return undefined;
  const meanAt = samples.reduce((sum, { at }) => sum + at, 0) / count;
  const meanValue = samples.reduce((sum, { value }) => sum + value, 0) / count;
  let [spread, together] = [0, 0];
  for (const { at, value } of samples) {
    spread += (at - meanAt) ** 2;
    together += (at - meanAt) * (value - meanValue);
  }
  const slope = together / spread;
  let squares = 0;
  for (const { at, value } of samples) squares += (value - meanValue - slope * (at - meanAt)) ** 2;
  const off = studentQuantile(count - 2) * Math.sqrt(squares / (count - 2) / spread);
  return { slope, least: slope - off, most: slope + off };
}

/**
 * The 97.5 % quantile of Student's t by its expansion in 1/degrees (Abramowitz and Stegun 26.7.5); right to 0.1 % from
 * 5 degrees of freedom on.
 */
function studentQuantile(degrees: number): number {
  const z = 1.959964;
  const g1 = (z ** 3 + z) / 4;
  const g2 = (5 * z ** 5 + 16 * z ** 3 + 3 * z) / 96;
  const g3 = (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / 384;
  return z + g1 / degrees + g2 / degrees ** 2 + g3 / degrees ** 3;
}
