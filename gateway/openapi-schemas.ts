/** Schemas of the OpenAPI document that no other part of the code has: what the gateway answers, and rows over HTTP. */

import { ERRORS } from "../errors.ts";
import type { JsonValue } from "../features/json-value.ts";

/** A JSON object as a part of the document. */
export type JsonObject = { readonly [key: string]: JsonValue };

/** The request of POST /features/{view}/rows. */
export const WRITE_ROWS_REQUEST: JsonObject = {
  type: "object",
  required: ["rows"],
  additionalProperties: false,
  properties: {
    rows: {
      type: "array",
      minItems: 1,
      items: {
        type: "object",
        required: ["entity", "values", "event_timestamp"],
        additionalProperties: false,
        properties: {
          entity: { type: "object", description: "Join key → value." },
          values: {
            type: ["object", "null"],
            description: "Field → value; a field that is absent is null. null instead of them deletes the row.",
          },
          event_timestamp: {
            type: "string",
            format: "date-time",
            description: "When it happened. An older event than the stored row's is answered with stale.",
          },
          created_timestamp: {
            type: "string",
            format: "date-time",
            description:
              "When the row was made, which decides between rows of equal event time; that time itself unless given.",
          },
        },
      },
    },
  },
};

const STATUS_SCHEMA: JsonObject = { enum: ["PRESENT", "NULL_VALUE", "OUTSIDE_MAX_AGE", "NOT_FOUND"] };

/** The answer of POST /predict. */
export const PREDICT_RESPONSE: JsonObject = {
  type: "object",
  required: ["request_id", "model", "predictions", "features"],
  properties: {
    request_id: { type: "string" },
    model: { type: "string" },
    predictions: {
      type: "array",
      items: {
        type: "object",
        description: "The outputs that the model's manifest names, or `error` when the entity was rejected.",
        required: ["version"],
        properties: {
          version: { type: "integer" },
          error: { type: "object", properties: { code: { type: "string" }, detail: { type: "string" } } },
        },
      },
    },
    features: {
      type: "array",
      items: {
        type: "object",
        required: ["status", "event_timestamp", "age_seconds", "defaulted"],
        properties: {
          status: { ...STATUS_SCHEMA, description: "The worst among the entity's features." },
          event_timestamp: {
            type: ["string", "null"],
            format: "date-time",
            description: "The oldest among its views.",
          },
          age_seconds: { type: ["number", "null"] },
          defaulted: { type: "array", items: { type: "string" } },
          values: {
            type: "object",
            description: "With `explain`: view:field → its value, status, event timestamp and tier.",
            additionalProperties: {
              type: "object",
              properties: {
                value: {},
                status: STATUS_SCHEMA,
                event_timestamp: { type: ["string", "null"], format: "date-time" },
                tier: { type: "string" },
              },
            },
          },
        },
      },
    },
  },
};

const VERSION_SCHEMA: JsonObject = { type: "integer", minimum: 1 };

/** How a model's requests are split: the body of PUT /models/{name}/traffic. */
export const TRAFFIC: JsonObject = {
  type: "object",
  required: ["stable"],
  additionalProperties: false,
  properties: {
    stable: VERSION_SCHEMA,
    canary: {
      type: "object",
      required: ["version", "percent"],
      additionalProperties: false,
      properties: {
        version: VERSION_SCHEMA,
        percent: { type: "number", minimum: 0, maximum: 100, description: "In steps of 0.01." },
        guard: {
          type: "object",
          description: "Ends the canary over any bound in its last requests.",
          required: ["requests"],
          additionalProperties: false,
          properties: {
            requests: { type: "integer", minimum: 20, maximum: 100_000 },
            error_rate: { type: "number", exclusiveMinimum: 0, maximum: 1 },
            latency_ratio: { type: "number", exclusiveMinimum: 0, maximum: 1_000 },
            psi: { type: "number", exclusiveMinimum: 0, maximum: 100 },
          },
        },
      },
    },
    shadow: { type: "array", maxItems: 4, items: VERSION_SCHEMA },
    previous: VERSION_SCHEMA,
  },
};

/** The answer of POST /models/{name}/versions. */
export const DEPLOYED: JsonObject = {
  type: "object",
  required: ["model", "version", "stored", "sha256", "state", "reason", "traffic", "steps"],
  properties: {
    model: { type: "string" },
    version: VERSION_SCHEMA,
    stored: { type: "boolean", description: "false: it was a dry run." },
    sha256: { type: "string" },
    state: { type: ["string", "null"], description: "Of the version in the gateway that was asked." },
    reason: { type: ["string", "null"] },
    traffic: { oneOf: [{ $ref: "#/components/schemas/Traffic" }, { type: "null" }] },
    steps: {
      type: "array",
      items: {
        type: "object",
        required: ["step", "ok", "detail", "milliseconds"],
        properties: {
          step: { type: "string" },
          ok: { type: "boolean" },
          detail: { type: "string" },
          milliseconds: { type: "number" },
        },
      },
    },
  },
};

/** Every error. */
export const PROBLEM: JsonObject = {
  type: "object",
  description: "RFC 9457 problem details.",
  required: ["type", "title", "status", "detail", "code", "request_id"],
  properties: {
    type: { type: "string" },
    title: { type: "string" },
    status: { type: "integer" },
    detail: { type: "string" },
    code: { enum: Object.keys(ERRORS) },
    request_id: { type: "string" },
  },
};
