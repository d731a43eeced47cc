/**
 * What would change: the definitions at hand against those recorded in the online store, name by name and field by
 * field. A change that would misread rows that are already stored is marked refused, with the way out in its sentence.
 */

import type { DefinitionKind } from "./definition.ts";
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

/** The changes from `applied` (undefined: nothing yet) to `next`, in order of kind and name. */
export function diffRegistry(
  applied: CanonicalDefinitions | undefined,
  next: CanonicalDefinitions,
): readonly RegistryChange[] {
  const changes: RegistryChange[] = [];
  for (const kind of Object.keys(NOTHING) as DefinitionKind[]) {
    const before = applied?.[kind] ?? {};
    const after = next[kind];
    for (const name of [...new Set([...Object.keys(before), ...Object.keys(after)])].sort()) {
      const change = diffDefinition(kind, name, before[name], after[name]);
      if (change !== undefined) changes.push(change);
    }
  }
  return changes;
}

function diffDefinition(kind: DefinitionKind, name: string, from: unknown, to: unknown): RegistryChange | undefined {
  if (from === undefined) return { action: "add", kind, name, details: [] };
  if (to === undefined) return { action: "remove", kind, name, details: [] };
  const details = diffValues("", from, to);
  if (details.length === 0) return undefined;
  const refused = kind === "featureView" ? refusal(name, details) : undefined;
  return { action: "change", kind, name, details, ...(refused === undefined ? {} : { refused }) };
}

type Details = RegistryChange["details"];

function diffValues(path: string, from: unknown, to: unknown): Details {
  if (isRecord(from) && isRecord(to)) {
    const keys = [...new Set([...Object.keys(from), ...Object.keys(to)])];
    return keys.flatMap((key) => diffValues(path === "" ? key : `${path}.${key}`, from[key], to[key]));
  }
  return JSON.stringify(from) === JSON.stringify(to) ? [] : [{ path, from, to }];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function refusal(name: string, details: Details): string | undefined {
  for (const { path, from, to } of details) {
    if (path.startsWith("schema.") && from !== undefined && to !== undefined) {
      const field = path.slice("schema.".length);
      return `Stored rows hold "${field}" as ${from}; they can't be read as ${to}. Add a field of another name, or a view "${name}_v2", load it, and move the models over.`;
    }
    if (path.startsWith("join_keys")) {
      return `Stored rows are kept under other join keys (${path}: ${show(from)} → ${show(to)}); nothing would find them. Declare a view "${name}_v2", load it, and move the models over.`;
    }
  }
  return undefined;
}

function show(value: unknown): string {
  return value === undefined ? "none" : String(value);
}
