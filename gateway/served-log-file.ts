/** A file of the served log on its way to the store, which may be away for a moment. */

import { setTimeout as pause } from "node:timers/promises";
import { HeadgateError } from "../errors.ts";
import type { ObjectStore } from "../object-store.ts";

/** Tries of one file before its rows are dropped. S3 has tries of its own within each. */
const PUT_TRIES = 3;
/** The wait after the first failed try, ms; it doubles. */
const BACKOFF_MS = 1_000;

/** Puts a file whole. Throws what the last try threw; what is refused for good is not tried again, nor after the signal. */
export async function putFile(
  objects: Pick<ObjectStore, "put">,
  path: string,
  bytes: Uint8Array,
  signal: AbortSignal,
  backoffMs = BACKOFF_MS,
): Promise<void> {
  for (let tried = 1; ; tried++) {
    try {
      await objects.put(path, bytes);
      return;
    } catch (cause) {
      const isFinal = cause instanceof HeadgateError && !cause.retriable;
      if (tried === PUT_TRIES || isFinal || signal.aborted) throw cause;
      await pause(backoffMs * 2 ** (tried - 1), undefined, { signal });
    }
  }
}
