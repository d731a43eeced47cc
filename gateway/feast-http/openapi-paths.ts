/** The OpenAPI document's part on the routes that Feast's client calls. */

import { ERRORS, type ErrorCode } from "../../errors.ts";
import type { JsonValue } from "../../features/json-value.ts";
import type { OpenApiParts } from "../openapi-models.ts";
import type { JsonObject } from "../openapi-schemas.ts";

const READ_CODES: readonly ErrorCode[] = [
  ...["BODY_NOT_JSON", "REQUEST_ABORTED", "UNAUTHENTICATED", "FORBIDDEN", "VIEW_NOT_FOUND", "SERVICE_NOT_FOUND"],
  ...["BODY_TOO_LARGE", "TOO_MANY_ENTITIES", "UNSUPPORTED_MEDIA_TYPE", "REQUEST_INVALID", "ENTITY_KEY_INVALID"],
  ...[
    "CONTEXT_INVALID",
    "FEATURE_NAMES_COLLIDE",
    "TRANSFORM_FAILED",
    "INTERNAL",
    "STORE_UNREACHABLE",
    "DEADLINE_EXCEEDED",
  ],
] as readonly ErrorCode[];
const WRITE_CODES: readonly ErrorCode[] = [
  ...["BODY_NOT_JSON", "REQUEST_ABORTED", "UNAUTHENTICATED", "FORBIDDEN", "VIEW_NOT_FOUND", "REGISTRY_NOT_APPLIED"],
  ...["BODY_TOO_LARGE", "TOO_MANY_ENTITIES", "UNSUPPORTED_MEDIA_TYPE", "REQUEST_INVALID", "ROWS_INVALID"],
  ...["PUSH_SOURCE_NOT_FOUND", "INTERNAL", "STORE_UNREACHABLE", "STORE_UNWRITABLE"],
] as readonly ErrorCode[];
const LOAD_CODES: readonly ErrorCode[] = [
  ...["BODY_NOT_JSON", "UNAUTHENTICATED", "FORBIDDEN", "VIEW_NOT_FOUND", "SOURCE_NOT_FOUND", "MATERIALIZE_RUNNING"],
  ...["UNSUPPORTED_MEDIA_TYPE", "REQUEST_INVALID", "PARQUET_INVALID", "INTERNAL", "STORE_UNREACHABLE"],
] as readonly ErrorCode[];
/** Needed only where the gateway has an admin token; for a read only where feastReads does not say open. */
const OPTIONAL_TOKEN: JsonValue = [{}, { adminToken: [] }];

const FRAME = {
  ...{ customer_id: [17], orders_30d: [4], aov_30d: [49.5], returns_rate_30d: [0], time_since_last_d: [1.5] },
  event_timestamp: ["2026-11-22T10:00:00"],
};
const INTERVAL = { start_ts: "2026-11-22T00:00:00Z", end_ts: "2026-11-23T00:00:00Z", feature_views: null };

/** Feast's routes, by their paths. */
export function feastPaths({ operation }: Pick<OpenApiParts, "operation">): JsonObject {
  const post = (summary: string, codes: readonly ErrorCode[], example: JsonValue, more: JsonObject = {}) => ({
    post: {
      ...operation(summary, "feast", { ...more, responses: refusals(codes) }),
      requestBody: { required: true, content: { "application/json": { schema: { type: "object" }, example } } },
    },
  });
  const asked = { features: ["customer_30d_features:orders_30d"], entities: { customer_id: [17, 18] } };
  const guarded = { security: OPTIONAL_TOKEN };
  const frame = { feature_view_name: "customer_30d_features", df: FRAME };
  const push = { push_source_name: "customer_30d_features", df: FRAME };
  return {
    "/get-online-features": post("Features of some entities, column by column", READ_CODES, asked, guarded),
    "/write-to-online-store": post("Write a data frame's rows to a view", WRITE_CODES, frame, guarded),
    "/push": post("Write a data frame's rows to the views of a push source", WRITE_CODES, push, guarded),
    "/materialize": post("Load an interval, and answer when it is loaded", LOAD_CODES, INTERVAL, guarded),
    "/materialize-incremental": post("Load what is new", LOAD_CODES, { end_ts: INTERVAL.end_ts }, guarded),
    "/health": {
      get: operation("The gateway should be sent requests", "feast", {
        responses: { "503": { description: "It should not." } },
      }),
    },
  };
}

/** One response per status; the body is a JSON text that holds JSON. */
function refusals(codes: readonly ErrorCode[]): JsonObject {
  const content = { "application/json": { schema: { type: "string" } } };
  return Object.fromEntries(
    [...new Set(codes.map((code) => ERRORS[code].status))].map((status) => {
      const told = codes.filter((code) => ERRORS[code].status === status);
      const description = told.map((code) => `\`${code}\`: ${ERRORS[code].sentence}`).join("\n\n");
      return [String(status), { description, content }];
    }),
  );
}
