/**
 * What the examples of the OpenAPI document are made of: the project that runs, so that what the page fills in is a
 * request that this gateway takes. Where the project has no model or no view yet, neutral names stand in for them.
 */

import type { FeatureView } from "../../features/feature-view.ts";
import { type FieldType, float64, int64, type ScalarKind, type Schema } from "../../features/field.ts";
import type { JsonValue } from "../../features/json-value.ts";
import { compileReadPlan, viewsOf } from "../../features/read-plan.ts";
import { type Registry, viewJoinKeys } from "../../features/registry.ts";
import type { ServedModel } from "../../models/lifecycle.ts";
import type { JsonObject } from "./json-schema.ts";

/** What examples name. */
export interface ExampleProject {
  readonly model: string;
  /** Its stable version. */
  readonly version: number;
  /** Those that the model's feature service is asked by. */
  readonly joinKeys: Schema;
  /** The request features that the service takes; often none. */
  readonly context: Schema;
  readonly view: ExampleView;
}

/** A stored view. */
export interface ExampleView {
  readonly name: string;
  readonly joinKeys: Schema;
  readonly schema: Schema;
}

const KEYS: Schema = { entity_id: int64() };

/** What stands in for what a project does not have yet. */
export const PLACEHOLDER: ExampleProject = {
  model: "my_model",
  version: 1,
  joinKeys: KEYS,
  context: {},
  view: { name: "my_view", joinKeys: KEYS, schema: { my_feature: float64() } },
};

/** The first of `models` that serves, with its feature service and the first view of that. */
export function exampleProject(registry: Registry, models: readonly ServedModel[]): ExampleProject {
  const served = models.find(({ stable }) => stable !== undefined) ?? models[0];
  const service = registry.services.get(served?.stable?.manifest.service ?? "");
  const plan = service && compileReadPlan(service);
  const stored = (service && viewsOf(service)[0]) ?? registry.views.values().next().value;
  const view = stored === undefined ? PLACEHOLDER.view : exampleView(stored);
  return {
    model: served?.name ?? PLACEHOLDER.model,
    version: served?.stable?.version ?? PLACEHOLDER.version,
    joinKeys: plan?.joinKeys ?? view.joinKeys,
    context: Object.fromEntries(plan?.requestFields.map(({ name, type }) => [name, type]) ?? []),
    view,
  };
}

function exampleView(view: FeatureView): ExampleView {
  return { name: view.name, joinKeys: viewJoinKeys(view), schema: view.schema };
}

/** A value of each field, as JSON. */
export function exampleValues(schema: Schema): JsonObject {
  return Object.fromEntries(Object.entries(schema).map(([name, type]) => [name, exampleValue(type)]));
}

/** A value of each field in a list of one, as a data frame has it. */
export function exampleColumns(schema: Schema): JsonObject {
  return Object.fromEntries(Object.entries(schema).map(([name, type]) => [name, [exampleValue(type)]]));
}

/** A value of the type, as JSON. */
export function exampleValue({ kind, list }: FieldType): JsonValue {
  return list ? [VALUES[kind]] : VALUES[kind];
}

const VALUES: Readonly<Record<ScalarKind, JsonValue>> = {
  int32: 17,
  int64: 17,
  float32: 0.5,
  float64: 0.5,
  string: "abc",
  bool: true,
  bytes: "AQID",
  timestamp: "2026-01-01T00:00:00Z",
};
