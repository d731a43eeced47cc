/** The protocol's form of error (inference_rest.md): `{"error": sentence}`, under the status that errors.ts gives it. */

import { asHeadgateError, retryHeaders } from "../error-response.ts";
import type { HttpAnswer } from "../http-answer.ts";

/** The answer to whatever was thrown. */
export function inferProblem(thrown: unknown, requestId: string): HttpAnswer {
  const { code, message, status } = asHeadgateError(thrown, requestId);
  const headers = ["content-type", "application/json", "x-request-id", requestId, ...retryHeaders(code)];
  return { status, headers, body: JSON.stringify({ error: message }) };
}
