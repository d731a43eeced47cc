/** Answers of the routes that Feast's client calls: JSON, refusals too, which elsewhere are problem details. */

import type { HttpAnswer } from "../http-answer.ts";

/** An answer whose body is JSON's text; `more` are further headers, name, value, name, value. */
export function feastAnswer(
  status: number,
  body: string,
  requestId: string,
  more: readonly string[] = NO_HEADERS,
): HttpAnswer {
  return { status, headers: ["content-type", "application/json", "x-request-id", requestId, ...more], body };
}

const NO_HEADERS: readonly string[] = Object.freeze([]);
