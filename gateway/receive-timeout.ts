/**
 * How long a client may take to send a request's body. Node has one such bound for all requests of a server, and no
 * upload of a model fits into what a prediction may take; so Node's is off and this one holds in its place, for the few
 * requests whose body has not come with their head, until a route that has its own bound asks to be let off.
 */

import type { IncomingMessage, RequestListener } from "node:http";

/** What Node itself answers when its bound is passed. */
const TOO_LATE = "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n";

const receiving = new WeakMap<IncomingMessage, NodeJS.Timeout>();

/** Ends the connection of a request whose body is not here `timeoutMs` after its head. */
export function receiveWithin(timeoutMs: number, listener: RequestListener): RequestListener {
  return (request, response) => {
    const { headers } = request;
    if (headers["content-length"] !== undefined || headers["transfer-encoding"] !== undefined) {
      const timer = setTimeout(() => cut(request), timeoutMs);
      timer.unref();
      receiving.set(request, timer);
      request.once("close", () => clearTimeout(timer));
    }
    listener(request, response);
  };
}

/** Lets a request off: its route bounds the waiting itself. Anything else than a request of node:http is let be. */
export function receiveByRoute(request: unknown): void {
  if (typeof request === "object" && request !== null) clearTimeout(receiving.get(request as IncomingMessage));
}

function cut({ complete, socket }: IncomingMessage): void {
  if (complete || socket.destroyed) return;
  socket.end(TOO_LATE);
  socket.destroySoon();
}
