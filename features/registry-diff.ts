/**
 * What would change: the definitions at hand against those recorded in the online store, name by name and field by
 * field. A change that would misread rows that are already stored is marked refused, with the way out in its sentence.
 */

import type { DefinitionKind } from "./definition.ts";
import { isObject } from "./json-value.ts";
import type { CanonicalDefinitions } from "./registry.ts";

/** One definition that is added, changed or removed. */
export interface RegistryChange {
  readonly action: "add" | "change" | "remove";
  readonly kind: DefinitionKind;
  readonly name: string;
  /** For a change: each path within the definition with what it was and what it is. */
  readonly details: readonly { readonly path: string; readonly from: unknown; readonly to: unknown }[];
  /** Why it can't be applied and what to do instead; absent when it can. */
  readonly refused?: string;
}

const NOTHING: CanonicalDefinitions = Object.freeze({
  entity: {},
  requestSource: {},
  featureView: {},
  onDemandFeatureView: {},
  featureService: {},
});

/**
 * What the stored rows of a view hold: its join keys, and every field that was ever recorded for it with its type. It
 * outlives the removal of a field or of the view, as the rows do.
 */
export interface StoredRowShape {
  readonly joinKeys: Readonly<Record<string, string>>;
  readonly fields: Readonly<Record<string, string>>;
}

/** The shape of rows by view. */
export type StoredRowShapes = Readonly<Record<string, StoredRowShape>>;

/**
 * The changes from `applied` (undefined: nothing yet) to `next`, in order of kind and name; `rows` tells what is stored
 * and decides what is refused.
 */
export function diffRegistry(
  applied: CanonicalDefinitions | undefined,
  next: CanonicalDefinitions,
  rows: StoredRowShapes = {},
): readonly RegistryChange[] {
  const changes: RegistryChange[] = [];
  for (const kind of Object.keys(NOTHING) as DefinitionKind[]) {
    const before = applied?.[kind] ?? {};
    const after = next[kind];
    for (const name of [...new Set([...Object.keys(before), ...Object.keys(after)])].sort()) {
      const change = diffDefinition(kind, name, before[name], after[name]);
      if (change === undefined) continue;
      const stored = kind === "featureView" && change.action !== "remove" ? rows[name] : undefined;
      const refused = stored === undefined ? undefined : refusal(name, stored, rowShapeOf(after[name]));
      changes.push(refused === undefined ? change : { ...change, refused });
    }
  }
  return changes;
}

/** The shape of the rows that a view's canonical definition describes. */
export function rowShapeOf(view: unknown): StoredRowShape {
  const { join_keys: joinKeys, schema: fields } = view as Record<string, Record<string, string>>;
  return { joinKeys: joinKeys!, fields: fields! };
}

function diffDefinition(kind: DefinitionKind, name: string, from: unknown, to: unknown): RegistryChange | undefined {
  if (from === undefined) return { action: "add", kind, name, details: [] };
  if (to === undefined) return { action: "remove", kind, name, details: [] };
  const details = diffValues("", from, to);
  return details.length === 0 ? undefined : { action: "change", kind, name, details };
}

type Details = RegistryChange["details"];

function diffValues(path: string, from: unknown, to: unknown): Details {
  if (isObject(from) && isObject(to)) {
    const keys = [...new Set([...Object.keys(from), ...Object.keys(to)])];
    const members = keys.flatMap((key) => diffValues(path === "" ? key : `${path}.${key}`, from[key], to[key]));
    // The order of fields is the order of a row's values; nothing else of a definition has one.
    return path === "schema" ? [...members, ...diffOrder(path, from, to)] : members;
  }
  return JSON.stringify(from) === JSON.stringify(to) ? [] : [{ path, from, to }];
}

function diffOrder(path: string, from: Record<string, unknown>, to: Record<string, unknown>): Details {
  const before = Object.keys(from).filter((key) => Object.hasOwn(to, key));
  const after = Object.keys(to).filter((key) => Object.hasOwn(from, key));
  return before.join() === after.join() ? [] : [{ path, from: before.join(", "), to: after.join(", ") }];
}

function refusal(name: string, stored: StoredRowShape, next: StoredRowShape): string | undefined {
  for (const key of new Set([...Object.keys(stored.joinKeys), ...Object.keys(next.joinKeys)])) {
    const [from, to] = [stored.joinKeys[key], next.joinKeys[key]];
    if (from === to) continue;
    return `Stored rows are kept under other join keys (join_keys.${key}: ${from ?? "none"} → ${to ?? "none"}); nothing would find them. Declare a view "${name}_v2", load it, and move the models over. A store whose rows nobody needs may be emptied instead, and applied to anew.`;
  }
  for (const [field, to] of Object.entries(next.fields)) {
    const from = stored.fields[field];
    if (from === undefined || from === to) continue;
    return `Stored rows hold "${field}" as ${from}; they can't be read as ${to}. Add a field of another name, or a view "${name}_v2", load it, and move the models over.`;
  }
  return undefined;
}
