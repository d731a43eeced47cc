/**
 * The two doors of the routes that are asked thousands of times a second. Hono's costs ten microseconds and more of a
 * request that takes forty, so a request that is all here when its head has been read (nearly every one) goes straight
 * from node:http to its route and back. Whatever else there is about HTTP (bodies that come slowly, in chunks or not to
 * their end, other paths and methods) is Hono's, and is there once.
 */

import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import type { Context } from "hono";
import { type HttpAnswer, sendAnswer, toResponse } from "./http-answer.ts";
import {
  type BodyWait,
  bytesOf,
  checkBodyHeaders,
  type HeaderLookup,
  jsonTextOf,
  readBytes,
  readJsonText,
} from "./request-body.ts";

/** A request, whichever door it came through. */
export interface RouteCall extends HeaderLookup {
  readonly method: string;
  /** As it was sent, still percent-encoded, without the query. */
  readonly path: string;
  /** The body as JSON's text; see request-body.ts for what it throws or rejects with. */
  text(wait: BodyWait): string | Promise<string>;
  /** The body as it was sent, of whatever type. Throws or rejects with BODY_TOO_LARGE, REQUEST_ABORTED or DEADLINE_EXCEEDED. */
  bytes(wait: BodyWait): Uint8Array | Promise<Uint8Array>;
}

type RouteAnswer = HttpAnswer<string | Uint8Array>;

/** A route that has both doors. It never rejects. */
export type AnswerCall = (call: RouteCall) => Promise<RouteAnswer>;

/** Routes with a direct door, by the path that they are posted to; one that ends in `*` is all paths that begin so. */
export type DirectRoutes = Readonly<Record<string, AnswerCall>>;

/** The route as Hono takes it, for whatever has not arrived whole, and for tests without a socket. */
export function answerByFetch(answer: AnswerCall, maxBodyBytes: number): (c: Context) => Promise<Response> {
  return async ({ req }) =>
    toResponse(
      await answer({
        method: req.method,
        // Hono's own path is decoded, and a name may hold an encoded slash.
        path: new URL(req.url).pathname,
        header: (name) => req.header(name),
        text: (wait) => readJsonText(req, maxBodyBytes, wait),
        bytes: (wait) => readBytes(req, maxBodyBytes, wait),
      }),
    );
}

/** An answer that comes when the first request of those that are held is this old, ms, takes all of them along. */
const HOLD_MAX_MS = 1;

/**
 * The listener of a server: posts to `routes` that are all here are answered at once, everything else goes to `others`.
 * Answers that come while the event loop still reads its sockets leave together when it has, or with the first that comes
 * when the first request of them is HOLD_MAX_MS old by `clock` (monotonic ms): one that leaves alone wakes its client by
 * itself, and that costs a quarter of a read of features. Whatever else the event loop does meanwhile they wait for.
 */
export function answerAtOnce(
  routes: DirectRoutes,
  maxBodyBytes: number,
  clock: () => number,
  others: RequestListener,
): RequestListener {
  const routeOf = compileLookup(routes);
  /** From a request to when it has been read who else is there, or an answer came late; undefined otherwise. */
  let held: { readonly response: ServerResponse; readonly answered: RouteAnswer }[] | undefined;
  let heldUntilMs = 0;
  function sendHeld(): void {
    const all = held ?? [];
    held = undefined;
    for (const { response, answered } of all) sendAnswer(response, answered);
  }
  function arrived(request: IncomingMessage, response: ServerResponse, answer: AnswerCall): void {
    if (request.readableLength !== Number(request.headers["content-length"])) {
      others(request, response);
      return;
    }
    if (held === undefined) {
      held = [];
      heldUntilMs = clock() + HOLD_MAX_MS;
      setImmediate(sendHeld);
    }
    void answer(new ArrivedCall(request, maxBodyBytes)).then((answered) => {
      if (held === undefined) {
        sendAnswer(response, answered);
        return;
      }
      held.push({ response, answered });
      if (clock() >= heldUntilMs) sendHeld();
    });
  }
  return (request, response) => {
    const answer = request.method === "POST" ? routeOf(request.url!) : undefined;
    // The parser tells of the head first, then of what it has of the body; at the next tick it has done both.
    if (answer === undefined) others(request, response);
    else process.nextTick(arrived, request, response, answer);
  };
}

/** Nearly every request is for one of the exact paths, or for the first of the others. */
function compileLookup(routes: DirectRoutes): (url: string) => AnswerCall | undefined {
  const exact = new Map(Object.entries(routes));
  const beginnings = [...exact].flatMap(([path, answer]) =>
    path.endsWith("*") ? [{ beginning: path.slice(0, -1), answer }] : [],
  );
  return (url) => exact.get(url) ?? beginnings.find(({ beginning }) => url.startsWith(beginning))?.answer;
}

/** A request of node:http whose body has arrived. */
class ArrivedCall implements RouteCall {
  readonly method = "POST";
  readonly #request: IncomingMessage;
  readonly #maxBodyBytes: number;

  constructor(request: IncomingMessage, maxBodyBytes: number) {
    this.#request = request;
    this.#maxBodyBytes = maxBodyBytes;
  }

  get path(): string {
    const url = this.#request.url!;
    const query = url.indexOf("?");
    return query < 0 ? url : url.slice(0, query);
  }

  header(name: string): string | undefined {
    return this.#request.headers[name] as string | undefined;
  }

  text(): string {
    checkBodyHeaders(this, this.#maxBodyBytes);
    return jsonTextOf(this.#request.read() as Buffer | null, this.#maxBodyBytes);
  }

  bytes(): Uint8Array {
    return bytesOf(this.#request.read() as Buffer | null, this.#maxBodyBytes);
  }
}
