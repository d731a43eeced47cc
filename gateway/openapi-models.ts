/** The OpenAPI document's part on admin calls that change models. */

import type { ErrorCode } from "../errors.ts";
import type { JsonValue } from "../features/json-value.ts";
import type { JsonObject } from "./openapi-schemas.ts";

/** How openapi.ts writes the parts that all paths have. */
export interface OpenApiParts {
  operation(summary: string, tag: string, more: JsonObject): JsonObject;
  parameter(name: string, place: string, description: string, example: JsonValue): JsonObject;
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
  "VERSION_NOT_FOUND",
  "TRAFFIC_INVALID",
];

const ADMIN: JsonObject = { security: [{ adminToken: [] }] };
const BINARY: JsonObject = { type: "string", format: "binary" };

/** The paths. */
export function modelAdminPaths({ operation, parameter, problems }: OpenApiParts): JsonObject {
  const name = parameter("name", "path", "The model's name.", "churn");
  const version = parameter("version", "path", "The version's number.", "4");
  const ifMatch = parameter("if-match", "header", "The model's ETag, as it was decided on.", '"6f1c…"');
  return {
    "/models/{name}/versions": {
      post: {
        ...operation("Deploy a version: check the file, store it", "models", {
          ...ADMIN,
          responses: {
            "200": { description: "It would be stored (dry_run).", content: deployed },
            "201": { description: "It is stored.", content: deployed },
            ...problems(DEPLOY_CODES),
          },
        }),
        parameters: [
          name,
          ifMatch,
          parameter("dry_run", "query", "true: check everything, store nothing.", "true"),
          parameter("x-sha256", "header", "The SHA-256 that the ONNX file has to have, hexadecimal.", "9f86d081…"),
          parameter("content-digest", "header", "RFC 9530, of the whole body.", "sha-256=:…:"),
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
        responses: problems(["MODEL_NOT_FOUND", "VERSION_NOT_FOUND"]),
      }),
      delete: {
        ...operation("Delete a version for good", "models", ADMIN),
        parameters: [name, version, ifMatch],
        responses: {
          "204": { description: "It is gone." },
          ...problems([...ADMIN_CODES, "VERSION_NOT_FOUND", "VERSION_IN_USE"]),
        },
      },
    },
    "/models/{name}/traffic": {
      put: {
        ...operation("Say which versions answer whom", "models", { ...ADMIN, responses: problems(TRAFFIC_CODES) }),
        parameters: [name, ifMatch],
        requestBody: {
          required: true,
          content: { "application/json": { schema: { $ref: "#/components/schemas/Traffic" }, example: EXAMPLE } },
        },
      },
    },
  };
}

const deployed: JsonObject = { "application/json": { schema: { $ref: "#/components/schemas/Deployed" } } };
const EXAMPLE: JsonObject = { stable: 3, canary: { version: 4, percent: 10 } };
