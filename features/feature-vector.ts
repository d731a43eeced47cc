/**
 * What a read gives of one entity: its features by the slots of a read plan, each with a status, and where each view's row
 * came from and of when it is.
 */

import type { FeatureStatus } from "./feature-status.ts";
import type { FeatureValue } from "./field.ts";

/** The features of one entity, by the plan's slots; the service's own columns come first. Not to be changed: it may be shared. */
export interface FeatureVector {
  /** null wherever the status is not PRESENT. */
  readonly values: FeatureValue[];
  readonly statuses: FeatureStatus[];
  /** By the plan's view index. */
  readonly views: ViewRead[];
}

/** What was found of one view. */
export interface ViewRead {
  /** PRESENT, OUTSIDE_MAX_AGE or NOT_FOUND: nulls are told per feature. */
  readonly status: FeatureStatus;
  readonly eventTimestampUs: number | undefined;
  readonly tier: string;
}
