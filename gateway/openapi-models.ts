/** The OpenAPI document's part on models: what there is, and the admin calls that change it. */

import type { ErrorCode } from "../errors.ts";
import type { JsonValue } from "../features/json-value.ts";
import { answer, ETAG } from "./openapi-model-schemas.ts";
import type { JsonObject } from "./openapi-schemas.ts";

/** How openapi.ts writes the parts that all paths have. */
export interface OpenApiParts {
  operation(summary: string, tag: string, more: JsonObject): JsonObject;
  parameter(name: string, place: string, description: string, example?: JsonValue): JsonObject;
  problems(codes: readonly ErrorCode[]): JsonObject;
}

const ADMIN_CODES: readonly ErrorCode[] = [
  "UNAUTHENTICATED",
  "FORBIDDEN",
  "MODEL_NOT_FOUND",
  "PRECONDITION_FAILED",
  "DEPLOY_CONFLICT",
  "REPOSITORY_UNREACHABLE",
  "INTERNAL",
];
const DEPLOY_CODES: readonly ErrorCode[] = [
  ...ADMIN_CODES,
  "REQUEST_ABORTED",
  "BODY_TOO_LARGE",
  "UNSUPPORTED_MEDIA_TYPE",
  "REQUEST_INVALID",
  "CHECKSUM_MISMATCH",
  "MODEL_FILE_INVALID",
  "MANIFEST_INVALID",
  "SIGNATURE_MISMATCH",
  "GOLDEN_MISMATCH",
  "MODEL_FAILED",
  "DRY_RUN_FAILED",
  "PARITY_REQUIRED",
  "OVERLOADED",
  "STORE_UNREACHABLE",
];
const TRAFFIC_CODES: readonly ErrorCode[] = [
  ...ADMIN_CODES,
  "BODY_NOT_JSON",
  "REQUEST_ABORTED",
  "BODY_TOO_LARGE",
  "UNSUPPORTED_MEDIA_TYPE",
  "REQUEST_INVALID",
  "VERSION_NOT_FOUND",
  "TRAFFIC_INVALID",
];

const ADMIN: JsonObject = { security: [{ adminToken: [] }] };
const BINARY: JsonObject = { type: "string", format: "binary" };

/** The paths. */
export function modelPaths(parts: OpenApiParts): JsonObject {
  const { parameter } = parts;
  const parameters: Parameters = {
    name: parameter("name", "path", "The model's name.", "churn"),
    version: parameter("version", "path", "The version's number.", "4"),
    ifMatch: parameter("if-match", "header", "The model's ETag, as it was decided on."),
  };
  return { ...wholeModelPaths(parts, parameters), ...versionPaths(parts, parameters) };
}

type Parameters = Readonly<Record<"name" | "version" | "ifMatch", JsonObject>>;

function wholeModelPaths({ operation, problems }: OpenApiParts, { ifMatch, name }: Parameters): JsonObject {
  return {
    "/models": {
      get: operation("List models", "models", { responses: { "200": answer("OK", "Models") } }),
    },
    "/models/{name}": {
      get: operation("One model: versions, states, service", "models", {
        parameters: [name],
        responses: { "200": answer("OK", "Model", ETAG), ...problems(["MODEL_NOT_FOUND"]) },
      }),
      delete: {
        ...operation("Delete a model with all of its versions", "models", ADMIN),
        parameters: [name, ifMatch],
        responses: { "204": { description: "It is gone." }, ...problems([...ADMIN_CODES, "REQUEST_INVALID"]) },
      },
    },
    "/models/{name}/comparison": {
      get: operation("Loaded versions side by side: requests, errors, latency, scores, drift", "models", {
        parameters: [name],
        responses: { "200": answer("OK", "Comparison"), ...problems(["MODEL_NOT_FOUND"]) },
      }),
    },
    "/models/{name}/traffic": {
      put: {
        ...operation("Say which versions answer whom", "models", {
          ...ADMIN,
          responses: { "200": answer("OK", "ModelTraffic", ETAG), ...problems(TRAFFIC_CODES) },
        }),
        parameters: [name, ifMatch],
        requestBody: {
          required: true,
          content: { "application/json": { schema: { $ref: "#/components/schemas/Traffic" }, example: EXAMPLE } },
        },
      },
    },
  };
}

function versionPaths({ operation, parameter, problems }: OpenApiParts, parameters: Parameters): JsonObject {
  const { ifMatch, name, version } = parameters;
  return {
    "/models/{name}/versions": {
      post: {
        ...operation("Deploy a version: check the file, store it", "models", {
          ...ADMIN,
          responses: {
            "200": answer("It would be stored (dry_run).", "Deployed", ETAG),
            "201": answer("It is stored.", "Deployed", { ...ETAG, ...LOCATION }),
            ...problems(DEPLOY_CODES),
          },
        }),
        parameters: [
          name,
          ifMatch,
          parameter("dry_run", "query", "true: check everything, store nothing."),
          parameter("x-sha256", "header", "The SHA-256 that the ONNX file has to have, hexadecimal."),
          parameter("content-digest", "header", "RFC 9530, of the whole body: sha-256=:<base64>:."),
        ],
        requestBody: {
          required: true,
          content: {
            "application/octet-stream": { schema: BINARY },
            "multipart/form-data": {
              schema: {
                type: "object",
                required: ["model"],
                properties: {
                  model: { ...BINARY, description: "The ONNX file." },
                  manifest: { ...BINARY, description: "Its manifest." },
                },
                additionalProperties: { ...BINARY, description: "A file of weights, by its file name." },
              },
            },
          },
        },
      },
    },
    "/models/{name}/versions/{version}": {
      get: operation("One version: its state, and what it is made of", "models", {
        parameters: [name, version],
        responses: { "200": answer("OK", "ModelVersion", ETAG), ...problems(["MODEL_NOT_FOUND", "VERSION_NOT_FOUND"]) },
      }),
      delete: {
        ...operation("Delete a version for good", "models", ADMIN),
        parameters: [name, version, ifMatch],
        responses: {
          "204": { description: "It is gone." },
          ...problems([...ADMIN_CODES, "REQUEST_INVALID", "VERSION_NOT_FOUND", "VERSION_IN_USE"]),
        },
      },
    },
  };
}

const LOCATION: JsonObject = { location: { description: "The version's path.", schema: { type: "string" } } };
const EXAMPLE: JsonObject = { stable: 3, canary: { version: 4, percent: 10 } };
