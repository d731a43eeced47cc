/** What a bench starts it also ends, whatever happens: servers, workers and temporary folders, the last one first. */

/** What can be ended: what runs, or what lies on the disk. */
type Ending = { stop(): unknown } | { remove(): unknown };

/** Hands back what is given, started, and ends it when all ends. */
export type Keep = <Started extends Ending>(starting: Started | Promise<Started>) => Promise<Started>;

/** The ends of the works under way, the last one begun last. */
const underWay = new Set<() => Promise<readonly unknown[]>>();

/**
 * Does the work, then ends all that it kept, also where the work, a start or another end fails. Rejects with what the
 * work did, else with what the first end did that failed.
 */
export async function endingAll<Result>(work: (keep: Keep) => Promise<Result>): Promise<Result> {
  const kept: Promise<Ending>[] = [];
  let isOver = false;
  let ending: Promise<readonly unknown[]> = Promise.resolve([]);
  // A signal and the work may both end it: whoever comes second waits for the first, and ends what came since.
  const end = () => {
    isOver = true;
    ending = ending.then(() => failuresOfEnds(kept));
    return ending;
  };
  underWay.add(end);
  try {
    const result = await work(async (starting) => {
      const started = Promise.resolve(starting);
      kept.push(started);
      const one = await started;
      if (!isOver) return one;
      // A signal was first, and the work did not know.
      await end();
      throw new Error("The bench is interrupted.");
    });
    const [failure] = await end();
    if (failure !== undefined) throw failure;
    return result;
  } catch (thrown) {
    await end();
    throw thrown;
  } finally {
    underWay.delete(end);
  }
}

/**
 * Ends what the works under way have kept, as a signal asks for, also of a work that begins meanwhile; what is starting,
 * or ending, is waited for. Never rejects.
 */
export async function endUnderWay(): Promise<void> {
  for (let end = lastOf(underWay); end !== undefined; end = lastOf(underWay)) {
    await end();
    underWay.delete(end);
  }
}

const lastOf = <One>(all: ReadonlySet<One>) => [...all].at(-1);

async function failuresOfEnds(kept: Promise<Ending>[]): Promise<readonly unknown[]> {
  const failures: unknown[] = [];
  for (let starting = kept.pop(); starting !== undefined; starting = kept.pop()) {
    // What did not start is the work's failure.
    const one = await starting.catch(() => undefined);
    if (one === undefined) continue;
    try {
      await ("stop" in one ? one.stop() : one.remove());
    } catch (thrown) {
      failures.push(thrown);
    }
  }
  return failures;
}
