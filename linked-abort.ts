/**
 * A signal that aborts with another one that lives on, or by itself. By hand: what AbortSignal.any makes of a signal that
 * lives on is, in Node 20, never collected once it has a listener.
 */

/** A controller of its own, and the way to let the other signal go. */
export interface LinkedAbort {
  readonly controller: AbortController;
  /** Lets the other signal go; to be called when the work is over. */
  release(): void;
}

/** Links a new controller to a signal, which may be absent or aborted already: its reason is the controller's then. */
export function linkAbort(ending: AbortSignal | undefined): LinkedAbort {
  const controller = new AbortController();
  const end = () => controller.abort(ending!.reason);
  ending?.addEventListener("abort", end, { once: true });
  if (ending?.aborted) end();
  return { controller, release: () => ending?.removeEventListener("abort", end) };
}
