/**
 * AWS' own client of S3: its chain of credentials, regions and endpoints, its signatures and checksums, and how a request
 * is asked until there is an answer. The client's own retries are off, as they end where a body begins; S3Attempts has
 * all of them.
 */

import { S3Client } from "@aws-sdk/client-s3";
import { parseS3Path } from "./path.ts";
import type { Attempt, MayRetry, S3Attempts, S3Limits } from "./s3-attempts.ts";
import { isTransient, toldFailure } from "./s3-failure.ts";

/** Where a bucket is looked for when nothing says: AWS' oldest region, and the one that most other servers go by. */
const FALLBACK_REGION = "us-east-1";

/** A client, the bounds of its requests, and what ends them. */
export interface S3 {
  readonly client: S3Client;
  readonly attempts: S3Attempts;
  readonly partBytes: number;
  readonly signal: AbortSignal | undefined;
}

/** Makes a client. Nothing is asked for yet, credentials neither. */
export function createClient({ requestsMax }: Required<S3Limits>): S3Client {
  // It is about versions of the client to come, and would be printed by every command on Node 20.
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= "true";
  // What a client finds without being told, or fails for.
  const { region } = new S3Client({}).config;
  const client = new S3Client({
    region: () => region().catch(() => FALLBACK_REGION),
    maxAttempts: 1,
    // A range has no checksum of its own; its length and its ETag are checked.
    responseChecksumValidation: "WHEN_REQUIRED",
    requestHandler: {
      httpAgent: { keepAlive: true, maxSockets: requestsMax },
      httpsAgent: { keepAlive: true, maxSockets: requestsMax },
    },
  });
  const { config } = client;
  const place = config.endpointProvider;
  // Servers at an endpoint of their own seldom have a name for each bucket. Decided here and not by AWS_ENDPOINT_URL_S3,
  // since the endpoint can come from a profile too.
  config.endpointProvider = (params, context) =>
    place(params.Endpoint === undefined ? params : { ...params, ForcePathStyle: true }, context);
  return client;
}

/** Asks until there is an answer; whatever is thrown is a HeadgateError about the path, or the signal's reason. */
export async function ask<T>(
  { attempts, signal }: S3,
  path: string,
  tryOnce: (attempt: Attempt) => Promise<T>,
  mayRetry: MayRetry = isTransient,
): Promise<T> {
  try {
    return await attempts.run(tryOnce, mayRetry);
  } catch (cause) {
    if (signal?.aborted && cause === signal.reason) throw cause;
    throw toldFailure(cause, path, parseS3Path(path).bucket);
  }
}
