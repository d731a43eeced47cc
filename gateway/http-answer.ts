/**
 * An answer before any server has it: what is decided about it is decided once, and whether it then leaves through
 * Hono as a Response or straight through node:http makes no difference that a client could see.
 */

import type { ServerResponse } from "node:http";

/** An HTTP answer in full. */
export interface HttpAnswer {
  readonly status: number;
  /** Name, value, name, value …; names in lower case, each once, content-length left out. */
  readonly headers: readonly string[];
  readonly body: string;
}

/** The answer as Hono takes it. */
export function toResponse({ status, headers, body }: HttpAnswer): Response {
  const record: Record<string, string> = {};
  for (let i = 0; i < headers.length; i += 2) record[headers[i]!] = headers[i + 1]!;
  return new Response(body, { status, headers: record });
}

/** Sends the answer. Nothing happens when the client is gone. */
export function sendAnswer(response: ServerResponse, { status, headers, body }: HttpAnswer): void {
  // Told here, or Node would send the body in chunks.
  response.writeHead(status, [...headers, "content-length", String(Buffer.byteLength(body))]);
  response.end(body);
}
