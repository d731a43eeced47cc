/**
 * What a model is fed when a feature of an entity is not PRESENT, by its manifest's policy: `reject` answers with an
 * error for that entity, `default` puts the manifest's value and says so, `null` hands NaN to the model. Null, missing
 * and too old all count; nothing is ever filled in silently.
 */

import { type FeatureStatus, STATUS, STATUS_NAMES } from "../features/feature-status.ts";
import type { FeatureVector } from "../features/feature-vector.ts";
import type { FeatureValue } from "../features/field.ts";
import type { FeatureColumn, ReadPlan } from "../features/read-plan.ts";
import type { MissingPolicy } from "../models/manifest.ts";
import type { Signature } from "../models/signature.ts";

/** One entity's features, ready for the model or rejected. */
export interface FedEntity {
  /** The worst status among the service's features. */
  readonly status: FeatureStatus;
  /** What the model is fed, in column order; undefined when the entity is rejected. */
  readonly row: readonly FeatureValue[] | undefined;
  /** Features that got the manifest's default, as `view:field`. */
  readonly defaulted: readonly string[];
  /** Why the entity is rejected: a sentence naming the features. */
  readonly rejection: string | undefined;
}

/** Applies a policy to a vector. */
export type FeedEntity = (vector: FeatureVector) => FedEntity;

const NONE: readonly string[] = Object.freeze([]);

/** Compiles the policy of a model. Only features that its inputs take can be missing; the others are told, no more. */
export function compileMissingPolicy(
  { columns }: ReadPlan,
  policy: MissingPolicy,
  { columns: fedColumns, defaults }: Pick<Signature, "columns" | "defaults">,
): FeedEntity {
  const names = columns.map((column) => `${column.view}:${column.field}`);
  return (vector) => {
    const { statuses, values } = vector;
    let status: FeatureStatus = STATUS.PRESENT;
    for (let i = 0; i < columns.length; i++) if (statuses[i]! > status) status = statuses[i]!;
    if (status === STATUS.PRESENT || policy === "null")
      return { status, row: values, defaulted: NONE, rejection: undefined };
    const absent = fedColumns.filter((i) => statuses[i] !== STATUS.PRESENT);
    if (absent.length === 0) return { status, row: values, defaulted: NONE, rejection: undefined };
    if (policy === "reject") {
      const told = new Set(absent.map((i) => absence(columns[i]!, statuses[i]!)));
      const rejection = `${[...told].join(", ")}; the model's missing policy is "reject".`;
      return { status, row: undefined, defaulted: NONE, rejection };
    }
    const row = values.slice(0, columns.length);
    for (const i of absent) row[i] = defaults[i] ?? null;
    return { status, row, defaulted: absent.map((i) => names[i]!), rejection: undefined };
  };
}

/** A missing or old row is one thing to tell, a null field another. */
function absence({ view, field }: FeatureColumn, status: FeatureStatus): string {
  return `${status === STATUS.NULL_VALUE ? `${view}:${field}` : view} is ${STATUS_NAMES[status]}`;
}
