/**
 * What S3's failures mean: whether trying again can help, and what a person is told. S3 and what speaks its language
 * answer a code with a status or, to a HEAD, only the status; the network below answers with codes of its own.
 */

import { type ErrorCode, HeadgateError, reasonOf } from "../errors.ts";
import { StallError } from "./s3-attempts.ts";

/** An answer whose body is not the range that was asked for. */
export class ShortBodyError extends Error {
  override readonly name = "ShortBodyError";
}

/** As much as is looked at of what the client throws. */
interface S3Failure {
  readonly name?: string;
  readonly message?: string;
  readonly $metadata?: { readonly httpStatusCode?: number };
  readonly $response?: { readonly headers?: Readonly<Record<string, string>> };
  readonly Region?: string;
}

/** The busy words of S3, of the token service (STS) and of the metadata services that credentials come from. */
const SLOW_DOWN =
  /^(?:SlowDown|Throttl\w*|TooManyRequests\w*|RequestLimitExceeded|EC2ThrottledException|IDPCommunicationError\w*)$/;
/** Answers below 500 that pass by themselves; the clocks' difference is learnt from the answer. */
const PASSING = /^(?:RequestTimeout|RequestTimeTooSkewed)$/;
const OTHER_REGION = /^(?:PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraintException)$/;

/** The HTTP status of an answer; undefined where there was none. */
export function statusOf(cause: unknown): number | undefined {
  return (cause as S3Failure).$metadata?.httpStatusCode;
}

/**
 * How often credentials are asked for: where they are a role's, their service may be slow for a moment, which looks just
 * as if nobody had set any. More tries keep who has none waiting longer for being told.
 */
const CREDENTIAL_TRIES = 3;

/** True when the same request, tried so often so far, can succeed in a moment. */
export function isTransient(cause: unknown, tried = CREDENTIAL_TRIES): boolean {
  if (cause instanceof HeadgateError) return false;
  if (isAboutCredentials(cause)) return tried < CREDENTIAL_TRIES;
  if (cause instanceof StallError || cause instanceof ShortBodyError) return true;
  const status = statusOf(cause);
  if (status === 501) return false;
  // Without a status no answer came; a 200 that failed was cut off.
  return status === undefined || status >= 500 || status < 300 || isNotDone(cause) || PASSING.test(nameOf(cause));
}

/** True when what was asked was certainly not done, and can be in a moment. */
export function isNotDone(cause: unknown, tried = CREDENTIAL_TRIES): boolean {
  if (isAboutCredentials(cause)) return tried < CREDENTIAL_TRIES;
  return SLOW_DOWN.test(nameOf(cause)) || statusOf(cause) === 429 || statusOf(cause) === 503;
}

/** A failed request about a path, as a sentence with the next step. */
export function toldFailure(cause: unknown, path: string, bucket: string): HeadgateError {
  if (cause instanceof HeadgateError) return cause;
  const [code, sentence] = told(cause, path, bucket);
  return new HeadgateError(code, sentence, cause);
}

function told(cause: unknown, path: string, bucket: string): readonly [ErrorCode, string] {
  const reason = reasonTold(cause);
  if (isTransient(cause)) {
    const next = "Check the network and AWS_ENDPOINT_URL_S3, then run the command again.";
    return ["SOURCE_UNREACHABLE", `${path} can't be reached: ${reason}. ${next}`];
  }
  if (statusOf(cause) === 501) {
    const next = "It must list (ListObjectsV2) and read ranges; for models it must put on a condition, too.";
    return ["SOURCE_UNSUPPORTED", `${path}: this S3 can't do what is asked of it: ${reason}. ${next}`];
  }
  if (isAboutCredentials(cause)) {
    const next = "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run with a role.";
    return ["SOURCE_DENIED", `${path} needs AWS credentials: ${reason}. ${next}`];
  }
  if (statusOf(cause) === 301 || OTHER_REGION.test(nameOf(cause))) {
    const region = regionTold(cause);
    const next = region === undefined ? "Set AWS_REGION to the bucket's region." : `Set AWS_REGION=${region}.`;
    return ["SOURCE_NOT_FOUND", `${path}: bucket "${bucket}" is in another region. ${next}`];
  }
  if (nameOf(cause) === "NoSuchBucket") {
    return ["SOURCE_NOT_FOUND", `${path}: there is no bucket "${bucket}". Check its name and AWS_ENDPOINT_URL_S3.`];
  }
  if (statusOf(cause) === 404) {
    return ["SOURCE_NOT_FOUND", `${path} is not there. Check the bucket "${bucket}" and the key.`];
  }
  const rights = `that they may s3:ListBucket on "${bucket}" and s3:GetObject on its keys`;
  return ["SOURCE_DENIED", `${path} is refused: ${reason}. Check the credentials, and ${rights}.`];
}

function isAboutCredentials(cause: unknown): boolean {
  return /Credentials|TokenProvider/.test(nameOf(cause));
}

function nameOf(cause: unknown): string {
  return (cause as S3Failure).name ?? "";
}

function regionTold(cause: unknown): string | undefined {
  const { Region: region, $response } = cause as S3Failure;
  return region ?? $response?.headers?.["x-amz-bucket-region"];
}

/** The answer to a HEAD has no body to tell a reason. */
function reasonTold(cause: unknown): string {
  const { name = "", message = "", $metadata } = cause as S3Failure;
  const status = $metadata?.httpStatusCode;
  if (status !== undefined && /^(?:Unknown|UnknownError|)$/.test(message)) return `HTTP ${status}`;
  const reason = reasonOf(cause).replace(/\.$/, "");
  return name === "" || name === "Error" || status === undefined ? reason : `${name}, ${reason}`;
}
