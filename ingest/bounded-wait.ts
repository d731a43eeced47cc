/** Waiting that ends: by time or by a signal, whatever becomes of what is waited for. */

import { setTimeout as pause } from "node:timers/promises";

/** Waits this long, or until the signal aborts. */
export async function pauseUnlessAborted(waitMs: number, signal: AbortSignal): Promise<void> {
  await pause(waitMs, undefined, { signal }).catch(() => {});
}

/** Waits for something, but not longer than until the signal aborts. The listener goes: a signal lives for long. */
export async function unlessAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  let stopWaiting: () => void = () => {};
  const aborted = new Promise<void>((resolve) => {
    stopWaiting = resolve;
  });
  signal.addEventListener("abort", stopWaiting, { once: true });
  if (signal.aborted) stopWaiting();
  await Promise.race([work, aborted]).finally(() => signal.removeEventListener("abort", stopWaiting));
}

/** What comes of something within this time; undefined when it fails or is late. */
export async function within<T>(work: Promise<T>, timeoutMs: number): Promise<T | undefined> {
  const timer = new AbortController();
  const result = await Promise.race([work.catch(() => undefined), pauseUnlessAborted(timeoutMs, timer.signal)]);
  timer.abort();
  return result as T | undefined;
}
