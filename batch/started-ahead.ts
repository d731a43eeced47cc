/** Reading ahead: works begun before their results are asked for, within bounds, results in the works' order. */

/** A piece of work, not begun. */
export interface Work<Result> {
  /** What counts against the bound on what is begun: rows, say. */
  readonly weight: number;
  begin(): Promise<Result>;
}

/** Bounds on what is begun and not taken; one work is always begun. */
export interface AheadBounds {
  readonly works: number;
  readonly weight: number;
}

/**
 * The results, in order. The next works are begun before a result is handed out, so that they proceed while the
 * consumer is busy with it. A work's failure is thrown when its turn comes; what was begun behind it is not awaited.
 */
export async function* startedAhead<Result>(
  works: Iterable<Work<Result>> | AsyncIterable<Work<Result>>,
  bounds: AheadBounds,
): AsyncGenerator<Result, void, undefined> {
  const begun: { readonly weight: number; readonly result: Promise<Result> }[] = [];
  let weight = 0;
  const next = (): Promise<Result> => {
    const first = begun.shift()!;
    weight -= first.weight;
    return first.result;
  };
  for await (const work of works) {
    const result = work.begin();
    result.catch(() => {});
    begun.push({ weight: work.weight, result });
    weight += work.weight;
    while (begun.length > 1 && (begun.length > bounds.works || weight > bounds.weight)) yield await next();
  }
  while (begun.length > 0) yield await next();
}
