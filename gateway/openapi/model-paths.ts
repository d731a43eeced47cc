/** The OpenAPI document's part on models: what there is, and the admin calls that change it. */

import type { ErrorCode } from "../../errors.ts";
import type { ExampleProject } from "./example-project.ts";
import { type JsonObject, ref, TEXT } from "./json-schema.ts";
import { ETAG } from "./model-schemas.ts";
import { ADMIN_TOKEN, answer, operation, parameter, refusals, requestBody } from "./operation.ts";

const ADMIN_CODES: readonly ErrorCode[] = [
  "UNAUTHENTICATED",
  "FORBIDDEN",
  "MODEL_NOT_FOUND",
  "PRECONDITION_FAILED",
  "DEPLOY_CONFLICT",
  "REPOSITORY_UNREACHABLE",
  "INTERNAL",
];
const DEPLOY_REFUSALS = refusals([
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
]);
const TRAFFIC_REFUSALS = refusals([
  ...ADMIN_CODES,
  "BODY_NOT_JSON",
  "REQUEST_ABORTED",
  "BODY_TOO_LARGE",
  "UNSUPPORTED_MEDIA_TYPE",
  "REQUEST_INVALID",
  "VERSION_NOT_FOUND",
  "TRAFFIC_INVALID",
]);
const DELETE_REFUSALS = refusals([...ADMIN_CODES, "REQUEST_INVALID"]);
const DELETE_VERSION_REFUSALS = refusals([...ADMIN_CODES, "REQUEST_INVALID", "VERSION_NOT_FOUND", "VERSION_IN_USE"]);
const MODEL_REFUSALS = refusals(["MODEL_NOT_FOUND"]);
const VERSION_REFUSALS = refusals(["MODEL_NOT_FOUND", "VERSION_NOT_FOUND"]);

const BINARY: JsonObject = { type: "string", format: "binary" };
const LOCATION: JsonObject = { location: { description: "The version's path.", schema: TEXT } };
const GONE: JsonObject = { "204": { description: "It is gone." } };

/** The paths. What deletes has no example to be sent: the page would need one click to take away what serves. */
export function modelPaths({ model, version }: Pick<ExampleProject, "model" | "version">): JsonObject {
  const parameters: Parameters = {
    name: parameter("name", "path", NAME, model),
    nameToDelete: parameter("name", "path", NAME),
    version: parameter("version", "path", VERSION, String(version)),
    versionToDelete: parameter("version", "path", VERSION),
    ifMatch: parameter("if-match", "header", "The model's ETag, as it was decided on."),
  };
  return { ...wholeModelPaths(parameters, version), ...versionPaths(parameters) };
}

const NAME = "The model's name.";
const VERSION = "The version's number.";
type Parameters = Readonly<Record<"name" | "nameToDelete" | "version" | "versionToDelete" | "ifMatch", JsonObject>>;

function wholeModelPaths({ ifMatch, name, nameToDelete }: Parameters, stable: number): JsonObject {
  return {
    "/models": {
      get: operation("List models", "models", { responses: { "200": answer("OK", "Models") } }),
    },
    "/models/{name}": {
      get: operation("One model: versions, states, service", "models", {
        parameters: [name],
        responses: { "200": answer("OK", "Model", ETAG), ...MODEL_REFUSALS },
      }),
      delete: operation("Delete a model with all of its versions", "models", {
        ...ADMIN_TOKEN,
        parameters: [nameToDelete, ifMatch],
        responses: { ...GONE, ...DELETE_REFUSALS },
      }),
    },
    "/models/{name}/comparison": {
      get: operation("Loaded versions side by side: requests, errors, latency, scores, drift", "models", {
        parameters: [name],
        responses: { "200": answer("OK", "Comparison"), ...MODEL_REFUSALS },
      }),
    },
    "/models/{name}/traffic": {
      put: operation("Say which versions answer whom", "models", {
        ...ADMIN_TOKEN,
        parameters: [name, ifMatch],
        requestBody: requestBody(ref("Traffic"), { stable, canary: { version: stable + 1, percent: 10 } }),
        responses: { "200": answer("OK", "ModelTraffic", ETAG), ...TRAFFIC_REFUSALS },
      }),
    },
  };
}

function versionPaths({ ifMatch, name, nameToDelete, version, versionToDelete }: Parameters): JsonObject {
  return {
    "/models/{name}/versions": {
      post: operation("Deploy a version: check the file, store it", "models", {
        ...ADMIN_TOKEN,
        parameters: [
          name,
          ifMatch,
          parameter("dry_run", "query", "true: check everything, store nothing."),
          parameter("x-sha256", "header", "The SHA-256 that the ONNX file has to have, hexadecimal."),
          parameter("content-digest", "header", "RFC 9530, of the whole body: sha-256=:<base64>:."),
        ],
        requestBody: UPLOAD,
        responses: {
          "200": answer("It would be stored (dry_run).", "Deployed", ETAG),
          "201": answer("It is stored.", "Deployed", { ...ETAG, ...LOCATION }),
          ...DEPLOY_REFUSALS,
        },
      }),
    },
    "/models/{name}/versions/{version}": {
      get: operation("One version: its state, and what it is made of", "models", {
        parameters: [name, version],
        responses: {
          "200": answer("OK", "ModelVersion", ETAG),
          ...VERSION_REFUSALS,
        },
      }),
      delete: operation("Delete a version for good", "models", {
        ...ADMIN_TOKEN,
        parameters: [nameToDelete, versionToDelete, ifMatch],
        responses: { ...GONE, ...DELETE_VERSION_REFUSALS },
      }),
    },
  };
}

const UPLOAD: JsonObject = {
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
};
