/**
 * GET /openapi.json: the API as an OpenAPI 3.1 document. The request's schema is the one that requests are checked by,
 * and the error codes are the error table's, so neither can drift from the code.
 */

import { ERRORS, type ErrorCode } from "../errors.ts";
import type { JsonValue } from "../features/json-value.ts";
import { formatTimestampUs } from "../features/timestamp.ts";
import { feastPaths } from "./feast-http/openapi-paths.ts";
import { inferencePaths } from "./inference-protocol/openapi-paths.ts";
import { MODEL_SCHEMAS } from "./openapi-model-schemas.ts";
import { modelPaths } from "./openapi-models.ts";
import {
  DEPLOYED,
  type JsonObject,
  PREDICT_RESPONSE,
  PROBLEM,
  TRAFFIC,
  WRITE_ROWS_REQUEST,
} from "./openapi-schemas.ts";
import { predictRequestJsonSchema } from "./predict-request.ts";

const PREDICT_CODES: readonly ErrorCode[] = [
  "BODY_NOT_JSON",
  "REQUEST_ABORTED",
  "UNAUTHENTICATED",
  "FORBIDDEN",
  "MODEL_NOT_FOUND",
  "VERSION_NOT_FOUND",
  "BODY_TOO_LARGE",
  "TOO_MANY_ENTITIES",
  "UNSUPPORTED_MEDIA_TYPE",
  "REQUEST_INVALID",
  "ENTITY_KEY_INVALID",
  "CONTEXT_INVALID",
  "FEATURES_MISSING",
  "MODEL_FAILED",
  "TRANSFORM_FAILED",
  "INTERNAL",
  "OVERLOADED",
  "MODEL_UNAVAILABLE",
  "STORE_UNREACHABLE",
  "DEADLINE_EXCEEDED",
];
/** Needed only where the gateway has an admin token. */
const OPTIONAL_TOKEN: JsonValue = [{}, { adminToken: [] }];
const DEBUG_CODES: readonly ErrorCode[] = [
  "UNAUTHENTICATED",
  "FORBIDDEN",
  "VIEW_NOT_FOUND",
  "ENTITY_KEY_INVALID",
  "INTERNAL",
  "STORE_UNREACHABLE",
];

/** The document; `version` is the package's. An event in an example happens at `nowMs`, or what is stored would be newer. */
export function openApiDocument(version: string, nowMs: number): JsonObject {
  return {
    openapi: "3.1.0",
    info: {
      title: "Headgate",
      version,
      description: "Send an entity id, get a prediction, the model version and how old its features were.",
    },
    paths: {
      "/predict": { post: predictOperation() },
      "/features": { get: operation("List feature views and services", "features", {}) },
      "/features/{view}": {
        get: operation("Why this value? One entity's row in every tier", "features", {
          security: OPTIONAL_TOKEN,
          parameters: [
            parameter("view", "path", "The feature view's name.", "customer_30d_features"),
            {
              ...parameter("entity", "query", "The view's join keys, one query parameter each.", { customer_id: 17 }),
              style: "form",
              explode: true,
              schema: { type: "object", additionalProperties: { type: ["string", "integer"] } },
            },
          ],
          responses: problems(DEBUG_CODES),
        }),
      },
      "/features/{view}/rows": { post: writeRowsOperation(nowMs) },
      ...modelPaths({ operation, parameter, problems }),
      ...inferencePaths({ operation, parameter }),
      ...feastPaths({ operation }),
      "/livez": { get: operation("The process answers", "health", {}) },
      "/readyz": {
        get: operation("The gateway should be sent requests", "health", {
          responses: { "503": { description: "It should not." } },
        }),
      },
      "/metrics": {
        get: operation("Metrics in Prometheus' text form", "health", {
          responses: { "200": { description: "OK", content: { "text/plain": { schema: { type: "string" } } } } },
        }),
      },
    },
    components: {
      schemas: {
        PredictRequest: predictRequestJsonSchema(),
        PredictResponse: PREDICT_RESPONSE,
        WriteRowsRequest: WRITE_ROWS_REQUEST,
        Traffic: TRAFFIC,
        Deployed: DEPLOYED,
        ...MODEL_SCHEMAS,
        Problem: PROBLEM,
      },
      securitySchemes: {
        adminToken: { type: "http", scheme: "bearer", description: "HEADGATE_ADMIN_TOKEN, where it is set." },
      },
    },
  };
}

function predictOperation(): JsonObject {
  return {
    ...operation("Predict for one entity or many", "predict", { security: OPTIONAL_TOKEN }),
    parameters: [
      parameter("x-request-id", "header", "Honoured and echoed.", "b3f1"),
      parameter("x-deadline-ms", "header", "The budget for this answer, ms.", "1000"),
      parameter("x-headgate-version", "header", "For testers: the version that is to answer, if it is ready."),
    ],
    requestBody: {
      required: true,
      content: {
        "application/json": {
          schema: { $ref: "#/components/schemas/PredictRequest" },
          example: { model: "churn", entities: { customer_id: 17 } },
        },
      },
    },
    responses: {
      "200": {
        description: "The predictions; predictions[i] and features[i] belong to entity i.",
        content: { "application/json": { schema: { $ref: "#/components/schemas/PredictResponse" } } },
      },
      ...problems(PREDICT_CODES),
    },
  };
}

const WRITE_ROWS_CODES: readonly ErrorCode[] = [
  "BODY_NOT_JSON",
  "REQUEST_ABORTED",
  "UNAUTHENTICATED",
  "FORBIDDEN",
  "VIEW_NOT_FOUND",
  "REGISTRY_NOT_APPLIED",
  "BODY_TOO_LARGE",
  "TOO_MANY_ENTITIES",
  "UNSUPPORTED_MEDIA_TYPE",
  "ROWS_INVALID",
  "INTERNAL",
  "STORE_UNREACHABLE",
  "STORE_UNWRITABLE",
];

function writeRowsOperation(nowMs: number): JsonObject {
  return {
    ...operation("Write rows of a feature view, newest wins", "features", {
      security: [{ adminToken: [] }],
      responses: problems(WRITE_ROWS_CODES),
    }),
    parameters: [parameter("view", "path", "The feature view's name.", "customer_30d_features")],
    requestBody: {
      required: true,
      content: {
        "application/json": {
          schema: { $ref: "#/components/schemas/WriteRowsRequest" },
          example: {
            rows: [
              {
                entity: { customer_id: 17 },
                values: { orders_30d: 4, aov_30d: 49.5, returns_rate_30d: 0, time_since_last_d: 1.5 },
                event_timestamp: formatTimestampUs(nowMs * 1_000),
              },
            ],
          },
        },
      },
    },
  };
}

function operation(summary: string, tag: string, more: JsonObject): JsonObject {
  const responses = {
    "200": { description: "OK", content: { "application/json": {} } },
    ...((more.responses ?? {}) as JsonObject),
  };
  return { summary, tags: [tag], ...more, responses };
}

/** An example is what the page fills in, and sends unless it is taken out: only what any request may carry has one. */
function parameter(name: string, place: string, description: string, example?: JsonValue): JsonObject {
  const about = { name, in: place, description, required: place === "path", schema: { type: "string" } };
  return example === undefined ? about : { ...about, example };
}

/** One response per status, telling the codes that come with it. */
function problems(codes: readonly ErrorCode[]): JsonObject {
  const byStatus: Record<string, JsonObject> = {};
  for (const status of new Set(codes.map((code) => ERRORS[code].status))) {
    const told = codes
      .filter((code) => ERRORS[code].status === status)
      .map((code) => `\`${code}\`: ${ERRORS[code].sentence}`);
    byStatus[String(status)] = {
      description: told.join("\n\n"),
      content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
    };
  }
  return byStatus;
}
