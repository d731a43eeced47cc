/**
 * An S3 of one object that does wrong what a test says, request by request, and is right once the script is at its end.
 * Real servers can't be made to stall in the middle of a body or to answer "slow down" three times.
 */

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** What goes wrong with one request. */
export type S3Fault =
  /** An answer of this status; 200 and 206 are never faults. */
  | {
      readonly status: number;
      readonly code?: string;
      readonly more?: string;
      readonly headers?: Record<string, string>;
    }
  /** Nothing comes, from the head or from half of the body on. */
  | "stalls"
  | "stalls in the body"
  /** The connection is cut, before the head or after half of the body. */
  | "is reset"
  | "is cut short"
  /** Half of the bytes, and a head that says that this is all. */
  | "is half"
  /** All bytes of the object instead of the range. */
  | "is whole"
  /** Bytes of another version, by a server that does not look at If-Match. */
  | "is of another version"
  /** No ETag, or one that a proxy has made weak; the bytes are right. */
  | "has no ETag"
  | "has a weak ETag";

/** The server. */
export interface ScriptedS3 {
  readonly endpoint: string;
  /** Method and range of each request so far. */
  readonly requests: readonly string[];
  /** The If-Match of each. */
  readonly conditions: readonly (string | undefined)[];
  /** What goes wrong with the next requests, in turn. */
  failNext(...faults: readonly S3Fault[]): void;
  close(): Promise<void>;
}

/** The ETag of the one object. */
export const SCRIPTED_ETAG = "5d41402abc4b2a76b9719d911017c592";

/** Starts it with an object that every key gives. */
export async function startScriptedS3(object: Uint8Array): Promise<ScriptedS3> {
  const faults: S3Fault[] = [];
  const requests: string[] = [];
  const conditions: (string | undefined)[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((request, response) => {
    requests.push([request.method, request.headers.range].filter((word) => word !== undefined).join(" "));
    conditions.push(request.headers["if-match"]);
    request.resume().on("end", () => answer(request, response, object, faults.shift()));
  });
  server.on("connection", (socket) => sockets.add(socket.on("close", () => sockets.delete(socket))));
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  return Object.freeze({
    endpoint: `http://127.0.0.1:${(server.address() as { port: number }).port}`,
    requests,
    conditions,
    failNext: (...more: readonly S3Fault[]) => void faults.push(...more),
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((closed) => server.close(closed));
    },
  });
}

function answer(request: IncomingMessage, response: ServerResponse, object: Uint8Array, fault?: S3Fault): void {
  if (typeof fault === "object") {
    const { status, code, more = "", headers } = fault;
    const body = code === undefined ? "" : `<Error><Code>${code}</Code><Message>Scripted.</Message>${more}</Error>`;
    response.writeHead(status, headers).end(request.method === "HEAD" ? "" : body);
    return;
  }
  if (fault === "stalls") return;
  if (fault === "is reset") return void request.socket.destroy();
  const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "") ?? [];
  const isWhole = from === undefined || fault === "is whole";
  const range = isWhole ? object : object.subarray(Number(from), Number(to) + 1);
  const etag = fault === "is of another version" ? "0".repeat(32) : SCRIPTED_ETAG;
  const modified = "Thu, 01 Jan 2026 00:00:00 GMT";
  const half = range.subarray(0, range.length / 2);
  const bytes = fault === "is half" ? half : range;
  const tag = fault === "has a weak ETag" ? `W/"${etag}"` : `"${etag}"`;
  const told = fault === "has no ETag" ? {} : { etag: tag };
  const headers = { ...told, "last-modified": modified, "content-length": bytes.length };
  response.writeHead(isWhole ? 200 : 206, headers);
  if (request.method === "HEAD") response.end();
  else if (fault === "stalls in the body") response.write(half);
  else if (fault === "is cut short") response.write(half, () => request.socket.destroy());
  else response.end(bytes);
}
