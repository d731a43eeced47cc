/** The OpenAPI document's part on the Open Inference Protocol: which routes there are. The bodies are the protocol's. */

import type { OpenApiParts } from "../openapi-models.ts";
import type { JsonObject } from "../openapi-schemas.ts";

/** The paths. */
export function inferencePaths({ operation, parameter }: Pick<OpenApiParts, "operation" | "parameter">): JsonObject {
  const model = parameter("model", "path", "The model's name.", "churn");
  const version = parameter("version", "path", "The version's number.", "1");
  const told = (summary: string, more: JsonObject = {}) =>
    operation(summary, "inference protocol", { responses: ERROR, ...more });
  const ofModel = (path: string, method: string, summary: string, more: JsonObject = {}): JsonObject => ({
    [`/v2/models/{model}${path}`]: { [method]: told(summary, { parameters: [model], ...more }) },
    [`/v2/models/{model}/versions/{version}${path}`]: {
      [method]: told(`${summary}, of one version`, { parameters: [model, version], ...more }),
    },
  });
  const ofRepository = (verb: string, summary: string): JsonObject => ({
    [`/v2/repository/models/{model}/${verb}`]: {
      post: told(summary, { parameters: [model], security: [{}, { adminToken: [] }] }),
    },
  });
  return {
    "/v2": { get: told("The server's name, version and extensions") },
    "/v2/health/live": { get: told("The process answers") },
    "/v2/health/ready": { get: told("The gateway should be sent requests") },
    "/v2/models": { get: told("The models' names") },
    "/v2/models/stats": { get: told("Statistics of all models") },
    ...ofModel("", "get", "A model's tensors, and by which its features are looked up"),
    ...ofModel("/ready", "get", "Whether a model can be asked"),
    ...ofModel("/config", "get", "A model's configuration, as Triton has it"),
    ...ofModel("/stats", "get", "A model's statistics"),
    ...ofModel("/infer", "post", "Run a model over tensors, or over the features of entities", { requestBody: INFER }),
    "/v2/repository/index": { post: told("Every version of every model, and its state") },
    ...ofRepository("load", "Look into the model repository now"),
    ...ofRepository("unload", "Refused: the model repository says what is loaded"),
  };
}

const ERROR: JsonObject = {
  "4XX": {
    description: "What is wrong, in a sentence.",
    content: {
      "application/json": {
        schema: { type: "object", required: ["error"], properties: { error: { type: "string" } } },
      },
    },
  },
};

const INFER: JsonObject = {
  required: true,
  content: {
    "application/json": {
      schema: { type: "object", required: ["inputs"] },
      example: { inputs: [{ name: "customer_id", datatype: "INT64", shape: [1], data: [17] }] },
    },
  },
};
