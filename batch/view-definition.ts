/**
 * What a view's rows are made by, as one text: how they are encoded, and the definition with its source. Rows that were
 * made by another are out of date, however young: a load by it knows none of their files, and a nightly is behind.
 */

import type { AppliedView } from "../features/applied-registry.ts";
import { fingerprintOf } from "../features/fingerprint.ts";
import type { Registry } from "../features/registry.ts";

/** The fingerprint of a view's definition and of its line in the applied registry. */
export function viewDefinition(registry: Registry, line: AppliedView, view: string): string {
  return fingerprintOf([line, registry.canonical.featureView[view]]);
}
