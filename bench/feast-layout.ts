/**
 * Feast's layout in Redis, to compare memory with: one hash for each entity key, one protobuf value for each feature
 * under four bytes of MurmurHash3, one protobuf timestamp for each view. The bytes are the store's own for this layout,
 * which its tests hold against what Feast wrote.
 */

import { float32, int64 } from "../features/field.ts";
import { featureField, timestampField } from "../features/store/feast-field.ts";
import { compileFeastKeys } from "../features/store/feast-key.ts";
import { encodeFeastTime } from "../features/store/feast-timestamp.ts";
import { compileFeastValues } from "../features/store/feast-value.ts";
import type { ShapeView } from "./store-rows.ts";

const VALUES = { integer: compileFeastValues(int64()), float: compileFeastValues(float32()) } as const;

/** The keys of entities of one int64 join key. */
export function feastKeys(joinKey: string, project: string): (id: number) => Buffer {
  const keys = compileFeastKeys({ [joinKey]: int64() }, project);
  return (id) => Buffer.from(keys.keyOf(`${joinKey}=${id}`)!, "latin1");
}

/** A row as the arguments of HSET after the key: field, value, … */
export function feastRow(view: ShapeView, values: readonly number[], eventMs: number): Buffer[] {
  const features = Object.entries(view.features).flatMap(([feature, kind], i) => [
    Buffer.from(featureField(view.name, feature), "latin1"),
    Buffer.from(VALUES[kind].encode(values[i]!)),
  ]);
  return [Buffer.from(timestampField(view.name)), Buffer.from(encodeFeastTime(eventMs * 1_000)), ...features];
}
