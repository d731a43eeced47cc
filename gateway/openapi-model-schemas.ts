/** Schemas of the OpenAPI document: what the gateway answers about models. */

import type { JsonObject } from "./openapi-schemas.ts";

const VERSION: JsonObject = { type: "integer", minimum: 1 };
const TEXT: JsonObject = { type: "string" };
const TEXT_OR_NULL: JsonObject = { type: ["string", "null"] };
const NUMBER_OR_NULL: JsonObject = { type: ["number", "null"] };
const TEXTS: JsonObject = { type: "array", items: TEXT };
const STATE: JsonObject = {
  enum: ["UNKNOWN", "LOADING", "READY", "UNLOADING", "UNAVAILABLE"],
  description: "In Triton's words; UNKNOWN is a version that nobody has asked to be loaded.",
};

/** An object that has all of its members. */
const whole = (properties: JsonObject): JsonObject => ({
  type: "object",
  required: Object.keys(properties),
  properties,
});
const orNull = (schema: JsonObject): JsonObject => ({ oneOf: [schema, { type: "null" }] });
const list = (items: JsonObject): JsonObject => ({ type: "array", items });
const ref = (name: string): JsonObject => ({ $ref: `#/components/schemas/${name}` });

/** A loaded version, and what it is made of. */
const LOADED: JsonObject = whole({
  version: VERSION,
  service: { ...TEXT, description: "The feature service that feeds it." },
  features: { ...TEXTS, description: "view:field, in order." },
  outputs: { ...TEXTS, description: "Their names in the answer." },
  class_labels: { type: "object", additionalProperties: { type: "array", items: {} } },
  missing: { enum: ["reject", "default", "null"] },
  max_age_seconds: NUMBER_OR_NULL,
  sha256: TEXT,
  bytes: { type: "integer" },
  run_microseconds: { type: "number", description: "The least that one run of one row took at load." },
  placement: { enum: ["inline", "workers"] },
});

const MODEL: JsonObject = whole({
  name: TEXT,
  state: STATE,
  reason: {
    ...TEXT_OR_NULL,
    description:
      "Why there is no stable version, or another one than there should be, or what the traffic names that is not there.",
  },
  traffic: orNull(ref("Traffic")),
  stable: orNull(ref("LoadedVersion")),
  canary: orNull(whole({ version: VERSION, percent: { type: "number" }, ended_because: TEXT_OR_NULL })),
  shadows: list(VERSION),
  versions: list(whole({ version: VERSION, state: STATE, reason: TEXT_OR_NULL })),
});

const COUNT: JsonObject = { type: "integer", minimum: 0 };

const COMPARISON: JsonObject = whole({
  model: TEXT,
  traffic: orNull(ref("Traffic")),
  canary_ended_because: TEXT_OR_NULL,
  last_ended_canary: orNull(whole({ version: VERSION, reason: TEXT })),
  versions: list({
    ...whole({
      version: VERSION,
      role: { enum: ["stable", "canary", "shadow", "ready"] },
      requests: COUNT,
      failures: COUNT,
      error_rate: NUMBER_OR_NULL,
      last_failure: TEXT_OR_NULL,
      entities: COUNT,
      rejected: COUNT,
      model_milliseconds: whole({ p50: NUMBER_OR_NULL, p95: NUMBER_OR_NULL, p99: NUMBER_OR_NULL }),
      scores: whole({
        count: COUNT,
        mean: NUMBER_OR_NULL,
        p05: NUMBER_OR_NULL,
        p50: NUMBER_OR_NULL,
        p95: NUMBER_OR_NULL,
        histogram: whole({ edges: list({ type: "number" }), counts: list(COUNT) }),
      }),
      drift: orNull(
        whole({ psi: { type: "number" }, ks_statistic: { type: "number" }, ks_p_value: { type: "number" } }),
      ),
    }),
    description: "Stable first; of a shadow `paired` tells how far its scores were from the answered ones.",
  }),
});

/** By name in the document's components. */
export const MODEL_SCHEMAS: JsonObject = {
  LoadedVersion: LOADED,
  Model: MODEL,
  Models: whole({ models: list(ref("Model")) }),
  ModelVersion: whole({
    name: TEXT,
    version: VERSION,
    state: STATE,
    reason: TEXT_OR_NULL,
    loaded: orNull(ref("LoadedVersion")),
  }),
  ModelTraffic: whole({ model: TEXT, traffic: ref("Traffic") }),
  Comparison: COMPARISON,
};

/** The header of an answer that tells a model's ETag. */
export const ETAG: JsonObject = {
  etag: { description: "The model's, for the if-match of admin calls.", schema: TEXT },
};

/** An answer with a schema of the components. */
export function answer(description: string, schema: string, headers: JsonObject = {}): JsonObject {
  return { description, headers, content: { "application/json": { schema: ref(schema) } } };
}
