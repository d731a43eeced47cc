/**
 * The registry as it was last applied, recorded in the online store: what writers and readers agree on.
 *
 * Git is the source of truth; the record says which state of it the stored rows follow. Each view carries the id of
 * its stored schema; a generation that rises with every change of the view, so that rows written after a change win
 * over rows of equal time written before it; and the shape its stored rows have, by which a change is refused. The
 * shape only ever grows: taking a field or a view out of the definitions takes no row out of the store.
 */

import { HeadgateError } from "../errors.ts";
import type { FeatureView } from "./feature-view.ts";
import type { CanonicalDefinitions, Registry } from "./registry.ts";
import { diffRegistry, type RegistryChange, rowShapeOf, type StoredRowShape } from "./registry-diff.ts";
import type { ControlStore } from "./store/online-store.ts";
import { recordSchema } from "./stored-schema.ts";

const RECORD = "registry";

/** The record. */
export interface AppliedRegistry {
  /** The project that applied; undefined when it did not say. */
  readonly project?: string | undefined;
  readonly fingerprint: string;
  /** The commit of the feature repository, with "+" when it had uncommitted changes; undefined outside of git. */
  readonly gitCommit: string | undefined;
  readonly appliedAtMs: number;
  readonly definitions: CanonicalDefinitions;
  readonly views: Readonly<Record<string, RecordedView>>;
}

/** What a writer needs of a view. */
export interface AppliedView {
  readonly schemaId: number;
  readonly generation: number;
}

/** A view's line of the record; a removed view keeps it, because its rows stay. */
export interface RecordedView extends AppliedView {
  /** Undefined for a view that was removed before shapes were kept. */
  readonly rows: StoredRowShape | undefined;
}

/** Who applies, and when. */
export interface Provenance {
  /** The project's name; a store holds the registry of one project. */
  readonly project?: string;
  readonly gitCommit: string | undefined;
  readonly nowMs: number;
}

/** The record, or undefined before the first apply. */
export async function readAppliedRegistry(control: ControlStore): Promise<AppliedRegistry | undefined> {
  return parse(await control.get(RECORD));
}

/** Reads the record again and again. As long as it is the same, byte for byte, so is the object. */
export function appliedRegistryReader(control: ControlStore): () => Promise<AppliedRegistry | undefined> {
  let bytes: Uint8Array | undefined;
  let applied: AppliedRegistry | undefined;
  return async () => {
    const read = await control.get(RECORD);
    const isSame = bytes === undefined || read === undefined ? bytes === read : Buffer.compare(bytes, read) === 0;
    if (!isSame) [bytes, applied] = [read, parse(read)];
    return applied;
  };
}

/** What apply would change. */
export async function planRegistry(control: ControlStore, registry: Registry): Promise<readonly RegistryChange[]> {
  return changesTo(await readAppliedRegistry(control), registry);
}

/**
 * Records the registry and returns the changes made. Throws REGISTRY_CHANGE_REFUSED, with every refusal, before
 * anything is written, and CONTROL_CONFLICT when another apply was first.
 */
export async function applyRegistry(
  control: ControlStore,
  registry: Registry,
  provenance: Provenance,
): Promise<readonly RegistryChange[]> {
  const before = await control.get(RECORD);
  const applied = parse(before);
  const changes = changesTo(applied, registry);
  refuseAnotherProject(applied, provenance);
  refuseRefused(changes);
  const { gitCommit, nowMs: appliedAtMs, project = applied?.project } = provenance;
  // Equal definitions of another commit are recorded too: the record is what tells which commit is applied.
  const isRecorded =
    applied?.fingerprint === registry.fingerprint && applied.gitCommit === gitCommit && applied.project === project;
  if (isRecorded) return changes;
  const next: AppliedRegistry = {
    project,
    fingerprint: registry.fingerprint,
    gitCommit,
    appliedAtMs,
    definitions: registry.canonical,
    // A removed view keeps its line: if it comes back, its generation goes on and its rows are still what they were.
    views: { ...applied?.views, ...(await recordViews(control, applied, registry, changes)) },
  };
  if (await control.compareAndSet(RECORD, before, Buffer.from(JSON.stringify(next)))) return changes;
  throw new HeadgateError("CONTROL_CONFLICT", "Another apply was recorded in the meantime. Run headgate plan again.");
}

function changesTo(applied: AppliedRegistry | undefined, registry: Registry): readonly RegistryChange[] {
  const lines = Object.entries(applied?.views ?? {});
  const rows = Object.fromEntries(lines.flatMap(([name, { rows }]) => (rows === undefined ? [] : [[name, rows]])));
  return diffRegistry(applied?.definitions, registry.canonical, rows);
}

function refuseAnotherProject(applied: AppliedRegistry | undefined, { project }: Provenance): void {
  if (applied?.project === undefined || project === undefined || applied.project === project) return;
  throw new HeadgateError(
    "REGISTRY_CHANGE_REFUSED",
    `The online store holds the registry of project "${applied.project}"; this is project "${project}", which would erase it. Give each project a store of its own.`,
  );
}

function refuseRefused(changes: readonly RegistryChange[]): void {
  const refused = changes.filter((change) => change.refused !== undefined);
  if (refused.length === 0) return;
  const sentences = refused.map((change) => `${change.kind} "${change.name}": ${change.refused}`);
  throw new HeadgateError("REGISTRY_CHANGE_REFUSED", sentences.join("\n"));
}

/** The lines of the registry's views: a changed one gets a new generation, another keeps its own. */
async function recordViews(
  control: ControlStore,
  applied: AppliedRegistry | undefined,
  registry: Registry,
  changes: readonly RegistryChange[],
): Promise<Record<string, RecordedView>> {
  const changed = new Set(changes.filter((change) => change.kind === "featureView").map((change) => change.name));
  const lines: Record<string, RecordedView> = {};
  for (const view of registry.views.values()) {
    const line = applied?.views[view.name];
    if (line !== undefined && !changed.has(view.name)) {
      lines[view.name] = line;
      continue;
    }
    const { joinKeys, fields } = rowShapeOf(registry.canonical.featureView[view.name]);
    lines[view.name] = {
      schemaId: await recordSchema(control, view.name, view.schema),
      generation: (line?.generation ?? 0) + 1,
      rows: { joinKeys, fields: { ...line?.rows?.fields, ...fields } },
    };
  }
  return lines;
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
    lines.set(name, { schemaId: line.schemaId, generation: line.generation });
  }
  return lines;
}

/** What stored rows depend on; a changed ttl or source does not stop a reader or a writer. */
function rowShape(view: unknown): string {
  const { join_keys, schema } = (view ?? {}) as Record<string, unknown>;
  return JSON.stringify([join_keys, schema]);
}

function parse(record: Uint8Array | undefined): AppliedRegistry | undefined {
  if (record === undefined) return undefined;
  const applied = JSON.parse(Buffer.from(record).toString("utf8")) as AppliedRegistry;
  // Records were once kept without the shape of rows; the definitions beside it tell what they can of it.
  const views = Object.entries(applied.views).map(([name, line]) => {
    const view = applied.definitions.featureView[name];
    const rows = line.rows ?? (view === undefined ? undefined : rowShapeOf(view));
    return [name, { ...line, rows }];
  });
  return { ...applied, views: Object.fromEntries(views) };
}
