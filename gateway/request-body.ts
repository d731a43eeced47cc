/**
 * A request's body as text: never more of it in memory than the bound, never waited for longer than the deadline. A
 * client that goes away in the middle of it is refused like any other wrong request; nothing of ours has failed.
 */

import { excerpt, HeadgateError } from "../errors.ts";
import { type Deadline, withinDeadline } from "./deadline.ts";

/** How long a body is waited for, and when it began to be. */
export interface BodyWait {
  readonly deadline: Deadline;
  /** By the clock that the deadline was made with, ms. */
  readonly nowMs: number;
}

/** Where headers are looked up, by names in lower case. */
export interface HeaderLookup {
  header(name: string): string | undefined;
}

/** A request whose body is still to come, as Hono has it. */
export interface ComingRequest extends HeaderLookup {
  text(): Promise<string>;
  readonly raw: { readonly body: ReadableStream<Uint8Array> | null };
}

/**
 * Checks what the headers say of the body. Throws UNSUPPORTED_MEDIA_TYPE for a declared type, charset or encoding that
 * is not plain JSON in UTF-8, BODY_TOO_LARGE for a declared length over `maxBytes`.
 */
export function checkBodyHeaders(request: HeaderLookup, maxBytes: number): void {
  checkMediaType(request);
  checkDeclaredLength(request, maxBytes);
}

function checkDeclaredLength(request: HeaderLookup, maxBytes: number): void {
  const declared = request.header("content-length");
  if (declared !== undefined && Number(declared) > maxBytes) throw tooLarge(maxBytes);
}

/** The bytes of a body that is all here; none is null to node:http. Throws BODY_TOO_LARGE. */
export function bytesOf(bytes: Buffer | null, maxBytes: number): Buffer {
  if (bytes === null) return NO_BYTES;
  if (bytes.length > maxBytes) throw tooLarge(maxBytes);
  return bytes;
}

const NO_BYTES = Buffer.alloc(0);

/** The text of a body that is all here. Throws BODY_TOO_LARGE, and BODY_NOT_JSON for bytes that are not UTF-8. */
export function jsonTextOf(body: Buffer | null, maxBytes: number): string {
  const bytes = bytesOf(body, maxBytes);
  if (bytes.length === 0) return "";
  const text = bytes.toString();
  if (text.includes(REPLACEMENT)) throw notUtf8();
  return text.charCodeAt(0) === BYTE_ORDER_MARK ? text.slice(1) : text;
}

/**
 * Waits for the body. Throws as checkBodyHeaders and jsonTextOf do, BODY_TOO_LARGE as soon as the received length passes
 * `maxBytes`; rejects with DEADLINE_EXCEEDED when `wait` is over first, with REQUEST_ABORTED when the client is gone.
 */
export function readJsonText(request: ComingRequest, maxBytes: number, wait?: BodyWait): Promise<string> {
  checkBodyHeaders(request, maxBytes);
  // Node's parser holds a body to its declared length, so checking that is enough.
  const isDeclared = request.header("content-length") !== undefined;
  const reading = isDeclared
    ? request.text()
    : readChunks(request.raw.body, maxBytes).then((bytes) => new TextDecoder().decode(bytes));
  const read = reading.then(
    (text) => {
      if (text.includes(REPLACEMENT)) throw notUtf8();
      return text;
    },
    (thrown: unknown) => refuseAborted(thrown),
  );
  return wait === undefined ? read : withinDeadline(read, wait.deadline, wait.nowMs, READING);
}

/**
 * Waits for the body as it was sent, of whatever type and encoding. Throws BODY_TOO_LARGE as soon as the declared or the
 * received length passes `maxBytes`; rejects with DEADLINE_EXCEEDED or REQUEST_ABORTED as readJsonText does.
 */
export function readBytes(request: ComingRequest, maxBytes: number, wait: BodyWait): Promise<Buffer> {
  checkDeclaredLength(request, maxBytes);
  const read = readChunks(request.raw.body, maxBytes).catch(refuseAborted);
  return withinDeadline(read, wait.deadline, wait.nowMs, READING);
}

const READING = "reading the request body";

/** What a decoder puts in the place of bytes that are not UTF-8. */
const REPLACEMENT = "\ufffd";
/** May stand before a text and is no part of it. */
const BYTE_ORDER_MARK = 0xfeff;

function checkMediaType(request: HeaderLookup): void {
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

async function readChunks(body: ReadableStream<Uint8Array> | null, maxBytes: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let received = 0;
  for await (const chunk of body ?? []) {
    received += chunk.length;
    if (received > maxBytes) throw tooLarge(maxBytes);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function tooLarge(maxBytes: number): HeadgateError {
  return new HeadgateError(
    "BODY_TOO_LARGE",
    `The body is larger than ${maxBytes} bytes (maxBodyBytes). Send fewer entities per request.`,
  );
}

function notUtf8(): HeadgateError {
  return new HeadgateError(
    "BODY_NOT_JSON",
    "The request body is not UTF-8, or holds U+FFFD, which stands for bytes that are not. Send UTF-8; write U+FFFD itself as \\ufffd.",
  );
}

/** Throws what was thrown; whatever is not ours is a client that has gone. */
function refuseAborted(thrown: unknown): never {
  if (thrown instanceof HeadgateError) throw thrown;
  throw new HeadgateError("REQUEST_ABORTED", "The client went away before it had sent the whole body.", thrown);
}
