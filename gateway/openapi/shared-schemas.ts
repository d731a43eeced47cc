/** Schemas of the OpenAPI document: predictions, health, and the one form of errors. */

import { ERRORS } from "../../errors.ts";
import { predictRequestJsonSchema } from "../predict-request.ts";
import {
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
  TIME_OR_NULL,
  VERSION,
  whole,
} from "./json-schema.ts";

const STATUS = ref("FeatureStatus");

/** The answer of POST /predict. */
const PREDICT_RESPONSE: JsonObject = whole({
  request_id: TEXT,
  model: TEXT,
  predictions: list({
    ...whole({ version: VERSION }, { error: whole({ code: ref("ErrorCode"), detail: TEXT }) }),
    additionalProperties: { description: "An output, by the name that the manifest gives it." },
    description: "The outputs that the model's manifest names, or `error` when the entity was rejected.",
    examples: [{ version: 1, score: 0.5 }],
  }),
  features: list(
    whole(
      {
        status: { ...STATUS, description: "The worst among the entity's features." },
        event_timestamp: { ...TIME_OR_NULL, description: "The oldest among its views." },
        age_seconds: NUMBER_OR_NULL,
        defaulted: { ...TEXTS, description: "The features that got the manifest's default." },
      },
      {
        values: {
          ...mapOf(whole({ value: {}, status: STATUS, event_timestamp: TIME_OR_NULL, tier: TEXT_OR_NULL })),
          description: "With `explain`: view:field → its value, status, event timestamp and tier.",
        },
      },
    ),
  ),
});

const READINESS: JsonObject = whole({
  status: { enum: ["ready", "not ready", "draining"] },
  online_store: whole({
    address: TEXT,
    problem: TEXT_OR_NULL,
    memory: {
      ...orNull(
        whole({ state: { enum: ["armed", "doubted"] }, since_seconds: NUMBER, staleness_bound_seconds: NUMBER }),
      ),
      description: "Whether rows kept in memory before a remote store are served.",
    },
  }),
  registry_fingerprint: { ...TEXT, description: "Of the definitions it serves by." },
  applied_fingerprint: { ...TEXT_OR_NULL, description: "Of what is applied now." },
  registry_problem: TEXT_OR_NULL,
  parity_problem: TEXT_OR_NULL,
  models: list(whole({ name: TEXT, state: ref("ModelState"), version: orNull(VERSION), reason: TEXT_OR_NULL })),
});

const PROBLEM: JsonObject = {
  ...whole(
    {
      type: { ...TEXT, description: "urn:headgate:error:<code>" },
      title: { ...TEXT, description: "What the code means." },
      status: { type: "integer", description: "The answer's own." },
      detail: { ...TEXT, description: "The offender by name, and the next step." },
      code: ref("ErrorCode"),
      request_id: TEXT,
    },
    { steps: { ...list(ref("DeployStep")), description: "Of a deploy: how far it came." } },
  ),
  description: "RFC 9457 problem details.",
};

/** By name in the document's components. */
export const SCHEMAS: JsonObject = {
  PredictRequest: predictRequestJsonSchema(),
  PredictResponse: PREDICT_RESPONSE,
  Liveness: whole({ status: { const: "live" } }),
  Readiness: READINESS,
  ErrorCode: { enum: Object.keys(ERRORS) },
  Problem: PROBLEM,
};
