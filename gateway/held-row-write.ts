/**
 * Rows over HTTP into a store that may lose its registry while the gateway runs: none is taken and nothing is recorded
 * while it has lost it, and where rows come from is recorded anew once another registry is found, since the ids of origins
 * may be lost too.
 */

import type { AppliedRegistryWatch } from "../features/applied-registry-watch.ts";
import { requireHeld, whileHeld } from "../features/held-writes.ts";
import { createRowWrite, type RowWriteOptions, type WriteRows } from "./row-write.ts";

/** createRowWrite's, which also throws REGISTRY_NOT_APPLIED while the watch has a problem. */
export function createHeldRowWrite(
  options: RowWriteOptions,
  registryWatch: Pick<AppliedRegistryWatch, "applied" | "problem">,
): WriteRows {
  const { control } = options.store;
  const store = { control, ...whileHeld(options.store, registryWatch) };
  const create = () => createRowWrite({ ...options, store });
  let { applied } = registryWatch;
  let writeRows = create();
  return async (view, body, route) => {
    requireHeld(registryWatch);
    if (applied !== registryWatch.applied) [applied, writeRows] = [registryWatch.applied, create()];
    return writeRows(view, body, route);
  };
}
