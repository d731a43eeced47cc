/**
 * Errors as RFC 9457 problem details. Only what errors.ts knows is told as itself; anything else becomes INTERNAL with
 * a sentence that gives nothing away, and is published for the log. Never a stack trace.
 */

import { channel } from "node:diagnostics_channel";
import { ERRORS, type ErrorCode, HeadgateError } from "../errors.ts";
import type { HttpAnswer } from "./http-answer.ts";

/** Published for every failure that errors.ts did not foresee: `{ requestId, cause }`. */
const unexpected = channel("headgate:unexpected");

/** How long a client should wait before it tries a retriable answer again, seconds. */
const RETRY_AFTER_SECONDS = "1";

/** The answer to whatever was thrown. */
export function problemAnswer(thrown: unknown, requestId: string): HttpAnswer {
  const error = asHeadgateError(thrown, requestId);
  const { status, sentence } = ERRORS[error.code];
  const body = {
    type: `urn:headgate:error:${error.code}`,
    title: sentence,
    status,
    detail: error.message,
    code: error.code,
    request_id: requestId,
  };
  const headers = ["content-type", "application/problem+json", "x-request-id", requestId, ...retryHeaders(error.code)];
  return { status, headers, body: JSON.stringify(body) };
}

/** Headers that tell a client how to try again: with a token, or later. Name, value, name, value. */
export function retryHeaders(code: ErrorCode): readonly string[] {
  const { status, retriable } = ERRORS[code];
  if (status === 401) return ["www-authenticate", "Bearer"];
  return retriable && (status === 503 || status === 429) ? ["retry-after", RETRY_AFTER_SECONDS] : [];
}

/** What is told of whatever was thrown. */
export function asHeadgateError(thrown: unknown, requestId: string): HeadgateError {
  if (thrown instanceof HeadgateError) return thrown;
  if (unexpected.hasSubscribers) unexpected.publish({ requestId, cause: thrown });
  return new HeadgateError(
    "INTERNAL",
    `Headgate failed unexpectedly; its log has the cause under request ${requestId}.`,
    thrown,
  );
}
