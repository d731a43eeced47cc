/**
 * An answer before any server has it: what is decided about it is decided once, and whether it then leaves through
 * Hono as a Response or straight through node:http makes no difference that a client could see.
 */

import type { ServerResponse } from "node:http";
import { type JsonValue, writeJson } from "../features/json-value.ts";

/** An HTTP answer in full; what is not text is bytes. */
export interface HttpAnswer<Body extends string | Uint8Array = string> {
  readonly status: number;
  /** Name, value, name, value …; names in lower case, each once, content-length left out. */
  readonly headers: readonly string[];
  readonly body: Body;
}

/** An answer of JSON; `headers`, name and value in turn, go after its type. */
export function jsonAnswer(body: JsonValue, status = 200, headers: readonly string[] = []): HttpAnswer {
  return { status, headers: ["content-type", "application/json", ...headers], body: writeJson(body) };
}

/** The answer as Hono takes it. */
export function toResponse({ status, headers, body }: HttpAnswer<string | Uint8Array>): Response {
  const record: Record<string, string> = {};
  for (let i = 0; i < headers.length; i += 2) record[headers[i]!] = headers[i + 1]!;
  return new Response(body as string | Uint8Array<ArrayBuffer>, { status, headers: record });
}

/** An answer of JSON as Hono takes it. */
export function jsonResponse(body: JsonValue, status?: number, headers?: readonly string[]): Response {
  return toResponse(jsonAnswer(body, status, headers));
}

/** Sends the answer. Nothing happens when the client is gone. */
export function sendAnswer(response: ServerResponse, answer: HttpAnswer<string | Uint8Array>): void {
  const { status, headers, body } = answer;
  // Told here, or Node would send the body in chunks.
  response.writeHead(status, [...headers, "content-length", String(Buffer.byteLength(body))]);
  if (typeof body === "string") response.end(body);
  // A text goes out with the head in one write, where bytes take a second one, at a seventh of the request's time.
  else if (body.length <= TEXT_BYTES_MAX) response.end(textOf(body), "latin1");
  else response.end(body);
}

/** Bytes that are sent as a text, each a character: copying more costs what it saves. */
const TEXT_BYTES_MAX = 16_384;

const textOf = ({ buffer, byteLength, byteOffset }: Uint8Array): string =>
  Buffer.from(buffer, byteOffset, byteLength).toString("latin1");
