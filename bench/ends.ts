/** What a bench starts it also ends, whatever happens: servers, workers and temporary folders, the last one first. */

/** What can be ended: what runs, or what lies on the disk. */
type Ending = { stop(): unknown } | { remove(): unknown };

/** Hands back what is given, started, and ends it when all ends. */
export type Keep = <Started extends Ending>(starting: Started | Promise<Started>) => Promise<Started>;

/** Does the work, then ends what it kept, also where the work or a start fails. */
export async function endingAll<Result>(work: (keep: Keep) => Promise<Result>): Promise<Result> {
  const kept: Ending[] = [];
  try {
    return await work(async (starting) => {
      const started = await starting;
      kept.push(started);
      return started;
    });
  } finally {
    for (const one of kept.reverse()) await ("stop" in one ? one.stop() : one.remove());
  }
}
