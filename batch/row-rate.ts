/**
 * A bound on rows a second, so that a load leaves a store that serves at the same time room for its reads. Rows are
 * written in a tenth of a second's worth at a time: a rate that is kept only on average would stop the reads in bursts.
 */

/** Pieces into which a second's rows are cut. */
const PIECES_PER_SECOND = 10;

/** Paces writes. */
export interface RowRate {
  /** The most rows to write at once. */
  readonly pieceRows: number;
  /** Resolves when so many rows may be written; rejects with the signal's reason. */
  take(rows: number, signal: AbortSignal | undefined): Promise<void>;
}

/** Waits, ms; rejects with the signal's reason when it is aborted. */
export type Wait = (waitMs: number, signal: AbortSignal | undefined) => Promise<void>;

/**
 * A rate of `rowsPerSecond`; 0 is none. Time that goes by unused, as while a file is opened, is not made up for by more
 * than one piece.
 */
export function createRowRate(rowsPerSecond: number, now: () => number, wait: Wait): RowRate {
  if (rowsPerSecond === 0) return { pieceRows: Number.POSITIVE_INFINITY, take: async () => {} };
  const pieceMs = 1_000 / PIECES_PER_SECOND;
  let freeAtMs = now();
  return Object.freeze({
    pieceRows: Math.max(1, Math.floor(rowsPerSecond / PIECES_PER_SECOND)),
    take: async (rows: number, signal: AbortSignal | undefined) => {
      const nowMs = now();
      const startMs = Math.max(freeAtMs, nowMs - pieceMs);
      freeAtMs = startMs + (rows * 1_000) / rowsPerSecond;
      if (startMs > nowMs) await wait(startMs - nowMs, signal);
    },
  });
}
