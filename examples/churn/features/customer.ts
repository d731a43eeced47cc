import { entity, featureService, featureView, fileSource, float32, int64 } from "headgate";

export const customer = entity("customer", { joinKeys: { customer_id: int64() } });

export const customer30d = featureView("customer_30d_features", {
  description: "What a household bought in the 30 days before last midnight.",
  entities: [customer],
  ttl: "2d",
  schema: {
    orders_30d: int64(),
    aov_30d: float32(),
    returns_rate_30d: float32(),
    time_since_last_d: float32(),
  },
  // prepare.mjs writes this file from data/: the same snapshots, dated so that the newest is last night's.
  source: fileSource({
    path: ".headgate/customer_30d.parquet",
    timestampField: "event_ts",
    createdField: "created",
  }),
});

export const churn_v1 = featureService("churn_v1", [
  customer30d.select("orders_30d", "aov_30d", "returns_rate_30d", "time_since_last_d"),
]);
