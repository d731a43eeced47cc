/**
 * What a registry holds, as people ask for it: the lists and descriptions that the gateway and the command line show, and
 * the entity that a query such as `customer_id=17` names.
 */

import { excerpt, HeadgateError } from "../errors.ts";
import { parseJoinKey, sortedJoinKeys } from "./entity-key.ts";
import type { FeatureView } from "./feature-view.ts";
import { typeNames } from "./field.ts";
import type { JsonValue } from "./json-value.ts";
import type { MaterializedView, MaterializedViews } from "./materialized-view.ts";
import type { EntityKeys } from "./reader.ts";
import { type Registry, viewJoinKeys } from "./registry.ts";
import { formatTimestampUs } from "./timestamp.ts";

/** The registry as GET /features shows it; `materialized` as far as it is known. */
export function describeFeatures(registry: Registry, materialized?: MaterializedViews): JsonValue {
  return {
    fingerprint: registry.fingerprint,
    feature_views: [...registry.views.values()].map((view) => describeView(view, materialized?.get(view.name))),
    on_demand_feature_views: [...registry.onDemandViews.values()].map((view) => ({
      name: view.name,
      inputs: view.inputs.map((input) => input.name),
      schema: typeNames(view.schema),
      description: view.description,
    })),
    feature_services: [...registry.services.values()].map((service) => ({
      name: service.name,
      features: service.features.map(({ from, field }) => `${from.name}:${field}`),
      description: service.description,
    })),
  };
}

/** A view as JSON. When it was last materialized is null where it never was, and absent where that is not known. */
export function describeView(
  view: FeatureView,
  materialized?: MaterializedView,
): { readonly [property: string]: JsonValue } {
  return {
    name: view.name,
    entities: view.entities.map((entity) => entity.name),
    join_keys: typeNames(viewJoinKeys(view)),
    schema: typeNames(view.schema),
    ttl_seconds: view.ttlMs === undefined ? null : view.ttlMs / 1_000,
    source: view.source === undefined ? null : view.source.path,
    stream: view.streams.map(({ topic }) => topic),
    ...(materialized === undefined ? {} : lastMaterialized(materialized)),
    description: view.description,
  };
}

function lastMaterialized({ success }: MaterializedView): { readonly [property: string]: JsonValue } {
  return {
    last_materialized_at: success === undefined ? null : formatTimestampUs(success.at_ms * 1_000),
    materialized_to: success === undefined ? null : formatTimestampUs(success.end_us),
  };
}

/** The view of a name. Throws VIEW_NOT_FOUND listing what there is. */
export function findView(registry: Registry, name: string): FeatureView {
  const view = registry.views.get(name);
  if (view !== undefined) return view;
  const known = [...registry.views.keys()].sort().join(", ") || "none";
  throw new HeadgateError("VIEW_NOT_FOUND", `There is no feature view "${excerpt(name)}"; there are ${known}.`);
}

/**
 * The entity that query texts name: `customer_id=17`. Throws ENTITY_KEY_INVALID naming a missing, extra or wrong one, and
 * how to ask: `ask` writes that of assignments such as `customer_id=…`, in the words of where it was asked.
 */
export function entityOfQuery(
  view: FeatureView,
  query: Readonly<Record<string, string>>,
  ask: (assignments: readonly string[]) => string,
): EntityKeys {
  const joinKeys = viewJoinKeys(view);
  const names = sortedJoinKeys(joinKeys);
  const extra = Object.keys(query).find((name) => !names.includes(name));
  const missing = names.find((name) => !Object.hasOwn(query, name));
  if (extra !== undefined || missing !== undefined) {
    const problem = extra === undefined ? `join key "${missing}" is missing` : `"${excerpt(extra)}" is not a join key`;
    throw new HeadgateError("ENTITY_KEY_INVALID", `${problem}; ask ${ask(names.map((name) => `${name}=…`))}.`);
  }
  return Object.fromEntries(names.map((name) => [name, parseJoinKey(name, joinKeys[name]!, query[name]!)]));
}
