/**
 * What a view's rows are made by, as one text: how they are encoded, and the definition with its source. Rows that were
 * made by another are out of date, however young: a load by it knows none of their files, and a nightly is behind.
 */

import type { AppliedRegistry, AppliedView } from "./applied-registry.ts";
import { fingerprintOf } from "./fingerprint.ts";
import type { Registry } from "./registry.ts";

/** The fingerprint of a view's definition and of its line in the applied registry, without what else a record keeps there. */
export function viewDefinition(registry: Registry, { schemaId, generation }: AppliedView, view: string): string {
  return fingerprintOf([{ schemaId, generation }, registry.canonical.featureView[view]]);
}

/** The same by the applied registry; undefined where that has no such view. */
export function appliedDefinition(
  registry: Registry,
  applied: AppliedRegistry | undefined,
  view: string,
): string | undefined {
  const line = applied?.views[view];
  return line && viewDefinition(registry, line, view);
}
