/** The bodies that a load is made of, drawn before the clock starts: what a client of the churn example writes. */

import { type DrawId, uniformIds, zipfIds } from "./statistics.ts";

/** How the ids of entities are drawn: all alike, the worst case for every cache, or by Zipf's law, exponent 1. */
export type Ids = "uniform" | "zipf";

/** Which interface a body is for: Headgate's and the peers' `/predict`, or Feast's `/get-online-features`. */
export type Form = "predict" | "feast";

/** Where a body of each form is sent. */
export const PATHS: Readonly<Record<Form, string>> = { predict: "/predict", feast: "/get-online-features" };

const FEATURES = ["orders_30d", "aov_30d", "returns_rate_30d", "time_since_last_d"];

/** A source of ids 1 … count. */
export function drawIds(ids: Ids, count: number, seed: number): DrawId {
  return (ids === "zipf" ? zipfIds : uniformIds)(count, seed);
}

/** One body for so many entities; one is sent as an object, more as a list. */
export function predictBody(form: Form, entities: number, draw: DrawId): string {
  const ids = Array.from({ length: entities }, draw);
  if (form === "feast") {
    const features = FEATURES.map((feature) => `customer_30d_features:${feature}`);
    return JSON.stringify({ features, entities: { customer_id: ids } });
  }
  const list = ids.map((id) => ({ customer_id: id }));
  return JSON.stringify({ model: "churn", entities: entities === 1 ? list[0] : list });
}
