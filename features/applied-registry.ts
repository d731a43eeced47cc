/**
 * The registry as it was last applied, recorded in the online store: what writers and readers agree on.
 *
 * Git is the source of truth; the record says which state of it the stored rows follow. Each view carries the id of
 * its stored schema and a generation that rises with every change of the view, so that rows written after a change win
 * over rows of equal time written before it.
 */

import { HeadgateError } from "../errors.ts";
import type { FeatureView } from "./feature-view.ts";
import type { CanonicalDefinitions, Registry } from "./registry.ts";
import { diffRegistry, type RegistryChange } from "./registry-diff.ts";
import type { ControlStore } from "./store/online-store.ts";
import { recordSchema } from "./stored-schema.ts";

const RECORD = "registry";

/** The record. */
export interface AppliedRegistry {
  readonly fingerprint: string;
  /** The commit of the feature repository, with "+" when it had uncommitted changes; undefined outside of git. */
  readonly gitCommit: string | undefined;
  readonly appliedAtMs: number;
  readonly definitions: CanonicalDefinitions;
  readonly views: Readonly<Record<string, AppliedView>>;
}

/** What a writer needs of a view. */
export interface AppliedView {
  readonly schemaId: number;
  readonly generation: number;
}

/** The record, or undefined before the first apply. */
export async function readAppliedRegistry(control: ControlStore): Promise<AppliedRegistry | undefined> {
  return parse(await control.get(RECORD));
}

/** What apply would change. */
export async function planRegistry(control: ControlStore, registry: Registry): Promise<readonly RegistryChange[]> {
  return diffRegistry((await readAppliedRegistry(control))?.definitions, registry.canonical);
}

/**
 * Records the registry and returns the changes made. Throws REGISTRY_CHANGE_REFUSED, with every refusal, before
 * anything is written, and CONTROL_CONFLICT when another apply was first.
 */
export async function applyRegistry(
  control: ControlStore,
  registry: Registry,
  provenance: { readonly gitCommit: string | undefined; readonly nowMs: number },
): Promise<readonly RegistryChange[]> {
  const before = await control.get(RECORD);
  const applied = parse(before);
  const changes = diffRegistry(applied?.definitions, registry.canonical);
  const refused = changes.filter((change) => change.refused !== undefined);
  if (refused.length > 0) {
    const sentences = refused.map((change) => `${change.kind} "${change.name}": ${change.refused}`);
    throw new HeadgateError("REGISTRY_CHANGE_REFUSED", sentences.join("\n"));
  }
  if (changes.length === 0 && applied !== undefined) return changes;
  const changed = new Set(changes.filter((change) => change.kind === "featureView").map((change) => change.name));
  const views: Record<string, AppliedView> = {};
  for (const view of registry.views.values()) {
    const generation = applied?.views[view.name]?.generation ?? 0;
    const schemaId = await recordSchema(control, view.name, view.schema);
    views[view.name] = { schemaId, generation: changed.has(view.name) ? generation + 1 : generation };
  }
  const { gitCommit, nowMs: appliedAtMs } = provenance;
  const next: AppliedRegistry = {
    fingerprint: registry.fingerprint,
    gitCommit,
    appliedAtMs,
    definitions: registry.canonical,
    // A removed view keeps its line, so that its generation goes on where it was if it comes back.
    views: { ...applied?.views, ...views },
  };
  if (await control.compareAndSet(RECORD, before, Buffer.from(JSON.stringify(next)))) return changes;
  throw new HeadgateError("CONTROL_CONFLICT", "Another apply was recorded in the meantime. Run headgate plan again.");
}

/**
 * The applied line of each view, for work that writes or serves them. Throws REGISTRY_NOT_APPLIED when a view is new
 * or differs from its record in what rows depend on.
 */
export function requireApplied(
  applied: AppliedRegistry | undefined,
  registry: Registry,
  views: Iterable<FeatureView>,
): ReadonlyMap<string, AppliedView> {
  const lines = new Map<string, AppliedView>();
  for (const { name } of views) {
    const line = applied?.views[name];
    const recorded = applied?.definitions.featureView[name];
    if (line === undefined || rowShape(recorded) !== rowShape(registry.canonical.featureView[name])) {
      const what =
        recorded === undefined ? "is not recorded in the online store" : "differs from what is recorded there";
      throw new HeadgateError(
        "REGISTRY_NOT_APPLIED",
        `Feature view "${name}" ${what}. Look with "headgate plan", then run "headgate apply".`,
      );
    }
    lines.set(name, line);
  }
  return lines;
}

/** What stored rows depend on; a changed ttl or source does not stop a reader or a writer. */
function rowShape(view: unknown): string {
  const { join_keys, schema } = (view ?? {}) as Record<string, unknown>;
  return JSON.stringify([join_keys, schema]);
}

function parse(record: Uint8Array | undefined): AppliedRegistry | undefined {
  return record === undefined ? undefined : (JSON.parse(Buffer.from(record).toString("utf8")) as AppliedRegistry);
}
