/**
 * A feature service: the ordered list of features one model takes, from any views, on-demand views and the request.
 * It is what a model's manifest names, and what is compiled into a read plan.
 */

import { type Definition, define, require } from "./definition.ts";
import type { FeatureSelection, FeatureView } from "./feature-view.ts";
import type { OnDemandFeatureView } from "./on-demand-view.ts";
import type { RequestSource } from "./source.ts";

/** What a service can take features from. */
export type FeatureOrigin = FeatureView | OnDemandFeatureView | RequestSource;

/** A declared feature service; `features` is flat and in order. */
export interface FeatureService extends Definition<"featureService"> {
  readonly features: readonly { readonly from: FeatureOrigin; readonly field: string }[];
  readonly description: string;
}

/** Declares a feature service. A whole view stands for all of its fields. Throws DEFINITION_INVALID. */
export function featureService(
  name: string,
  selections: readonly (FeatureSelection | FeatureOrigin)[],
  options: { readonly description?: string } = {},
): FeatureService {
  const features = selections.flatMap((selected) => {
    const from = ("from" in selected ? selected.from : selected) as FeatureOrigin;
    const fields = "from" in selected ? selected.fields : Object.keys(selected.schema);
    return fields.map((field) => Object.freeze({ from, field }));
  });
  require(features.length > 0, `feature service "${name}" selects nothing; add a view or view.select("field").`);
  const seen = new Set<string>();
  for (const { from, field } of features) {
    const reference = `${from.name}:${field}`;
    require(!seen.has(reference), `feature service "${name}" selects ${reference} twice.`);
    seen.add(reference);
  }
  return define({
    kind: "featureService",
    name,
    features: Object.freeze(features),
    description: options.description ?? "",
  });
}
