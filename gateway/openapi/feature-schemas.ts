/** Schemas of the OpenAPI document: what the gateway answers about features, and rows over HTTP. */

import {
  COUNT,
  FLAG,
  type JsonObject,
  list,
  mapOf,
  NUMBER,
  NUMBER_OR_NULL,
  orNull,
  ref,
  TEXT,
  TEXT_OR_NULL,
  TEXTS,
  TIME,
  TIME_OR_NULL,
  whole,
} from "./json-schema.ts";

const TYPES: JsonObject = { ...mapOf(TEXT), description: "Name → type, such as int64 or array(float32)." };
const WHOLE_NUMBER: JsonObject = { type: "integer" };

const FEATURE_VIEW: JsonObject = whole(
  {
    name: TEXT,
    entities: TEXTS,
    join_keys: TYPES,
    schema: TYPES,
    ttl_seconds: NUMBER_OR_NULL,
    source: { ...TEXT_OR_NULL, description: "Where its files are." },
    stream: { ...TEXTS, description: "Its topics." },
    description: TEXT,
  },
  {
    last_materialized_at: { ...TIME_OR_NULL, description: "null: never; absent: the store does not answer." },
    materialized_to: { ...TIME_OR_NULL, description: "Up to which event time." },
  },
);

const FEATURES: JsonObject = whole({
  fingerprint: TEXT,
  feature_views: list(ref("FeatureView")),
  on_demand_feature_views: list(whole({ name: TEXT, inputs: TEXTS, schema: TYPES, description: TEXT })),
  feature_services: list(
    whole({ name: TEXT, features: { ...TEXTS, description: "view:field, in order." }, description: TEXT }),
  ),
});

const SERVED_ROW: JsonObject = whole({
  status: ref("FeatureStatus"),
  event_timestamp: TIME_OR_NULL,
  age_seconds: NUMBER_OR_NULL,
  values: mapOf(whole({ value: {}, status: ref("FeatureStatus") })),
});

const TIER_ROW: JsonObject = whole(
  { tier: TEXT, found: FLAG },
  {
    problem: { ...TEXT, description: "What is wrong with the tier, or with what it holds." },
    deleted: FLAG,
    event_timestamp: TIME,
    created_timestamp: TIME_OR_NULL,
    age_seconds: NUMBER,
    ttl_left_seconds: NUMBER_OR_NULL,
    generation: WHOLE_NUMBER,
    source_rank: WHOLE_NUMBER,
    position: WHOLE_NUMBER,
    bytes: COUNT,
    raw: { ...TEXT, contentEncoding: "base64" },
    written_at: TIME_OR_NULL,
    schema_id: WHOLE_NUMBER,
    origin: { description: "Which run or route wrote it." },
    schema_fingerprint: TEXT,
    schema: TYPES,
    values: mapOf({}),
  },
);

const ROW_INSPECTION: JsonObject = whole({
  view: TEXT,
  entity: { ...mapOf({}), description: "Join key → value." },
  key: TEXT,
  ttl_seconds: NUMBER_OR_NULL,
  served: {
    ...orNull(SERVED_ROW),
    description: "What a prediction would see; null: the tier that decides did not answer.",
  },
  tiers: { ...list(TIER_ROW), description: "Nearest first." },
  tiers_agree: { type: ["boolean", "null"] },
});

const ROW: JsonObject = {
  ...whole(
    {
      entity: { type: "object", description: "Join key → value." },
      values: {
        type: ["object", "null"],
        description: "Field → value; a field that is absent is null. null instead of them deletes the row.",
      },
      event_timestamp: {
        ...TIME,
        description: "When it happened. An older event than the stored row's is answered with stale.",
      },
    },
    {
      created_timestamp: {
        ...TIME,
        description:
          "When the row was made, which decides between rows of equal event time; that time itself unless given.",
      },
    },
  ),
  additionalProperties: false,
};

/** By name in the document's components. */
export const FEATURE_SCHEMAS: JsonObject = {
  FeatureStatus: { enum: ["PRESENT", "NULL_VALUE", "OUTSIDE_MAX_AGE", "NOT_FOUND"] },
  FeatureView: FEATURE_VIEW,
  Features: FEATURES,
  RowInspection: ROW_INSPECTION,
  WriteRowsRequest: {
    ...whole({ rows: { type: "array", minItems: 1, items: ROW } }),
    additionalProperties: false,
  },
  RowsWritten: whole({
    feature_view: TEXT,
    rows_written: COUNT,
    rows_equal: COUNT,
    rows_stale: COUNT,
    outcomes: { ...list({ enum: ["written", "equal", "stale"] }), description: "Row by row." },
  }),
};
