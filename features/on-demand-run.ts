/**
 * Running an on-demand view's transform for one entity: its inputs out of the vector, what it computes into it. The
 * transform is the project's code, so what it gives is held to the declaration before a model sees any of it.
 */

import { HeadgateError, reasonOf } from "../errors.ts";
import { type FeatureStatus, STATUS } from "./feature-status.ts";
import { type FeatureValue, REFUSED, typeName } from "./field.ts";
import { isObject } from "./json-value.ts";
import type { PlannedTransform } from "./read-plan.ts";
import { shown } from "./shown.ts";

/** The part of a feature vector that a transform reads and writes, by the plan's slots. */
export interface TransformVector {
  readonly values: FeatureValue[];
  readonly statuses: FeatureStatus[];
}

/** Runs one transform. Throws TRANSFORM_FAILED when it throws, or gives anything but its declared fields. */
export function runTransform({ values, statuses }: TransformVector, plan: PlannedTransform): void {
  const row: Record<string, FeatureValue> = {};
  for (const { name, slot } of plan.inputs) row[name] = values[slot]!;
  const computed = compute(plan, row);
  for (const { name, accept, type, slot } of plan.outputs) {
    const value = Object.hasOwn(computed, name) ? computed[name] : undefined;
    if (value === undefined) throw failure(plan, `gave nothing for "${name}"; return null where it has no value`);
    const taken = accept(value);
    if (taken === REFUSED) throw failure(plan, `gave ${shown(value)} for "${name}", which is ${typeName(type)}`);
    if (slot === undefined) continue;
    values[slot] = taken;
    statuses[slot] = taken === null ? STATUS.NULL_VALUE : STATUS.PRESENT;
  }
  // Every declared field is there, so one more is one that is not declared.
  if (Object.keys(computed).length > plan.outputs.length) throw undeclared(plan, computed);
}

function compute(plan: PlannedTransform, row: Record<string, FeatureValue>): Record<string, unknown> {
  let computed: unknown;
  try {
    computed = plan.transform(row);
  } catch (cause) {
    throw failure(plan, `threw: ${reasonOf(cause)}`, cause);
  }
  if (!isObject(computed)) {
    throw failure(plan, `gave ${shown(computed)}; return an object of its fields`);
  }
  if ("then" in computed && typeof computed.then === "function") {
    // Nobody awaits it, and a rejection that nobody hears ends the process.
    computed.then(undefined, () => undefined);
    throw failure(plan, "gave a promise; it must give its features at once");
  }
  return computed;
}

function undeclared(plan: PlannedTransform, computed: Record<string, unknown>): HeadgateError {
  const known = plan.outputs.map((output) => output.name);
  const name = Object.keys(computed).find((candidate) => !known.includes(candidate));
  return failure(plan, `gave "${name}", which its schema does not have; it has ${known.join(", ")}`);
}

function failure(plan: PlannedTransform, problem: string, cause?: unknown): HeadgateError {
  return new HeadgateError("TRANSFORM_FAILED", `On-demand feature view "${plan.name}" ${problem}.`, cause);
}
