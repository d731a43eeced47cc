/**
 * Request features: what a request's context must hold for a plan, and where it goes in a feature vector. One context is
 * shared by all entities of a request, so it is checked once.
 */

import { excerpt, HeadgateError } from "../errors.ts";
import { STATUS } from "./feature-status.ts";
import type { FeatureVector } from "./feature-vector.ts";
import { type FeatureValue, REFUSED, typeName } from "./field.ts";
import type { ReadPlan } from "./read-plan.ts";

const NOTHING_TO_BIND: readonly FeatureValue[] = Object.freeze([]);

/** Takes the request features of a context, in plan order. Throws CONTEXT_INVALID naming the missing, unknown or wrong one. */
export function bindContext(
  plan: ReadPlan,
  context: Readonly<Record<string, unknown>> | undefined,
): readonly FeatureValue[] {
  if (context !== undefined) checkContextNames(plan, context);
  if (plan.requestFields.length === 0) return NOTHING_TO_BIND;
  const given = context ?? {};
  return plan.requestFields.map((field) => {
    const value = Object.hasOwn(given, field.name) ? given[field.name] : undefined;
    const taken = value === undefined ? REFUSED : field.accept(value);
    if (taken !== REFUSED) return taken;
    const problem = value === undefined ? "is missing" : `is not of type ${typeName(field.type)}`;
    throw new HeadgateError(
      "CONTEXT_INVALID",
      `context.${field.name} ${problem}; feature service "${plan.service}" takes it from the request ("${field.source}").`,
    );
  });
}

function checkContextNames(plan: ReadPlan, context: Readonly<Record<string, unknown>>): void {
  const names = plan.requestNames;
  const unknown = Object.keys(context).find((name) => !names.has(name));
  if (unknown === undefined) return;
  const known = names.size === 0 ? "takes nothing from the request" : `takes ${[...names].join(", ")}`;
  throw new HeadgateError(
    "CONTEXT_INVALID",
    `context.${excerpt(unknown)} is unknown; feature service "${plan.service}" ${known}.`,
  );
}

/** Puts a context as `bindContext` gave it into a vector's slots. */
export function placeContext(vector: FeatureVector, plan: ReadPlan, context: readonly FeatureValue[]): void {
  for (let i = 0; i < context.length; i++) {
    const { slot } = plan.requestFields[i]!;
    vector.values[slot] = context[i]!;
    vector.statuses[slot] = context[i] === null ? STATUS.NULL_VALUE : STATUS.PRESENT;
  }
}
