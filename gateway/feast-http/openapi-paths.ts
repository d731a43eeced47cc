/** The OpenAPI document's part on the routes that Feast's client calls. */

import type { ErrorCode } from "../../errors.ts";
import type { JsonValue } from "../../features/json-value.ts";
import { formatTimestampUs } from "../../features/timestamp.ts";
import { type ExampleView, exampleColumns, PLACEHOLDER } from "../openapi/example-project.ts";
import { type JsonObject, ref } from "../openapi/json-schema.ts";
import { answer, OPTIONAL_TOKEN, operation, parameter, refusals, requestBody } from "../openapi/operation.ts";
import { feastConflict, feastProblem } from "./feast-error.ts";

const BODY_CODES: readonly ErrorCode[] = [
  ...(["BODY_NOT_JSON", "REQUEST_ABORTED", "UNAUTHENTICATED", "FORBIDDEN", "VIEW_NOT_FOUND"] as const),
  ...(["BODY_TOO_LARGE", "UNSUPPORTED_MEDIA_TYPE", "REQUEST_INVALID"] as const),
  ...(["INTERNAL", "STORE_UNREACHABLE", "DEADLINE_EXCEEDED"] as const),
];
const READ_REFUSALS = feastRefusals([
  ...BODY_CODES,
  ...(["SERVICE_NOT_FOUND", "TOO_MANY_ENTITIES", "ENTITY_KEY_INVALID", "CONTEXT_INVALID"] as const),
  ...(["FEATURE_NAMES_COLLIDE", "TRANSFORM_FAILED", "OVERLOADED"] as const),
]);
const WRITE_CODES: readonly ErrorCode[] = [
  ...BODY_CODES,
  ...(["REGISTRY_NOT_APPLIED", "TOO_MANY_ENTITIES", "ROWS_INVALID", "STORE_UNWRITABLE"] as const),
];
const WRITE_REFUSALS = feastRefusals(WRITE_CODES);
const PUSH_REFUSALS = feastRefusals([...WRITE_CODES, "PUSH_SOURCE_NOT_FOUND"]);
const LOAD_RESPONSES: JsonObject = {
  "200": answer("It is loaded.", "FeastDone"),
  "202": answer("It has begun (async).", "FeastAccepted"),
  ...feastRefusals([...BODY_CODES, "SOURCE_NOT_FOUND", "PARQUET_INVALID", "OVERLOADED"]),
  ...refusals(["MATERIALIZE_RUNNING"], {
    answerTo: ({ message }, requestId) => feastConflict(message, [PLACEHOLDER.view.name], requestId),
    schema: ref("FeastConflict"),
  }),
};
const DAY_MS = 86_400_000;

function feastRefusals(codes: readonly ErrorCode[]): JsonObject {
  return refusals(codes, { answerTo: feastProblem, schema: ref("FeastRefusal") });
}

/** Feast's routes, by their paths. An event in an example happens at `nowMs`. */
export function feastPaths(view: ExampleView, nowMs: number): JsonObject {
  const keys = exampleColumns(view.joinKeys);
  const at = (timeMs: number) => formatTimestampUs(timeMs * 1_000);
  const df = { ...keys, ...exampleColumns(view.schema), event_timestamp: [at(nowMs)] };
  const asked = { features: Object.keys(view.schema).map((field) => `${view.name}:${field}`), entities: keys };
  const interval = { start_ts: at(nowMs - DAY_MS), end_ts: at(nowMs), feature_views: null };
  return {
    "/get-online-features": post("Features of some entities, column by column", asked, {
      "200": answer("OK", "OnlineFeatures"),
      ...READ_REFUSALS,
    }),
    "/write-to-online-store": post(
      "Write a data frame's rows to a view",
      { feature_view_name: view.name, df },
      { "200": answer("They are written.", "FeastDone"), ...WRITE_REFUSALS },
    ),
    "/push": post(
      "Write a data frame's rows to the views of a push source",
      { push_source_name: view.name, df },
      {
        "200": { description: "They are written. There is no body." },
        ...PUSH_REFUSALS,
      },
    ),
    "/materialize": post("Load an interval, and answer when it is loaded", interval, LOAD_RESPONSES, [ASYNC]),
    "/materialize-incremental": post("Load what is new", { end_ts: interval.end_ts }, LOAD_RESPONSES, [ASYNC]),
    "/health": {
      get: operation("The gateway should be sent requests", "feast", {
        responses: { "200": { description: "It should." }, "503": { description: "It should not." } },
      }),
    },
  };
}

function post(summary: string, example: JsonValue, responses: JsonObject, parameters: JsonValue = []): JsonObject {
  const more = { parameters, requestBody: requestBody({ type: "object" }, example), responses };
  return { post: operation(summary, "feast", { ...OPTIONAL_TOKEN, ...more }) };
}

const ASYNC = parameter("async", "query", "true: answer 202 when it has begun.");
