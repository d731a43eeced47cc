/** What a bench starts it also ends, whatever happens: servers, workers and temporary folders, the last one first. */

/** What can be ended: what runs, or what lies on the disk. */
type Ending = { stop(): unknown } | { remove(): unknown };

/** Hands back what is given, started, and ends it when all ends. */
export type Keep = <Started extends Ending>(starting: Started | Promise<Started>) => Promise<Started>;

/**
 * Does the work, then ends all that it kept, also where the work, a start or another end fails. Rejects with what the
 * work did, else with what the first end did that failed.
 */
export async function endingAll<Result>(work: (keep: Keep) => Promise<Result>): Promise<Result> {
  const kept: Ending[] = [];
  let result: Result;
  try {
    result = await work(async (starting) => {
      const started = await starting;
      kept.push(started);
      return started;
    });
  } catch (thrown) {
    await failuresOfEnds(kept);
    throw thrown;
  }
  const failures = await failuresOfEnds(kept);
  if (failures.length > 0) throw failures[0];
  return result;
}

async function failuresOfEnds(kept: readonly Ending[]): Promise<readonly unknown[]> {
  const failures: unknown[] = [];
  for (const one of kept.toReversed()) {
    try {
      await ("stop" in one ? one.stop() : one.remove());
    } catch (thrown) {
      failures.push(thrown);
    }
  }
  return failures;
}
