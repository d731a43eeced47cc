/**
 * GET /openapi.json: the API as an OpenAPI 3.1 document. The request's schema is the one that requests are checked by,
 * the error codes are the error table's, and the examples are of the project that runs, so none can drift from them.
 */

import { feastPaths } from "../feast-http/openapi-paths.ts";
import { FEAST_SCHEMAS } from "../feast-http/openapi-schemas.ts";
import { inferencePaths } from "../inference-protocol/openapi-paths.ts";
import { INFERENCE_SCHEMAS } from "../inference-protocol/openapi-schemas.ts";
import { type ExampleProject, exampleValues, PLACEHOLDER } from "./example-project.ts";
import { featurePaths } from "./feature-paths.ts";
import { FEATURE_SCHEMAS } from "./feature-schemas.ts";
import { type JsonObject, ref, TEXT } from "./json-schema.ts";
import { modelPaths } from "./model-paths.ts";
import { MODEL_SCHEMAS } from "./model-schemas.ts";
import { answer, OPTIONAL_TOKEN, operation, PREDICTION_CODES, parameter, refusals, requestBody } from "./operation.ts";
import { SCHEMAS } from "./shared-schemas.ts";

const PREDICT_REFUSALS = refusals([...PREDICTION_CODES, "UNAUTHENTICATED", "FORBIDDEN"]);

/**
 * The document; `version` is the package's. Its examples name what `project` has, and happen at `nowMs`, or what is
 * stored would be newer.
 */
export function openApiDocument(version: string, nowMs: number, project: ExampleProject = PLACEHOLDER): JsonObject {
  return {
    openapi: "3.1.0",
    info: {
      title: "Headgate",
      version,
      description: "Send an entity id, get a prediction, the model version and how old its features were.",
    },
    paths: {
      "/predict": { post: predictOperation(project) },
      ...featurePaths(project.view, nowMs),
      ...modelPaths(project),
      ...inferencePaths(project),
      ...feastPaths(project.view, nowMs),
      ...HEALTH_PATHS,
    },
    components: {
      schemas: { ...SCHEMAS, ...FEATURE_SCHEMAS, ...MODEL_SCHEMAS, ...INFERENCE_SCHEMAS, ...FEAST_SCHEMAS },
      securitySchemes: {
        adminToken: { type: "http", scheme: "bearer", description: "HEADGATE_ADMIN_TOKEN, where it is set." },
      },
    },
  };
}

function predictOperation({ context, joinKeys, model }: ExampleProject): JsonObject {
  const example = { model, entities: exampleValues(joinKeys) };
  const hasContext = Object.keys(context).length > 0;
  return operation("Predict for one entity or many", "predict", {
    ...OPTIONAL_TOKEN,
    parameters: [
      parameter("x-request-id", "header", "Honoured and echoed.", "b3f1"),
      parameter("x-deadline-ms", "header", "The budget for this answer, ms.", "1000"),
      parameter("x-headgate-version", "header", "For testers: the version that is to answer, if it is ready."),
    ],
    requestBody: requestBody(
      ref("PredictRequest"),
      hasContext ? { ...example, context: exampleValues(context) } : example,
    ),
    responses: {
      "200": answer("The predictions; predictions[i] and features[i] belong to entity i.", "PredictResponse"),
      ...PREDICT_REFUSALS,
    },
  });
}

const HEALTH_PATHS: JsonObject = {
  "/livez": { get: operation("The process answers", "health", { responses: { "200": answer("OK", "Liveness") } }) },
  "/readyz": {
    get: operation("The gateway should be sent requests", "health", {
      responses: { "200": answer("It should.", "Readiness"), "503": answer("It should not.", "Readiness") },
    }),
  },
  "/metrics": {
    get: operation("Metrics in Prometheus' text form", "health", {
      responses: { "200": { description: "OK", content: { "text/plain": { schema: TEXT } } } },
    }),
  },
};
