/**
 * What a request of Feast's names, found in the registry: the features, by reference or by service, and the columns
 * that are join keys.
 */

import { excerpt, HeadgateError } from "../../errors.ts";
import type { FeatureOrigin } from "../../features/feature-service.ts";
import type { Accept } from "../../features/field.ts";
import type { Registry } from "../../features/registry.ts";
import { compileFeastTakeKey, compileFeastText, type FeastText } from "./feast-json.ts";
import { invalid, type OnlineFeaturesRequest } from "./online-features-request.ts";

/** A feature as a request means it. */
export interface AskedFeature {
  readonly from: FeatureOrigin;
  readonly field: string;
}

/** A column of a request that is a join key of the project. */
export interface KeyColumn {
  /** The name it was sent under: the join key's, or its entity's. */
  readonly sentAs: string;
  readonly joinKey: string;
  readonly typeName: string;
  readonly take: Accept;
  readonly text: FeastText;
}

/** Every join key by its name, and by its entity's where that has no other. */
export function keyColumnsOf(registry: Registry): ReadonlyMap<string, KeyColumn> {
  const columns = new Map<string, KeyColumn>();
  const entities = [...registry.entities.values()];
  const all = entities.flatMap((entity) =>
    Object.entries(entity.joinKeys).map(([name, type]) => ({ name, type, entity })),
  );
  for (const { name, type, entity } of all) {
    const column = {
      joinKey: name,
      typeName: type.kind,
      take: compileFeastTakeKey(type),
      text: compileFeastText(type),
    };
    const isOnly = Object.keys(entity.joinKeys).length === 1 && !all.some((one) => one.name === entity.name);
    if (isOnly) columns.set(entity.name, Object.freeze({ ...column, sentAs: entity.name }));
    columns.set(name, Object.freeze({ ...column, sentAs: name }));
  }
  return columns;
}

/** The features of a request, in its order. Throws REQUEST_INVALID, VIEW_NOT_FOUND or SERVICE_NOT_FOUND. */
export function askedFeatures(
  registry: Registry,
  { features, service }: OnlineFeaturesRequest,
): readonly AskedFeature[] {
  if (service !== undefined) {
    const declared = registry.services.get(service);
    if (declared !== undefined) return declared.features;
    const known = [...registry.services.keys()].sort().join(", ") || "none";
    throw new HeadgateError(
      "SERVICE_NOT_FOUND",
      `Feature service ${excerpt(service)} does not exist; there are ${known}.`,
    );
  }
  if (features.length === 0) {
    throw invalid(`The request names no feature; send "features": ["view:feature"] or "feature_service".`);
  }
  return features.map((reference) => askedFeature(registry, reference));
}

function askedFeature(registry: Registry, reference: string): AskedFeature {
  const colon = reference.indexOf(":");
  if (colon === -1) throw invalid(`The feature reference "${excerpt(reference)}" has no colon; write "view:feature".`);
  const [view, field] = [reference.slice(0, colon), reference.slice(colon + 1)];
  const from = registry.views.get(view) ?? registry.onDemandViews.get(view) ?? registry.requestSources.get(view);
  if (from === undefined) {
    const known = [...registry.views.keys(), ...registry.onDemandViews.keys()].sort().join(", ") || "none";
    throw new HeadgateError("VIEW_NOT_FOUND", `Feature view ${excerpt(view)} does not exist; there are ${known}.`);
  }
  if (Object.hasOwn(from.schema, field)) return { from, field };
  throw invalid(
    `Feature view ${view} has no feature "${excerpt(field)}"; it has ${Object.keys(from.schema).join(", ")}.`,
  );
}
