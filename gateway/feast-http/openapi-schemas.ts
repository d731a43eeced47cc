/** Schemas of the OpenAPI document: what the routes of Feast's client answer. */

import { type JsonObject, list, ref, TEXT, TEXTS, whole } from "../openapi/json-schema.ts";

/** By name in the document's components. */
export const FEAST_SCHEMAS: JsonObject = {
  OnlineFeatures: whole({
    results: {
      ...list(whole({ values: list({}), statuses: list(ref("FeatureStatus")), event_timestamps: TEXTS })),
      description: "A column for each of feature_names, with an entry per row.",
    },
    metadata: whole({ feature_names: TEXTS }, { feature_view_metadata: list(whole({ name: TEXT })) }),
  }),
  FeastDone: { type: "null" },
  FeastAccepted: whole({ status: { const: "accepted" }, feature_views: TEXTS }),
  FeastConflict: whole({ error: TEXT, feature_views: TEXTS }),
  FeastRefusal: {
    type: "string",
    contentMediaType: "application/json",
    description:
      "A text that holds JSON: module, class and message of the exception that Feast's client is to raise, code and request_id.",
  },
};
