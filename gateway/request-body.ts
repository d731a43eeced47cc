/** A request's body as text, never more of it in memory than the bound. */

import type { HonoRequest } from "hono";
import { HeadgateError } from "../errors.ts";

/**
 * Reads the body. Throws UNSUPPORTED_MEDIA_TYPE for a declared type that is not JSON, BODY_TOO_LARGE as soon as the
 * declared or the received length passes `maxBytes`.
 */
export function readJsonText(request: HonoRequest, maxBytes: number): Promise<string> {
  const type = request.header("content-type");
  if (type !== undefined && !/^application\/([\w.-]+\+)?json\s*(;|$)/i.test(type)) {
    throw new HeadgateError(
      "UNSUPPORTED_MEDIA_TYPE",
      `The body was sent as "${type}"; send content-type: application/json.`,
    );
  }
  const declared = request.header("content-length");
  if (declared === undefined) return readChunks(request.raw.body, maxBytes);
  // Node's parser holds the body to its declared length, so checking that is enough.
  if (Number(declared) > maxBytes) throw tooLarge(maxBytes);
  return request.text();
}

async function readChunks(body: ReadableStream<Uint8Array> | null, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let received = 0;
  for await (const chunk of body ?? []) {
    received += chunk.length;
    if (received > maxBytes) throw tooLarge(maxBytes);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function tooLarge(maxBytes: number): HeadgateError {
  return new HeadgateError(
    "BODY_TOO_LARGE",
    `The body is larger than ${maxBytes} bytes (maxBodyBytes). Send fewer entities per request.`,
  );
}
