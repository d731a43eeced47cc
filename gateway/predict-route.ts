/**
 * POST /predict's two doors to predict.ts. Hono's costs ten microseconds and more of a request that takes forty, so a
 * request that is all here when its head has been read (nearly every one) goes straight from node:http to the
 * prediction and back. Whatever else there is about HTTP (bodies that come slowly, in chunks or not to their end, other
 * paths and methods) is Hono's, and is there once.
 */

import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import type { Context } from "hono";
import { sendAnswer, toResponse } from "./http-answer.ts";
import type { Predict, PredictCall } from "./predict.ts";
import { checkBodyHeaders, jsonTextOf, readJsonText } from "./request-body.ts";

const PATH = "/predict";

/** The route as Hono takes it, for whatever has not arrived whole, and for tests without a socket. */
export function predictByFetch(predict: Predict, maxBodyBytes: number): (c: Context) => Promise<Response> {
  return async ({ req }) =>
    toResponse(
      await predict({
        header: (name) => req.header(name),
        text: (wait) => readJsonText(req, maxBodyBytes, wait),
      }),
    );
}

/** The listener of a server: predictions that are all here are answered at once, everything else goes to `others`. */
export function predictAtOnce(predict: Predict, maxBodyBytes: number, others: RequestListener): RequestListener {
  function route(request: IncomingMessage, response: ServerResponse): void {
    if (request.readableLength === Number(request.headers["content-length"])) {
      void predict(new ArrivedCall(request, maxBodyBytes)).then((answer) => sendAnswer(response, answer));
    } else others(request, response);
  }
  return (request, response) => {
    // The parser tells of the head first, then of what it has of the body; at the next tick it has done both.
    if (request.url === PATH && request.method === "POST") process.nextTick(route, request, response);
    else others(request, response);
  };
}

/** A request of node:http whose body has arrived. */
class ArrivedCall implements PredictCall {
  readonly #request: IncomingMessage;
  readonly #maxBodyBytes: number;

  constructor(request: IncomingMessage, maxBodyBytes: number) {
    this.#request = request;
    this.#maxBodyBytes = maxBodyBytes;
  }

  header(name: string): string | undefined {
    return this.#request.headers[name] as string | undefined;
  }

  text(): string {
    checkBodyHeaders(this, this.#maxBodyBytes);
    return jsonTextOf(this.#request.read() as Buffer | null, this.#maxBodyBytes);
  }
}
