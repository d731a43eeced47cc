/** The OpenAPI document's part on features: what there is, one entity's row, and rows over HTTP. */

import { formatTimestampUs } from "../../features/timestamp.ts";
import { type ExampleView, exampleValues } from "./example-project.ts";
import { type JsonObject, ref } from "./json-schema.ts";
import { ADMIN_TOKEN, answer, OPTIONAL_TOKEN, operation, parameter, refusals, requestBody } from "./operation.ts";

const DEBUG_REFUSALS = refusals([
  "UNAUTHENTICATED",
  "FORBIDDEN",
  "VIEW_NOT_FOUND",
  "ENTITY_KEY_INVALID",
  "INTERNAL",
  "STORE_UNREACHABLE",
]);
const WRITE_REFUSALS = refusals([
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
]);
const LIST_REFUSALS = refusals(["INTERNAL"]);

/** The paths. An event in an example happens at `nowMs`, or what is stored would be newer. */
export function featurePaths(view: ExampleView, nowMs: number): JsonObject {
  const name = parameter("view", "path", "The feature view's name.", view.name);
  const entity = exampleValues(view.joinKeys);
  const joinKeys = {
    ...parameter("entity", "query", "The view's join keys, one query parameter each.", entity),
    style: "form",
    explode: true,
    schema: { type: "object", additionalProperties: { type: ["string", "integer", "boolean"] } },
  };
  const row = { entity, values: exampleValues(view.schema), event_timestamp: formatTimestampUs(nowMs * 1_000) };
  return {
    "/features": {
      get: operation("List feature views and services", "features", {
        responses: { "200": answer("OK", "Features"), ...LIST_REFUSALS },
      }),
    },
    "/features/{view}": {
      get: operation("Why this value? One entity's row in every tier", "features", {
        ...OPTIONAL_TOKEN,
        parameters: [name, joinKeys],
        responses: { "200": answer("OK", "RowInspection"), ...DEBUG_REFUSALS },
      }),
    },
    "/features/{view}/rows": {
      post: operation("Write rows of a feature view, newest wins", "features", {
        ...ADMIN_TOKEN,
        parameters: [name],
        requestBody: requestBody(ref("WriteRowsRequest"), { rows: [row] }),
        responses: { "200": answer("What became of each row.", "RowsWritten"), ...WRITE_REFUSALS },
      }),
    },
  };
}
