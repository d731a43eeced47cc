/**
 * The feature vector that an entity's rows make, kept beside them: most requests ask for what one before them got. It is
 * kept in the form that tensors are filled from, in place of the decoded rows, and only where the rows alone decide it:
 * so it is right for as long as memory holds those rows and none of them has become too old.
 */

import { type FeatureStatus, STATUS } from "./feature-status.ts";
import type { FeatureVector } from "./feature-vector.ts";
import type { FeatureValue } from "./field.ts";
import type { ReadPlan } from "./read-plan.ts";
import type { EntityRows } from "./store/online-store.ts";

/** Keeps the vectors of one plan. */
export interface VectorKeeper {
  /** True when a vector of these rows was kept, fresh or not. */
  has(entity: EntityRows): boolean;
  /** The vector that was kept of these rows, while all of them are fresh; undefined when there is none. */
  find(entity: EntityRows, nowMs: number): FeatureVector | undefined;
  /** Keeps what was made of these rows where that can be done; returns it. */
  keep(entity: EntityRows, vector: FeatureVector): FeatureVector;
}

/** What is kept of an entity that one plan alone reads. */
interface KeptVector extends FeatureVector {
  readonly plan: ReadPlan;
  readonly freshUntilUs: number;
}

/** Kept of an entity that several plans read: they share its decoded rows, where each would put out the other's vector. */
const SHARED = Object.freeze({ plan: undefined });

/** The keeper of a plan; undefined for one that reads more than one key, request features or transforms. */
export function compileVectorKeeper(plan: ReadPlan): VectorKeeper | undefined {
  const { keys, requestFields, transforms } = plan;
  const [key] = keys;
  if (key === undefined || keys.length > 1 || requestFields.length > 0 || transforms.length > 0) return undefined;
  const allPresent = new Array<FeatureStatus>(plan.slotCount).fill(STATUS.PRESENT);
  const ofPlan = ({ decoded }: EntityRows): KeptVector | undefined => {
    const kept = decoded as KeptVector | undefined;
    return kept !== undefined && kept.plan === plan ? kept : undefined;
  };
  return Object.freeze({
    has: (entity: EntityRows) => ofPlan(entity) !== undefined,
    find(entity: EntityRows, nowMs: number) {
      const kept = ofPlan(entity);
      return kept !== undefined && nowMs * 1_000 <= kept.freshUntilUs ? kept : undefined;
    },
    keep(entity: EntityRows, vector: FeatureVector) {
      const { statuses, values, views } = vector;
      if (!("decoded" in entity)) return vector;
      if (entity.decoded !== undefined && ofPlan(entity) === undefined) entity.decoded = SHARED;
      if (entity.decoded === SHARED || views.some(({ status }) => status !== STATUS.PRESENT)) return vector;
      const untilUs = key.views.map(({ index, maxAgeUs }) => views[index]!.eventTimestampUs! + maxAgeUs);
      const kept: KeptVector = {
        values: packed(values),
        // One list for all: it takes no memory, and stays in the processor's cache.
        statuses: statuses.every((status) => status === STATUS.PRESENT) ? allPresent : statuses,
        views,
        plan,
        freshUntilUs: Math.min(...untilUs),
      };
      entity.decoded = kept;
      for (const row of entity.rows) row!.decoded = undefined;
      return kept;
    },
  });
}

/** The same list, grown value by value: V8 lays one that was only ever given numbers out as doubles, side by side. */
function packed(values: readonly FeatureValue[]): FeatureValue[] {
  const list: FeatureValue[] = [];
  for (const value of values) list.push(value);
  // What was grown has room for more.
  return list.slice();
}
