/**
 * Refusals as Feast's client rebuilds them: a JSON text that holds JSON, with the Python class that the client is to
 * raise. Feast's own server answers many mistakes of a client's with 500, which its client sends three times again;
 * here each keeps the status that errors.ts gives it, and only what trying again can help is in the 500s.
 */

import { ERRORS, type ErrorCode, type HeadgateError } from "../../errors.ts";
import { retryHeaders } from "../error-response.ts";
import type { HttpAnswer } from "../http-answer.ts";
import { feastAnswer } from "./feast-answer.ts";

/** Classes of the Python module feast.errors that clients tell apart; all others are FeastError. */
const CLASSES: Partial<Record<ErrorCode, string>> = {
  VIEW_NOT_FOUND: "FeatureViewNotFoundException",
  SERVICE_NOT_FOUND: "FeatureServiceNotFoundException",
  PUSH_SOURCE_NOT_FOUND: "PushSourceNotFoundException",
  FEATURE_NAMES_COLLIDE: "FeatureNameCollisionError",
  CONTEXT_INVALID: "RequestDataNotFoundInEntityRowsException",
  UNAUTHENTICATED: "FeastPermissionError",
  FORBIDDEN: "FeastPermissionError",
};

/** The answer to an error. `code` and `request_id` stand beside what Feast sends; its client skips them. */
export function feastProblem(error: HeadgateError, requestId: string): HttpAnswer {
  const told = {
    module: "feast.errors",
    class: CLASSES[error.code] ?? "FeastError",
    message: error.message,
    code: error.code,
    request_id: requestId,
  };
  const body = JSON.stringify(JSON.stringify(told));
  return feastAnswer(ERRORS[error.code].status, body, requestId, retryHeaders(error.code));
}

/** What a load that is under way already is told as: the client reads `error`. */
export function feastConflict(sentence: string, views: readonly string[], requestId: string): HttpAnswer {
  const body = JSON.stringify({ error: sentence, feature_views: views });
  return feastAnswer(ERRORS.MATERIALIZE_RUNNING.status, body, requestId);
}
