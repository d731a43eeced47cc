/**
 * A feature service: the ordered list of features one model takes, from any views, on-demand views and the request.
 * It is what a model's manifest names, and what is compiled into a read plan.
 */

import {
  checkDefinition,
  checkOptions,
  type Definition,
  type DefinitionKind,
  define,
  refuseUnless,
} from "./definition.ts";
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

const ORIGINS: readonly DefinitionKind[] = ["featureView", "onDemandFeatureView", "requestSource"];

/** Declares a feature service. A whole view stands for all of its fields. Throws DEFINITION_INVALID. */
export function featureService(
  name: string,
  selections: readonly (FeatureSelection | FeatureOrigin)[],
  options: { readonly description?: string } = {},
): FeatureService {
  const what = `feature service "${name}"`;
  checkOptions(what, options, ["description"]);
  refuseUnless(Array.isArray(selections), `${what} needs a list of views, or of view.select("field").`);
  const features = selections.flatMap((selected, i) => {
    const isSelection = typeof selected === "object" && selected !== null && "from" in selected;
    const from = (isSelection ? selected.from : selected) as FeatureOrigin;
    checkDefinition(`${what}: selection ${i + 1}`, from, ORIGINS);
    const fields: readonly string[] = isSelection ? selected.fields : Object.keys(from.schema);
    return fields.map((field) => Object.freeze({ from, field }));
  });
  refuseUnless(features.length > 0, `${what} selects nothing; add a view or view.select("field").`);
  const seen = new Set<string>();
  for (const { from, field } of features) {
    const reference = `${from.name}:${field}`;
    refuseUnless(!seen.has(reference), `${what} selects ${reference} twice.`);
    seen.add(reference);
  }
  checkRequestFields(what, features);
  return define({
    kind: "featureService",
    name,
    features: Object.freeze(features),
    description: options.description ?? "",
  });
}

/** A request's context is flat: a name in it can't be the feature of two sources. */
function checkRequestFields(what: string, features: FeatureService["features"]): void {
  const sources = new Map<string, RequestSource>();
  for (const { source, field } of features.flatMap(requestFieldsOf)) {
    const other = sources.get(field) ?? source;
    refuseUnless(
      other === source,
      `${what} takes "${field}" from the request twice: for "${other.name}" and for "${source.name}"; rename one.`,
    );
    sources.set(field, source);
  }
}

function requestFieldsOf({ from, field }: FeatureService["features"][number]) {
  if (from.kind === "requestSource") return [{ source: from, field }];
  if (from.kind !== "onDemandFeatureView") return [];
  const sources = from.inputs.filter((input) => input.kind === "requestSource");
  return sources.flatMap((source) => Object.keys(source.schema).map((name) => ({ source, field: name })));
}
