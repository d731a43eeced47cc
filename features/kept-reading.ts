/**
 * Records of the online store for those who ask again and again, as every scrape of metrics does: some seconds old is
 * good enough, and a store that is away must hold up neither a scrape nor a list.
 */

/** How a reading is kept. */
export interface KeptReadingOptions {
  /** Epoch ms. */
  readonly now: () => number;
  /** How long an answer is good, ms; KEEP_MS unless given. Longer spares the store, and shows a change later. */
  readonly keepMs?: number;
  /** How long the store may take, ms; WAIT_MS unless given. Past it what was last known is the answer. */
  readonly waitMs?: number;
}

const KEEP_MS = 5_000;
/** Well below the time-out of a scrape, which is 10 s by default. */
const WAIT_MS = 500;

/**
 * Keeps what `read` gives: at most one reading at a time and one in keepMs, whatever the store does. The answer never
 * throws; before a first reading it is `unread`.
 */
export function keptReading<T>(
  read: () => Promise<T>,
  unread: T,
  { now, keepMs = KEEP_MS, waitMs = WAIT_MS }: KeptReadingOptions,
): () => Promise<T> {
  let known = unread;
  let askedMs = Number.NEGATIVE_INFINITY;
  let asking: Promise<void> | undefined;
  const ask = async (): Promise<void> => {
    try {
      known = await read();
    } catch {
      // What was last known stays the answer, and its age tells.
    } finally {
      asking = undefined;
    }
  };
  return async () => {
    if (asking === undefined && now() - askedMs >= keepMs) {
      askedMs = now();
      asking = ask();
    }
    if (asking !== undefined) await within(asking, waitMs);
    return known;
  };
}

function within(work: Promise<void>, waitMs: number): Promise<void> {
  return new Promise((done) => {
    const timer = setTimeout(done, waitMs);
    void work.then(() => {
      clearTimeout(timer);
      done();
    });
  });
}
