/**
 * What became of a feature at read. The words are Feast's FieldStatus; the four are never confused with each other.
 * Held as small integers in order of badness, so that the worst of many is their maximum.
 */

/** A status as an integer: larger is worse. */
export const STATUS = Object.freeze({
  /** There is a value (NaN is one). */
  PRESENT: 0,
  /** The row is there and says: no value. */
  NULL_VALUE: 1,
  /** The row is there but older than the view's ttl or the model's max_age. */
  OUTSIDE_MAX_AGE: 2,
  /** There is no row: never written, deleted, or collected after its time. */
  NOT_FOUND: 3,
});

/** One of STATUS. */
export type FeatureStatus = (typeof STATUS)[keyof typeof STATUS];

/** The name of a status, as answers show it. */
export const STATUS_NAMES = Object.freeze(["PRESENT", "NULL_VALUE", "OUTSIDE_MAX_AGE", "NOT_FOUND"] as const);
