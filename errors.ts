/**
 * Every error that Headgate tells a person, in one table: code → HTTP status, whether trying again can help, and a
 * sentence. The code is the contract (clients and scripts match on it); the `detail` given where the error is made
 * names the offender and the next step. docs/errors.md lists this table and a test holds the two together.
 */

interface ErrorKind {
  /** HTTP status where a request meets it; offline work uses the nearest meaning. */
  readonly status: number;
  /** True when the same call can succeed later without being changed. */
  readonly retriable: boolean;
  /** What the code means, without the particulars. */
  readonly sentence: string;
}

const kind = (status: number, retriable: boolean, sentence: string): ErrorKind =>
  Object.freeze({ status, retriable, sentence });

/** The table. Adding a line here without one in docs/errors.md fails a test. */
export const ERRORS = Object.freeze({
  // What a request can get wrong.
  BODY_NOT_JSON: kind(400, false, "The request body is not JSON."),
  REQUEST_ABORTED: kind(400, false, "The client went away before it had sent the whole request."),
  UNAUTHENTICATED: kind(401, false, "This call needs the admin token."),
  FORBIDDEN: kind(403, false, "The token is not the admin token, or the gateway has none."),
  ROUTE_NOT_FOUND: kind(404, false, "There is no such route."),
  MODEL_NOT_FOUND: kind(404, false, "There is no such model."),
  VIEW_NOT_FOUND: kind(404, false, "There is no such feature view."),
  SERVICE_NOT_FOUND: kind(404, false, "There is no such feature service."),
  METHOD_NOT_ALLOWED: kind(405, false, "The route does not take this method."),
  BODY_TOO_LARGE: kind(413, false, "The request body is larger than the gateway takes."),
  TOO_MANY_ENTITIES: kind(413, false, "One request names more entities than the gateway takes."),
  UNSUPPORTED_MEDIA_TYPE: kind(415, false, "The request body is not of a type that the route takes."),
  REQUEST_INVALID: kind(422, false, "The request has the wrong shape."),
  ENTITY_KEY_INVALID: kind(422, false, "A join key is missing, unknown or of the wrong type."),
  CONTEXT_INVALID: kind(422, false, "A request feature is missing, unknown or of the wrong type."),
  FEATURE_NAMES_COLLIDE: kind(422, false, "Two columns of the answer would have the same name."),
  PUSH_SOURCE_NOT_FOUND: kind(422, false, "There is no such push source."),
  FEATURES_MISSING: kind(422, false, "The model rejects entities whose features are missing or too old."),
  DEADLINE_EXCEEDED: kind(504, true, "The deadline passed before the answer was ready."),
  // What the gateway can be unable to do.
  OVERLOADED: kind(503, true, "The gateway has more work than it can finish in time."),
  MODEL_UNAVAILABLE: kind(503, true, "The model has no version that is ready."),
  MODEL_FAILED: kind(500, false, "The model failed while it ran."),
  TRANSFORM_FAILED: kind(422, false, "An on-demand feature view's transform failed for what it was given."),
  INTERNAL: kind(500, false, "Headgate failed in a way it did not foresee."),
  // Settings and definitions.
  USAGE: kind(400, false, "The command line is not understood."),
  CONFIG_INVALID: kind(422, false, "A setting is missing or out of its range."),
  PROJECT_NOT_FOUND: kind(404, false, "The folder is not a Headgate project."),
  PROJECT_EXISTS: kind(409, false, "The folder for the new project is not empty."),
  PROJECT_UNWRITABLE: kind(503, false, "The folder for the new project cannot be written."),
  DEFINITION_INVALID: kind(422, false, "A feature definition is wrong."),
  REGISTRY_NOT_APPLIED: kind(409, false, "The definitions have not been applied to the online store."),
  REGISTRY_CHANGE_REFUSED: kind(409, false, "The change would misread rows that are already stored."),
  // The online store.
  STORE_URL_INVALID: kind(422, false, "The online store's address is not understood."),
  STORE_UNREACHABLE: kind(503, true, "The online store does not answer."),
  STORE_UNWRITABLE: kind(503, false, "The online store cannot be written."),
  CONTROL_CONFLICT: kind(409, true, "Another process changed the same control record first."),
  // Loading.
  SOURCE_NOT_FOUND: kind(404, false, "The view's source has no file."),
  SOURCE_CHANGED: kind(409, true, "A source file changed while it was read."),
  SOURCE_DENIED: kind(403, false, "The source refuses access."),
  SOURCE_UNSUPPORTED: kind(422, false, "The source can't do what a load needs of it."),
  SOURCE_UNREACHABLE: kind(503, true, "The source does not answer."),
  PARQUET_INVALID: kind(422, false, "The file is not readable Parquet."),
  PARQUET_COLUMN_MISSING: kind(422, false, "The Parquet file lacks a column the view needs."),
  PARQUET_COLUMN_TYPE: kind(422, false, "A Parquet column has another type than the view declares."),
  INTERVAL_INVALID: kind(422, false, "The materialization interval is not understood."),
  TOO_MANY_BAD_ROWS: kind(422, false, "More rows than allowed could not be taken."),
  MATERIALIZE_RUNNING: kind(409, true, "Another materialization of the view is running."),
  SUITE_INVALID: kind(422, false, "A suite of expectations is wrong."),
  EXPECTATIONS_FAILED: kind(422, false, "The rows to load are not what the view's suite expects."),
  PARITY_FAILED: kind(422, false, "What the online store serves is not what the files say."),
  SPILL_FAILED: kind(503, false, "A temporary file can't be written or read."),
  // Streaming.
  STREAM_UNREACHABLE: kind(503, true, "Kafka or the schema registry does not answer."),
  STREAM_DENIED: kind(403, false, "Kafka or the schema registry refuses access."),
  STREAM_TOPIC_MISSING: kind(404, true, "A topic is not there, or may not be seen."),
  TOO_MANY_DEAD_LETTERS: kind(422, false, "More events than allowed could not be taken."),
  ROWS_INVALID: kind(422, false, "A row of the request can't be taken."),
  // Models.
  MANIFEST_INVALID: kind(422, false, "The model's manifest is wrong."),
  MODEL_FILE_INVALID: kind(422, false, "The model file is not an ONNX model that can run."),
  CHECKSUM_MISMATCH: kind(422, false, "The file is not the one that was meant: its checksum is another."),
  SIGNATURE_MISMATCH: kind(
    422,
    false,
    "The model's inputs or outputs do not fit the manifest and its feature service.",
  ),
  GOLDEN_MISMATCH: kind(422, false, "The model does not give the outputs of the manifest's examples."),
  DRY_RUN_FAILED: kind(422, false, "The model fails for real entities of the online store."),
  PARITY_REQUIRED: kind(422, false, "The model asks for a parity verdict that its feature views do not have."),
  TRAFFIC_INVALID: kind(422, false, "How a model's requests are split is wrong."),
  VERSION_NOT_FOUND: kind(404, false, "The model has no such version."),
  VERSION_IN_USE: kind(409, false, "The version has a part in the model's traffic."),
  DEPLOY_CONFLICT: kind(409, true, "Another deploy or change of traffic came first."),
  PRECONDITION_FAILED: kind(412, false, "What the request was made for has changed since."),
  REPOSITORY_UNREACHABLE: kind(503, true, "The model repository does not answer."),
} satisfies Record<string, ErrorKind>);

/** A code of the table. */
export type ErrorCode = keyof typeof ERRORS;

/**
 * The one error type that reaches a person. `message` is the detail: a sentence that names the offender and the next
 * step. `status` and `retriable` come from the table.
 */
export class HeadgateError extends Error {
  override readonly name = "HeadgateError";
  readonly code: ErrorCode;

  constructor(code: ErrorCode, detail: string, cause?: unknown) {
    super(detail, cause === undefined ? undefined : { cause });
    this.code = code;
  }

  /** HTTP status of this code. */
  get status(): number {
    return ERRORS[this.code].status;
  }

  /** True when the same call can succeed later. */
  get retriable(): boolean {
    return ERRORS[this.code].retriable;
  }
}

/** Whether what was thrown is ours and of that code. */
export function hasCode<Code extends ErrorCode>(
  thrown: unknown,
  code: Code,
): thrown is HeadgateError & { readonly code: Code } {
  return thrown instanceof HeadgateError && thrown.code === code;
}

/** The text of anything that was thrown, for putting into a sentence. Never throws, whatever people's functions throw. */
export function reasonOf(thrown: unknown): string {
  try {
    return String(thrown instanceof Error ? thrown.message : thrown);
  } catch {
    return "something without a text was thrown";
  }
}

/** The most characters of a caller's own text that a sentence repeats. */
const EXCERPT_CHARACTERS = 80;

/** What a caller sent, short enough to be repeated in a sentence: an answer must not grow with the request. */
export function excerpt(text: string, characters = EXCERPT_CHARACTERS): string {
  return text.length <= characters ? text : `${text.slice(0, characters)}…`;
}
