/** The OpenAPI document's part on the Open Inference Protocol. Requests are the protocol's, answers are in openapi-schemas.ts. */

import type { ErrorCode } from "../../errors.ts";
import type { JsonValue } from "../../features/json-value.ts";
import { type ExampleProject, exampleValue } from "../openapi/example-project.ts";
import { type JsonObject, ref } from "../openapi/json-schema.ts";
import {
  answer,
  OPTIONAL_TOKEN,
  operation,
  PREDICTION_CODES,
  parameter,
  refusals,
  requestBody,
} from "../openapi/operation.ts";
import { entityDatatype } from "./infer-plan.ts";
import { inferProblem } from "./infer-problem.ts";

const INFER_REFUSALS = inferRefusals(PREDICTION_CODES);
/** Of a body that may be empty. */
const BODY_CODES: readonly ErrorCode[] = [
  "BODY_NOT_JSON",
  "REQUEST_ABORTED",
  "BODY_TOO_LARGE",
  "UNSUPPORTED_MEDIA_TYPE",
  "REQUEST_INVALID",
  "DEADLINE_EXCEEDED",
];
const INDEX_REFUSALS = inferRefusals(BODY_CODES);
const LOAD_REFUSALS = inferRefusals([
  ...BODY_CODES,
  ...(["UNAUTHENTICATED", "FORBIDDEN", "MODEL_NOT_FOUND", "MODEL_UNAVAILABLE", "REPOSITORY_UNREACHABLE"] as const),
]);
const UNLOAD_REFUSALS = inferRefusals(["UNAUTHENTICATED", "FORBIDDEN", "MODEL_NOT_FOUND", "VERSION_IN_USE"]);
const STABLE_REFUSALS = inferRefusals(["MODEL_NOT_FOUND", "REQUEST_INVALID", "MODEL_UNAVAILABLE"]);
const VERSION_REFUSALS = inferRefusals(["MODEL_NOT_FOUND", "VERSION_NOT_FOUND", "REQUEST_INVALID"]);

function inferRefusals(codes: readonly ErrorCode[]): JsonObject {
  return refusals(codes, { answerTo: inferProblem, schema: ref("InferRefusal") });
}

/** The paths. */
export function inferencePaths(project: ExampleProject): JsonObject {
  return { ...serverPaths(), ...modelPaths(project), ...repositoryPaths(project.model) };
}

function serverPaths(): JsonObject {
  const get = (summary: string, responses: JsonObject) => ({ get: told(summary, { responses }) });
  return {
    "/v2": get("The server's name, version and extensions", { "200": answer("OK", "ServerMetadata") }),
    "/v2/health/live": get("The process answers", { "200": answer("OK", "ServerLive") }),
    "/v2/health/ready": get("The gateway should be sent requests", {
      "200": answer("It should.", "ServerReady"),
      "503": answer("It should not.", "ServerReady"),
    }),
    "/v2/models": get("The models' names", { "200": answer("OK", "ModelNames") }),
    "/v2/models/stats": get("Statistics of all models", { "200": answer("OK", "ModelStatistics") }),
  };
}

/** What is told of a model: path below it, summary, schema of the answer. */
const MODEL_READS = [
  ["", "A model's tensors, and by which its features are looked up", "ModelMetadata"],
  ["/ready", "Whether a model can be asked", "ModelReady"],
  ["/config", "A model's configuration, as Triton has it", "ModelConfig"],
  ["/stats", "A model's statistics", "ModelStatistics"],
] as const;

/** Each is there for a model and for one version of it. */
function modelPaths(project: ExampleProject): JsonObject {
  const model = parameter("model", "path", "The model's name.", project.model);
  const version = parameter("version", "path", "The version's number.", String(project.version));
  const targets = [
    { path: "/v2/models/{model}", ending: "", parameters: [model], refused: STABLE_REFUSALS },
    {
      ...{ path: "/v2/models/{model}/versions/{version}", ending: ", of one version" },
      ...{ parameters: [model, version], refused: VERSION_REFUSALS },
    },
  ];
  const paths = targets.flatMap(({ ending, parameters, path, refused }) => [
    ...MODEL_READS.map(([below, summary, schema]) => {
      const responses = { "200": answer("OK", schema), ...refused };
      return [path + below, { get: told(summary + ending, { parameters, responses }) }] as const;
    }),
    [`${path}/infer`, { post: inferOperation(ending, parameters, project) }] as const,
  ]);
  return Object.fromEntries(paths);
}

const INFERRED: JsonObject = {
  description: "OK; as bytes where outputs are asked for as binary tensors, which follow the JSON.",
  content: {
    "application/json": { schema: ref("InferResponse") },
    "application/octet-stream": { schema: { type: "string", format: "binary" } },
  },
};

function inferOperation(ending: string, parameters: JsonValue, { context, joinKeys }: ExampleProject): JsonObject {
  const inputs = Object.entries({ ...joinKeys, ...context }).map(([name, type]) => ({
    name,
    datatype: entityDatatype(type).name,
    shape: type.list ? [1, 1] : [1],
    data: [exampleValue(type)].flat() as JsonValue,
  }));
  return told(`Run a model over tensors, or over the features of entities${ending}`, {
    parameters,
    requestBody: requestBody({ type: "object", required: ["inputs"] }, { inputs }),
    responses: { "200": INFERRED, ...INFER_REFUSALS },
  });
}

function repositoryPaths(model: string): JsonObject {
  const parameters = [parameter("model", "path", "The model's name.", model)];
  const post = (summary: string, responses: JsonObject, more: JsonObject = {}) => ({
    post: told(summary, { ...more, responses }),
  });
  const ofModel = { ...OPTIONAL_TOKEN, parameters };
  const index = { "200": answer("OK", "RepositoryIndex"), ...INDEX_REFUSALS };
  const loaded = { "200": answer("It is loaded.", "ModelLoaded"), ...LOAD_REFUSALS };
  const refused = "Refused: the model repository says what is loaded";
  return {
    "/v2/repository/index": post("Every version of every model, and its state", index),
    "/v2/repository/models/{model}/load": post("Look into the model repository now", loaded, ofModel),
    "/v2/repository/models/{model}/unload": post(refused, UNLOAD_REFUSALS, ofModel),
  };
}

const told = (summary: string, more: JsonObject): JsonObject => operation(summary, "inference protocol", more);
