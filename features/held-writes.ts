/**
 * Writes go to a store only while it holds the registry whose ids their rows have. A write that was under way when the
 * loss was noticed is refused too, though its rows are in the store: of a stream, so that their events stay uncommitted.
 */

import { HeadgateError } from "../errors.ts";
import type { AppliedRegistryWatch } from "./applied-registry-watch.ts";
import type { OnlineStore } from "./store/online-store.ts";

/** Throws REGISTRY_NOT_APPLIED with the problem and its next step while the watch has one. */
export function requireHeld(watch: Pick<AppliedRegistryWatch, "problem">): void {
  if (watch.problem !== undefined) throw new HeadgateError("REGISTRY_NOT_APPLIED", watch.problem);
}

/** The store's writes; each rejects with REGISTRY_NOT_APPLIED while the watch has a problem, or what the store does. */
export function whileHeld(
  store: Pick<OnlineStore, "write">,
  watch: Pick<AppliedRegistryWatch, "problem">,
): Pick<OnlineStore, "write"> {
  return Object.freeze({
    write: async (rows) => {
      requireHeld(watch);
      const outcomes = await store.write(rows);
      requireHeld(watch);
      return outcomes;
    },
  });
}
