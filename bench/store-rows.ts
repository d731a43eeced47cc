/** Rows as a nightly load writes them: one view of the churn example's four features, or five views of ten. */

import type { RowWrite } from "../features/store/online-store.ts";
import { createRowEncoder, float32, int64, SOURCE_RANK } from "./built.ts";
import { seededRandom } from "./statistics.ts";

/** Which rows. */
export type StoreShape = "customer" | "wide";

/** A view's name and its features, in order; "integer" and "float" as in the churn example. */
export interface ShapeView {
  readonly name: string;
  readonly features: Readonly<Record<string, "integer" | "float">>;
}

const WIDE_FEATURES = Object.fromEntries(
  Array.from({ length: 10 }, (_, i) => [`feature_${i}`, i < 3 ? ("integer" as const) : ("float" as const)]),
);

/** The views of a shape. */
export const SHAPES: Readonly<Record<StoreShape, readonly ShapeView[]>> = Object.freeze({
  customer: [
    {
      name: "customer_30d_features",
      features: { orders_30d: "integer", aov_30d: "float", returns_rate_30d: "float", time_since_last_d: "float" },
    },
  ],
  wide: [0, 1, 2, 3, 4].map((i) => ({ name: `customer_features_${i}`, features: WIDE_FEATURES })),
});

const TTL_MS = 2 * 86_400_000;
const GRACE_MS = 7 * 86_400_000;
const MAX_FUTURE_MS = 300_000;

/** An entity's values of a view: small integers and float32s, the same for the same seed. */
export function drawValues({ features }: ShapeView, random: () => number): readonly number[] {
  return Object.values(features).map((kind) =>
    kind === "integer" ? Math.floor(random() * 20) : Math.fround(random() * 100),
  );
}

/** Encoded rows of entities `from` … `from + count - 1`, of all views of the shape, of one event time. */
export function encodeRows(shape: StoreShape, from: number, count: number, eventMs: number): RowWrite[] {
  const random = seededRandom(from + 1);
  const encoders = SHAPES[shape].map((view) => ({ view, encoder: encoderOf(view) }));
  const nowMs = Date.now();
  const rows: RowWrite[] = [];
  for (let id = from; id < from + count; id++) {
    for (const { view, encoder } of encoders) {
      const values = drawValues(view, random).map((value, i) =>
        Object.values(view.features)[i] === "integer" ? BigInt(value) : value,
      );
      const times = { eventTimestampUs: eventMs * 1_000, createdTimestampUs: eventMs * 1_000 };
      const row = encoder.encode({ entity: [BigInt(id)], values, ...times, position: id }, nowMs);
      if ("refused" in row) throw new Error(row.refused);
      rows.push(row);
    }
  }
  return rows;
}

function encoderOf({ name, features }: ShapeView) {
  const schema = Object.fromEntries(
    Object.entries(features).map(([feature, kind]) => [feature, kind === "integer" ? int64() : float32()]),
  );
  return createRowEncoder({
    view: { name, joinKeys: { customer_id: int64() }, schema, ttlMs: TTL_MS },
    applied: { generation: 1, schemaId: 1 },
    originId: 1,
    sourceRank: SOURCE_RANK.file,
    maxFutureMs: MAX_FUTURE_MS,
    expiryGraceMs: GRACE_MS,
    onlineStoreLayout: "packed",
  });
}
