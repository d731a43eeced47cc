/**
 * Writes go to a store only while it holds the registry whose ids their rows have. A write that was under way when the
 * loss was noticed is refused too, though its rows are in the store: of a stream, so that their events stay uncommitted.
 */

import { HeadgateError } from "../errors.ts";
import type { AppliedRegistryWatch } from "./applied-registry-watch.ts";
import type { OnlineStore } from "./store/online-store.ts";

/** The store's writes; each rejects with REGISTRY_NOT_APPLIED while the watch has a problem, or what the store does. */
export function whileHeld(
  store: Pick<OnlineStore, "write">,
  watch: Pick<AppliedRegistryWatch, "problem">,
): Pick<OnlineStore, "write"> {
  const requireHeld = () => {
    if (watch.problem !== undefined) throw new HeadgateError("REGISTRY_NOT_APPLIED", watch.problem);
  };
  return Object.freeze({
    write: async (rows) => {
      requireHeld();
      const outcomes = await store.write(rows);
      requireHeld();
      return outcomes;
    },
  });
}
