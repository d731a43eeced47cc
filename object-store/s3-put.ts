/**
 * Writing an object: in one request, or, where it is large, in parts, so that no request takes minutes, none is repeated
 * whole, and no checksum holds the event loop for long. Either way a reader sees the old object or the new one, whole.
 */

import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { type PutCondition, putConflict } from "./object-version.ts";
import { parseS3Path } from "./path.ts";
import type { Attempt } from "./s3-attempts.ts";
import { ask, type S3 } from "./s3-client.ts";
import { etagOf, writeCondition } from "./s3-etag.ts";
import { isNotDone, isTransient, statusOf } from "./s3-failure.ts";

/** Bytes of a part, and the most in one request; S3 takes none that is smaller, but the last. */
const UPLOAD_PART_BYTES = 5 * 1024 * 1024;
/** Parts on their way at once: a second fills the pause of the first. */
const PARTS_AT_ONCE = 2;
/** The slowest link that is waited for, bytes/s: while a body is sent nothing comes back that would tell of progress. */
const SENT_BYTES_PER_S_MIN = 128 * 1024;
/** How often a body that is being sent counts as progress, ms. */
const SENDING_TICK_MS = 1_000;

/** See ObjectStore.put. One with a condition is always one request. */
export async function putObject(s3: S3, path: string, bytes: Uint8Array, condition?: PutCondition): Promise<string> {
  if (condition === undefined && bytes.length > UPLOAD_PART_BYTES) return putInParts(s3, path, bytes);
  const { bucket, key } = parseS3Path(path);
  const put = new PutObjectCommand({
    Bucket: bucket,
    Key: key,
    Body: bytes,
    ...contentType(key),
    ...writeCondition(condition),
  });
  const putOnce = async (attempt: Attempt): Promise<string> => {
    try {
      return etagOf(path, (await sent(attempt, bytes, (options) => s3.client.send(put, options))).ETag);
    } catch (cause) {
      // 409: another write with a condition is under way. 404: what was to be replaced is gone.
      const isConflict = [409, 412].includes(statusOf(cause) ?? 0) || (statusOf(cause) === 404 && isKeyMissing(cause));
      throw condition !== undefined && isConflict ? putConflict(path, condition) : cause;
    }
  };
  // A conditional put whose answer was lost may have been done, and would then fail by its own work.
  return ask(s3, path, putOnce, condition === undefined ? isTransient : isNotDone);
}

function isKeyMissing(cause: unknown): boolean {
  return (cause as Error).name === "NoSuchKey";
}

/** Sends a body, for as long as it may take on the slowest link. */
async function sent<T>(
  { signal, progress }: Attempt,
  { length }: Uint8Array,
  send: (options: { readonly abortSignal: AbortSignal }) => Promise<T>,
): Promise<T> {
  let leftMs = (length / SENT_BYTES_PER_S_MIN) * 1_000;
  const ticking = setInterval(() => {
    leftMs -= SENDING_TICK_MS;
    if (leftMs > 0) progress();
  }, SENDING_TICK_MS);
  try {
    return await send({ abortSignal: signal });
  } finally {
    clearInterval(ticking);
  }
}

async function putInParts(s3: S3, path: string, bytes: Uint8Array): Promise<string> {
  const { bucket, key } = parseS3Path(path);
  const place = { Bucket: bucket, Key: key };
  const create = new CreateMultipartUploadCommand({ ...place, ...contentType(key) });
  const { UploadId } = await ask(s3, path, ({ signal }) => s3.client.send(create, { abortSignal: signal }));
  const upload = { ...place, UploadId };
  try {
    const Parts = await putParts(s3, path, upload, bytes);
    const complete = new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts } });
    const send = ({ signal }: Attempt) => s3.client.send(complete, { abortSignal: signal });
    // Where it may have been done, asking again would be told that there is no such upload.
    return etagOf(path, (await ask(s3, path, send, isNotDone)).ETag);
  } catch (cause) {
    const abort = new AbortMultipartUploadCommand(upload);
    // Parts that stay are paid for until the bucket's own rule takes them away.
    await ask(s3, path, ({ signal }) => s3.client.send(abort, { abortSignal: signal })).catch(() => {});
    throw cause;
  }
}

interface Upload {
  readonly Bucket: string;
  readonly Key: string;
  readonly UploadId: string | undefined;
}

async function putParts(s3: S3, path: string, upload: Upload, bytes: Uint8Array) {
  const parts: { PartNumber: number; ETag: string | undefined }[] = [];
  const count = Math.ceil(bytes.length / UPLOAD_PART_BYTES);
  let next = 0;
  const putOneByOne = async (): Promise<void> => {
    while (next < count) {
      const at = next++;
      const Body = bytes.subarray(at * UPLOAD_PART_BYTES, (at + 1) * UPLOAD_PART_BYTES);
      const part = new UploadPartCommand({ ...upload, PartNumber: at + 1, Body });
      const put = (attempt: Attempt) => sent(attempt, Body, (options) => s3.client.send(part, options));
      const { ETag } = await ask(s3, path, put).catch((cause: unknown) => {
        // The upload is given up, so no other part is begun.
        next = count;
        throw cause;
      });
      parts[at] = { PartNumber: at + 1, ETag };
    }
  };
  // All of them: a part that arrives after the upload was given up would stay, and be paid for.
  const ended = await Promise.allSettled(Array.from({ length: PARTS_AT_ONCE }, putOneByOne));
  for (const one of ended) if (one.status === "rejected") throw one.reason;
  return parts;
}

/** What a browser that opens the object needs to know; of other files S3's own default says all there is. */
const CONTENT_TYPES: ReadonlyMap<string, string> = new Map([
  ["html", "text/html; charset=utf-8"],
  ["json", "application/json"],
]);

function contentType(key: string): { readonly ContentType?: string } {
  const type = CONTENT_TYPES.get(key.slice(key.lastIndexOf(".") + 1));
  return type === undefined ? {} : { ContentType: type };
}
