/** Schemas of the OpenAPI document: what the gateway answers about models, and what changes them. */

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
  VERSION,
  whole,
} from "./json-schema.ts";

const STATE = ref("ModelState");

/** A loaded version, and what it is made of. */
const LOADED: JsonObject = whole({
  version: VERSION,
  service: { ...TEXT, description: "The feature service that feeds it." },
  features: { ...TEXTS, description: "view:field, in order." },
  outputs: { ...TEXTS, description: "Their names in the answer." },
  class_labels: mapOf({ type: "array", items: {} }),
  missing: { enum: ["reject", "default", "null"] },
  max_age_seconds: NUMBER_OR_NULL,
  sha256: TEXT,
  bytes: COUNT,
  run_microseconds: { ...NUMBER, description: "The least that one run of one row took at load." },
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
  canary: orNull(whole({ version: VERSION, percent: NUMBER, ended_because: TEXT_OR_NULL })),
  shadows: list(VERSION),
  versions: list(whole({ version: VERSION, state: STATE, reason: TEXT_OR_NULL })),
});

const COMPARED_VERSION: JsonObject = whole(
  {
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
      histogram: whole({ edges: list(NUMBER), counts: list(COUNT) }),
    }),
    drift: orNull(whole({ psi: NUMBER, ks_statistic: NUMBER, ks_p_value: NUMBER })),
  },
  {
    paired: {
      ...whole({
        count: COUNT,
        mean_difference: NUMBER_OR_NULL,
        p95_difference: NUMBER_OR_NULL,
        greatest_difference: NUMBER_OR_NULL,
      }),
      description: "Of a shadow: how far its scores were from the answered ones.",
    },
  },
);

const COMPARISON: JsonObject = whole({
  model: TEXT,
  traffic: orNull(ref("Traffic")),
  canary_ended_because: TEXT_OR_NULL,
  last_ended_canary: orNull(whole({ version: VERSION, reason: TEXT })),
  versions: { ...list(COMPARED_VERSION), description: "Stable first." },
});

const GUARD: JsonObject = {
  ...whole(
    { requests: { type: "integer", minimum: 20, maximum: 100_000 } },
    {
      error_rate: { type: "number", exclusiveMinimum: 0, maximum: 1 },
      latency_ratio: { type: "number", exclusiveMinimum: 0, maximum: 1_000 },
      psi: { type: "number", exclusiveMinimum: 0, maximum: 100 },
    },
  ),
  description: "Ends the canary over any bound in its last requests.",
  additionalProperties: false,
};

/** How a model's requests are split: the body of PUT /models/{name}/traffic. */
const TRAFFIC: JsonObject = {
  ...whole(
    { stable: VERSION },
    {
      canary: {
        ...whole(
          {
            version: VERSION,
            percent: { type: "number", minimum: 0, maximum: 100, description: "In steps of 0.01." },
          },
          { guard: GUARD },
        ),
        additionalProperties: false,
      },
      shadow: { type: "array", maxItems: 4, items: VERSION },
      previous: VERSION,
    },
  ),
  additionalProperties: false,
};

/** The answer of POST /models/{name}/versions. */
const DEPLOYED: JsonObject = whole({
  model: TEXT,
  version: VERSION,
  stored: { ...FLAG, description: "false: it was a dry run." },
  sha256: TEXT,
  state: { ...orNull(STATE), description: "Of the version in the gateway that was asked." },
  reason: TEXT_OR_NULL,
  traffic: orNull(ref("Traffic")),
  steps: list(ref("DeployStep")),
});

/** By name in the document's components. */
export const MODEL_SCHEMAS: JsonObject = {
  ModelState: {
    enum: ["UNKNOWN", "LOADING", "READY", "UNLOADING", "UNAVAILABLE"],
    description: "In Triton's words; UNKNOWN is a version that nobody has asked to be loaded.",
  },
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
  Traffic: TRAFFIC,
  ModelTraffic: whole({ model: TEXT, traffic: ref("Traffic") }),
  Comparison: COMPARISON,
  Deployed: DEPLOYED,
  DeployStep: whole({ step: TEXT, ok: FLAG, detail: TEXT, milliseconds: NUMBER }),
};

/** The header of an answer that tells a model's ETag. */
export const ETAG: JsonObject = {
  etag: { description: "The model's, for the if-match of admin calls.", schema: TEXT },
};
