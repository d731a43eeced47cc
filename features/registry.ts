/**
 * The registry: a feature repository's definitions, cross-checked, frozen and fingerprinted. Whatever can be wrong
 * between definitions is found here, when they are loaded, and named with its file.
 */

import { HeadgateError } from "../errors.ts";
import type { Definition, DefinitionKind } from "./definition.ts";
import type { Entity } from "./entity.ts";
import type { FeatureService } from "./feature-service.ts";
import { type FeatureView, joinKeysOf } from "./feature-view.ts";
import { type Schema, typeName, typeNames } from "./field.ts";
import { fingerprintOf } from "./fingerprint.ts";
import type { OnDemandFeatureView } from "./on-demand-view.ts";
import type { RequestSource } from "./source.ts";

/** A definition and the file it was found in. */
export interface FoundDefinition {
  readonly definition: Definition;
  readonly file: string;
}

/** Definitions as plain JSON, the form that is compared, recorded and fingerprinted. */
export type CanonicalDefinitions = Readonly<Record<DefinitionKind, Readonly<Record<string, unknown>>>>;

/** The checked, frozen set. */
export interface Registry {
  readonly entities: ReadonlyMap<string, Entity>;
  readonly views: ReadonlyMap<string, FeatureView>;
  readonly onDemandViews: ReadonlyMap<string, OnDemandFeatureView>;
  readonly requestSources: ReadonlyMap<string, RequestSource>;
  readonly services: ReadonlyMap<string, FeatureService>;
  readonly canonical: CanonicalDefinitions;
  /** First 16 hex digits of SHA-256 over `canonical`. */
  readonly fingerprint: string;
}

/** Cross-checks and freezes. Throws DEFINITION_INVALID naming both sides and their files. */
export function createRegistry(found: readonly FoundDefinition[]): Registry {
  const byKind = groupByKind(found);
  checkReferences(found);
  checkJoinKeyTypes(byKind.entity, found);
  const canonical = canonicalDefinitions(byKind);
  return Object.freeze({
    entities: byKind.entity as Map<string, Entity>,
    views: byKind.featureView as Map<string, FeatureView>,
    onDemandViews: byKind.onDemandFeatureView as Map<string, OnDemandFeatureView>,
    requestSources: byKind.requestSource as Map<string, RequestSource>,
    services: byKind.featureService as Map<string, FeatureService>,
    canonical,
    fingerprint: fingerprintOf(canonical),
  });
}

/** A view's join keys, of all its entities. */
export function viewJoinKeys(view: FeatureView): Schema {
  return joinKeysOf(view.entities);
}

type ByKind = Record<DefinitionKind, Map<string, Definition>>;

function groupByKind(found: readonly FoundDefinition[]): ByKind {
  const byKind: ByKind = {
    entity: new Map(),
    requestSource: new Map(),
    featureView: new Map(),
    onDemandFeatureView: new Map(),
    featureService: new Map(),
  };
  const files = new Map<string, FoundDefinition>();
  for (const one of found) {
    const { kind, name } = one.definition;
    // Anything a service can select from shares one set of names: "view:field" must point to one thing.
    const space = kind === "entity" || kind === "featureService" ? kind : "view";
    const other = files.get(`${space} ${name}`);
    if (other !== undefined && other.definition !== one.definition) {
      throw invalid(
        `"${name}" is declared twice: as ${other.definition.kind} in ${other.file} and as ${kind} in ${one.file}. Rename one.`,
      );
    }
    files.set(`${space} ${name}`, one);
    byKind[kind].set(name, one.definition);
  }
  return byKind;
}

/** Everything a definition refers to must be exported too, so that plan and apply see it. */
function checkReferences(found: readonly FoundDefinition[]): void {
  const exported = new Set(found.map((one) => one.definition));
  for (const { definition, file } of found) {
    for (const target of referencesOf(definition)) {
      if (exported.has(target)) continue;
      throw invalid(
        `${file}: ${definition.kind} "${definition.name}" uses ${target.kind} "${target.name}", which no definition file exports. Write "export const" before it.`,
      );
    }
  }
}

function referencesOf(definition: Definition): readonly Definition[] {
  if (definition.kind === "featureView") return (definition as FeatureView).entities;
  if (definition.kind === "onDemandFeatureView") return (definition as OnDemandFeatureView).inputs;
  if (definition.kind === "featureService") return (definition as FeatureService).features.map((one) => one.from);
  return [];
}

function checkJoinKeyTypes(entities: ReadonlyMap<string, Definition>, found: readonly FoundDefinition[]): void {
  const types = new Map<string, { readonly type: string; readonly entity: Entity }>();
  for (const entity of entities.values() as Iterable<Entity>) {
    for (const [key, type] of Object.entries(entity.joinKeys)) {
      const other = types.get(key);
      if (other !== undefined && other.type !== typeName(type)) {
        const file = found.find((one) => one.definition === entity)?.file;
        throw invalid(
          `${file}: join key "${key}" is ${typeName(type)} in entity "${entity.name}" and ${other.type} in entity "${other.entity.name}"; a join key has one type in a project.`,
        );
      }
      types.set(key, { type: typeName(type), entity });
    }
  }
}

function canonicalDefinitions(byKind: ByKind): CanonicalDefinitions {
  const canonical = {} as Record<DefinitionKind, Record<string, unknown>>;
  for (const [kind, definitions] of Object.entries(byKind) as [DefinitionKind, Map<string, Definition>][]) {
    const names = [...definitions.keys()].sort();
    canonical[kind] = Object.fromEntries(names.map((name) => [name, canonicalOf(definitions.get(name)!)]));
  }
  return Object.freeze(canonical);
}

function canonicalOf(definition: Definition): unknown {
  switch (definition.kind) {
    case "entity":
      return { join_keys: sorted(typeNames((definition as Entity).joinKeys)) };
    case "requestSource":
      return { schema: typeNames((definition as RequestSource).schema) };
    case "featureView": {
      const view = definition as FeatureView;
      return {
        entities: view.entities.map((entity) => entity.name),
        join_keys: sorted(typeNames(viewJoinKeys(view))),
        // In its order, which rows are stored in.
        schema: typeNames(view.schema),
        ttl_ms: view.ttlMs ?? null,
        source: view.source === undefined ? null : { ...view.source, columns: sorted(view.source.columns) },
        streams: view.streams.map((stream) => ({
          ...stream,
          columns: sorted(stream.columns),
          map: stream.map === undefined ? null : fingerprintOf(String(stream.map)),
        })),
      };
    }
    case "onDemandFeatureView": {
      const view = definition as OnDemandFeatureView;
      const inputs = view.inputs.map((input) => input.name);
      return { inputs, schema: typeNames(view.schema), transform: fingerprintOf(String(view.transform)) };
    }
    case "featureService":
      return { features: (definition as FeatureService).features.map((one) => `${one.from.name}:${one.field}`) };
  }
}

/** Where order means nothing, one order: definitions of one meaning have one form. */
function sorted(record: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.keys(record)
      .sort()
      .map((name) => [name, record[name]!]),
  );
}

function invalid(sentence: string): HeadgateError {
  return new HeadgateError("DEFINITION_INVALID", sentence);
}
