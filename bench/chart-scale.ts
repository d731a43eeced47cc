/** Scales: where a value stands on an axis, and which round numbers the axis is marked with. */

/** An axis. */
export interface Scale {
  /** Marks from the least to the most, each a round number. */
  readonly ticks: readonly number[];
  /** 0 at the first tick, 1 at the last; beyond for what is outside. */
  place(value: number): number;
}

/** From 0 to a round number at or above the greatest value, in 4 to 8 steps. */
export function linearScale(values: readonly number[]): Scale {
  const most = Math.max(...finite(values), 0) || 1;
  const power = 10 ** Math.floor(Math.log10(most / 4));
  const step = [1, 2, 5, 10].map((digit) => digit * power).find((candidate) => most / candidate <= 8)!;
  const steps = Math.ceil(most / step - 1e-9);
  const ticks = Array.from({ length: steps + 1 }, (_, i) => Number((i * step).toPrecision(12)));
  return Object.freeze({ ticks, place: (value: number) => value / ticks.at(-1)! });
}

/** From the mark at or below the least value to the one at or above the greatest; marks are 1, 2 and 5 of each ten. */
export function logarithmicScale(values: readonly number[]): Scale {
  const known = finite(values).filter((value) => value > 0);
  const [least, most] = known.length === 0 ? [1, 10] : [Math.min(...known), Math.max(...known)];
  const marks: number[] = [];
  // One more at each end: a logarithm is rounded.
  for (let exponent = Math.floor(Math.log10(least)) - 1; exponent <= Math.ceil(Math.log10(most)) + 1; exponent++) {
    marks.push(...[1, 2, 5].map((digit) => Number((digit * 10 ** exponent).toPrecision(3))));
  }
  const from = marks.findLastIndex((mark) => mark <= least);
  const to = Math.max(
    from + 1,
    marks.findIndex((mark) => mark >= most),
  );
  const ticks = marks.slice(from, to + 1);
  const span = Math.log(ticks.at(-1)! / ticks[0]!);
  return Object.freeze({ ticks, place: (value: number) => Math.log(value / ticks[0]!) / span });
}

const finite = (values: readonly number[]) => values.filter(Number.isFinite);
