/**
 * Handing a batch on until it has been taken: a rejection is no end, since the offset is not committed before and the
 * store may be back in a moment.
 */

import { channel } from "node:diagnostics_channel";
import { pauseUnlessAborted } from "./bounded-wait.ts";
import type { StreamBatch } from "./stream-record.ts";

/** The first back-off, ms. */
const BACKOFF_MS = 100;
/** The longest back-off, ms: how long at most a partition stands still after the store is back. */
const BACKOFF_MAX_MS = 5_000;

/** A batch that was not taken and will be handed on again. */
export interface BatchRefusal {
  readonly batch: StreamBatch;
  readonly error: unknown;
  readonly backoffMs: number;
}

/** Published with a BatchRefusal. */
const batchRefused = channel("headgate:stream-batch-refused");

/**
 * Hands a batch on, again and again with a doubling back-off, until it is taken. False when it was not and the signal
 * has aborted or `mayRetry` says no.
 */
export async function deliver(
  batch: StreamBatch,
  onBatch: (batch: StreamBatch, signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
  mayRetry: () => boolean,
): Promise<boolean> {
  for (let backoffMs = BACKOFF_MS; ; backoffMs = Math.min(2 * backoffMs, BACKOFF_MAX_MS)) {
    try {
      await onBatch(batch, signal);
      return true;
    } catch (error) {
      if (signal.aborted || !mayRetry()) return false;
      if (batchRefused.hasSubscribers) batchRefused.publish({ batch, error, backoffMs } satisfies BatchRefusal);
    }
    await pauseUnlessAborted(backoffMs, signal);
    if (signal.aborted || !mayRetry()) return false;
  }
}
