/**
 * A request's body as text: never more of it in memory than the bound, never waited for longer than the deadline. A
 * client that goes away in the middle of it is refused like any other wrong request; nothing of ours has failed.
 */

import type { HonoRequest } from "hono";
import { excerpt, HeadgateError } from "../errors.ts";
import { type Deadline, deadlineExceeded } from "./deadline.ts";

/** How long a body is waited for, and when it began to be. */
export interface BodyWait {
  readonly deadline: Deadline;
  /** By the clock that the deadline was made with, ms. */
  readonly nowMs: number;
}

/**
 * Reads the body. Throws UNSUPPORTED_MEDIA_TYPE for a declared type, charset or encoding that is not plain JSON in
 * UTF-8, BODY_TOO_LARGE as soon as the declared or the received length passes `maxBytes`, BODY_NOT_JSON for bytes that
 * are not UTF-8; rejects with DEADLINE_EXCEEDED when `wait` is over first, with REQUEST_ABORTED when the client is gone.
 */
export function readJsonText(request: HonoRequest, maxBytes: number, wait?: BodyWait): Promise<string> {
  checkMediaType(request);
  const declared = request.header("content-length");
  // Node's parser holds the body to its declared length, so checking that is enough.
  if (declared !== undefined && Number(declared) > maxBytes) throw tooLarge(maxBytes);
  const reading = declared === undefined ? readChunks(request.raw.body, maxBytes) : request.text();
  // One promise by hand: Promise.race and `finally` would make four for every prediction.
  return new Promise((done, fail) => {
    const timer = wait && setTimeout(() => fail(lateBody(wait.deadline)), remainingMs(wait));
    reading.then(
      (text) => {
        clearTimeout(timer);
        if (text.includes(REPLACEMENT)) fail(notUtf8());
        else done(text);
      },
      (thrown: unknown) => {
        clearTimeout(timer);
        fail(thrown instanceof HeadgateError ? thrown : aborted(thrown));
      },
    );
  });
}

/** What a decoder puts in the place of bytes that are not UTF-8. */
const REPLACEMENT = "\ufffd";

const remainingMs = ({ deadline, nowMs }: BodyWait) => Math.max(0, deadline.atMs - nowMs);

function checkMediaType(request: HonoRequest): void {
  const encoding = request.header("content-encoding");
  if (encoding !== undefined && encoding.toLowerCase() !== "identity") {
    throw new HeadgateError(
      "UNSUPPORTED_MEDIA_TYPE",
      `The body was sent with content-encoding: ${excerpt(encoding)}; send it without compression.`,
    );
  }
  const type = request.header("content-type");
  if (type === undefined || type === "application/json") return;
  if (!/^application\/([\w.-]+\+)?json\s*(;|$)/i.test(type)) {
    throw new HeadgateError(
      "UNSUPPORTED_MEDIA_TYPE",
      `The body was sent as "${excerpt(type)}"; send content-type: application/json.`,
    );
  }
  const charset = /;\s*charset\s*=\s*"?([^\s";]*)/i.exec(type)?.[1];
  if (charset !== undefined && !/^utf-?8$/i.test(charset)) {
    throw new HeadgateError(
      "UNSUPPORTED_MEDIA_TYPE",
      `The body was sent with charset "${excerpt(charset)}"; JSON is UTF-8: send content-type: application/json.`,
    );
  }
}

async function readChunks(body: ReadableStream<Uint8Array> | null, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let received = 0;
  for await (const chunk of body ?? []) {
    received += chunk.length;
    if (received > maxBytes) throw tooLarge(maxBytes);
    chunks.push(chunk);
  }
  return new TextDecoder().decode(Buffer.concat(chunks));
}

function tooLarge(maxBytes: number): HeadgateError {
  return new HeadgateError(
    "BODY_TOO_LARGE",
    `The body is larger than ${maxBytes} bytes (maxBodyBytes). Send fewer entities per request.`,
  );
}

function lateBody(deadline: Deadline): HeadgateError {
  return deadlineExceeded(deadline, "reading the request body");
}

function notUtf8(): HeadgateError {
  return new HeadgateError(
    "BODY_NOT_JSON",
    "The request body is not UTF-8, or holds U+FFFD, which stands for bytes that are not. Send UTF-8; write U+FFFD itself as \\ufffd.",
  );
}

function aborted(cause: unknown): HeadgateError {
  return new HeadgateError("REQUEST_ABORTED", "The client went away before it had sent the whole body.", cause);
}
