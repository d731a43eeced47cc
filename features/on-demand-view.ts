/**
 * An on-demand feature view: features computed at read from other views and from the request, by a pure function that
 * is the same offline and online. The function sees null for whatever is not PRESENT and decides what that means.
 */

import { types } from "node:util";
import { checkDefinition, checkOptions, checkSchema, type Definition, define, refuseUnless } from "./definition.ts";
import { type FeatureSelection, type FeatureView, selection } from "./feature-view.ts";
import type { RowOf, Schema } from "./field.ts";
import type { RequestSource } from "./source.ts";

/** What an on-demand view can read. */
export type TransformInput = FeatureView | RequestSource;

type UnionToIntersection<U> = (U extends unknown ? (taken: U) => void : never) extends (taken: infer I) => void
  ? I
  : never;

/** The row a transform is given: every field of every input. */
export type TransformRow<Inputs extends readonly TransformInput[]> = UnionToIntersection<
  NonNullable<Inputs[number]["row"]>
>;

/** A declared on-demand feature view. */
export interface OnDemandFeatureView<S extends Schema = Schema> extends Definition<"onDemandFeatureView"> {
  readonly inputs: readonly TransformInput[];
  readonly schema: S;
  readonly transform: (row: never) => RowOf<Schema>;
  readonly description: string;
  /** Names the fields a feature service takes of this view; none means all. */
  select(...fields: readonly (keyof S & string)[]): FeatureSelection;
}

/** Declares an on-demand feature view. Throws DEFINITION_INVALID. */
export function onDemandFeatureView<const Inputs extends readonly TransformInput[], const S extends Schema>(
  name: string,
  options: {
    readonly inputs: Inputs;
    readonly schema: S;
    readonly transform: (row: TransformRow<Inputs>) => RowOf<S>;
    readonly description?: string;
  },
): OnDemandFeatureView<S> {
  const what = `on-demand feature view "${name}"`;
  checkOptions(what, options, ["inputs", "schema", "transform", "description"]);
  refuseUnless(
    Array.isArray(options.inputs) && options.inputs.length > 0,
    `${what} has no input; add inputs: [a view or a requestSource].`,
  );
  refuseUnless(typeof options.transform === "function", `${what} needs transform: (row) => ({ … }).`);
  refuseUnless(
    !types.isAsyncFunction(options.transform) && !types.isGeneratorFunction(options.transform),
    `${what}: transform is asynchronous or a generator; it must give its features at once. Write transform: (row) => ({ … }).`,
  );
  for (const [i, input] of options.inputs.entries()) {
    checkDefinition(`${what}: inputs[${i}]`, input, ["featureView", "requestSource"]);
  }
  checkSchema(what, options.schema);
  const seen = new Map<string, string>();
  for (const input of options.inputs) {
    for (const field of Object.keys(input.schema)) {
      const other = seen.get(field);
      refuseUnless(
        other === undefined,
        `${what}: both "${other}" and "${input.name}" have a field "${field}"; rename one.`,
      );
      seen.set(field, input.name);
    }
  }
  const view: OnDemandFeatureView<S> = {
    kind: "onDemandFeatureView",
    name,
    inputs: Object.freeze([...options.inputs]),
    schema: Object.freeze({ ...options.schema }),
    transform: options.transform as (row: never) => RowOf<Schema>,
    description: options.description ?? "",
    select: (...fields) => selection(view, options.schema, fields),
  };
  return define(view);
}
