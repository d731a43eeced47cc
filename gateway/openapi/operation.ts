/**
 * What every operation of the OpenAPI document is written with: its parameters, its answers and its refusals. What a
 * refusal looks like is asked of the very function that answers it, so the document can't tell of another.
 */

import { ERRORS, type ErrorCode, HeadgateError } from "../../errors.ts";
import type { JsonValue } from "../../features/json-value.ts";
import { problemAnswer, retryHeaders } from "../error-response.ts";
import type { HttpAnswer } from "../http-answer.ts";
import { type JsonObject, ref, TEXT } from "./json-schema.ts";

/** For what needs the admin token only where there is one. */
export const OPTIONAL_TOKEN: JsonObject = { security: [{}, { adminToken: [] }] };
/** For what is off without an admin token. */
export const ADMIN_TOKEN: JsonObject = { security: [{ adminToken: [] }] };

/** What a prediction is refused with, by whichever protocol it was asked for. */
export const PREDICTION_CODES: readonly ErrorCode[] = [
  "BODY_NOT_JSON",
  "REQUEST_ABORTED",
  "MODEL_NOT_FOUND",
  "VERSION_NOT_FOUND",
  "BODY_TOO_LARGE",
  "TOO_MANY_ENTITIES",
  "UNSUPPORTED_MEDIA_TYPE",
  "REQUEST_INVALID",
  "ENTITY_KEY_INVALID",
  "CONTEXT_INVALID",
  "FEATURES_MISSING",
  "MODEL_FAILED",
  "TRANSFORM_FAILED",
  "INTERNAL",
  "OVERLOADED",
  "MODEL_UNAVAILABLE",
  "STORE_UNREACHABLE",
  "DEADLINE_EXCEEDED",
];

/** An operation; `more` has its parameters, its body and its responses. */
export function operation(summary: string, tag: string, more: JsonObject): JsonObject {
  return { summary, tags: [tag], ...more };
}

/** An example is what the page fills in, and sends unless it is taken out: only what any request may carry has one. */
export function parameter(name: string, place: string, description: string, example?: JsonValue): JsonObject {
  const about = { name, in: place, description, required: place === "path", schema: TEXT };
  return example === undefined ? about : { ...about, example };
}

/** A body of JSON that has to be sent. */
export function requestBody(schema: JsonObject, example: JsonValue): JsonObject {
  return { required: true, content: { "application/json": { schema, example } } };
}

/** An answer of JSON with a schema of the components. */
export function answer(description: string, schema: string, headers: JsonObject = {}): JsonObject {
  return { description, headers, content: { "application/json": { schema: ref(schema) } } };
}

/** How a part of the API refuses, and the schema of its refusals. */
interface RefusalForm {
  readonly answerTo: (error: HeadgateError, requestId: string) => HttpAnswer;
  readonly schema: JsonObject;
}

/** RFC 9457 problem details, as everything refuses that has no protocol of its own. */
const PROBLEM_DETAILS: RefusalForm = { answerTo: problemAnswer, schema: ref("Problem") };

/** One response per status, telling the codes that come with it, each with an example. To be made once, at load. */
export function refusals(codes: readonly ErrorCode[], form: RefusalForm = PROBLEM_DETAILS): JsonObject {
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of codes) byStatus.set(ERRORS[code].status, [...(byStatus.get(ERRORS[code].status) ?? []), code]);
  return Object.fromEntries([...byStatus].map(([status, told]) => [String(status), refusal(told, form)]));
}

const DETAIL = "What was wrong with this request, by name, and what to do next.";

function refusal(codes: readonly ErrorCode[], { answerTo, schema }: RefusalForm): JsonObject {
  const answers = codes.map((code) => answerTo(new HeadgateError(code, DETAIL), "b3f1"));
  const examples = codes.map((code, i) => [code, { value: JSON.parse(answers[i]!.body) as JsonValue }]);
  const [, type] = answers[0]!.headers as [string, string];
  return {
    description: codes.map(sentenceOf).join("\n\n"),
    headers: Object.fromEntries(codes.flatMap((code) => headerOf(retryHeaders(code)))),
    content: { [type]: { schema, examples: Object.fromEntries(examples) } },
  };
}

function sentenceOf(code: ErrorCode): string {
  const { retriable, sentence } = ERRORS[code];
  return `\`${code}\`: ${sentence}${retriable ? " The same request can succeed later." : ""}`;
}

function headerOf([name, example]: readonly string[]): readonly [string, JsonObject][] {
  return name === undefined ? [] : [[name, { schema: TEXT, example: example! }]];
}
