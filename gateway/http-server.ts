/**
 * The gateway's HTTP server: listening, the times a client is given to send, and draining, which answers all that was
 * accepted and sends what comes next elsewhere.
 */

import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http";
import { listen } from "../listening.ts";

/** Where to listen and how long to drain. */
export interface HttpServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** How long requests are still taken once draining has begun, ms. */
  readonly drainGrace: number;
  /** How long accepted requests may take to finish before they are cut, ms. */
  readonly drainTimeout: number;
  /** Monotonic ms. */
  readonly clock: () => number;
}

/** A listening server. */
export interface HttpServer {
  /** Such as http://127.0.0.1:8080. */
  readonly url: string;
  /** Answers what was accepted, then closes. */
  drain(): Promise<void>;
}

/** Listens. Throws CONFIG_INVALID when it can't. `handle` is given every request, and bounds how long its body may take. */
export async function openHttpServer(options: HttpServerOptions, handle: RequestListener): Promise<HttpServer> {
  const server = createServer(RECEIVING, handle);
  const url = await listen(server, { ...options, hostSetting: "HEADGATE_HOST", portSetting: "HEADGATE_PORT" });
  return Object.freeze({
    url,
    drain: () => {
      server.prependListener("request", closeAfterAnswer);
      return drain(server, options);
    },
  });
}

/**
 * How long a client may take to send a head, ms. Past it Node answers 408 and closes, so that connections which send a
 * byte now and then can't be held for ever. A body's time is receive-timeout.ts's.
 */
const RECEIVING = Object.freeze({ headersTimeout: 10_000, requestTimeout: 0, connectionsCheckingInterval: 5_000 });

/** Tells the client, by `connection: close`, to send its next request elsewhere. */
function closeAfterAnswer(_: IncomingMessage, answer: ServerResponse): void {
  answer.shouldKeepAlive = false;
}

/** How often idle keep-alive connections are looked for while draining, ms: `close` alone waits for their timeout. */
const IDLE_CHECK_MS = 20;

async function drain(server: Server, { clock, drainGrace, drainTimeout }: HttpServerOptions): Promise<void> {
  await new Promise((waited) => setTimeout(waited, drainGrace));
  const cutting = setTimeout(() => server.closeAllConnections(), drainTimeout);
  await nobodyComes(server, clock);
  const closingIdle = setInterval(() => server.closeIdleConnections(), IDLE_CHECK_MS);
  await new Promise((done) => server.close(done));
  clearInterval(closingIdle);
  clearTimeout(cutting);
}

/** Turns of the event loop in which nobody came before the port is closed. */
const QUIET_TURNS = 20;
/** How long that is waited for, ms: who has clients that come all the time closes all the same. */
const QUIET_WITHIN_MS = 50;

/**
 * Resolves when no connection has come for some turns. What closes the port resets whoever the kernel has let in and this
 * process has not, request and all; and clients that were told to close come back at once.
 */
async function nobodyComes(server: Server, clock: () => number): Promise<void> {
  let came = false;
  const comes = () => {
    came = true;
  };
  server.on("connection", comes);
  const untilMs = clock() + QUIET_WITHIN_MS;
  for (let quiet = 0; quiet < QUIET_TURNS && clock() < untilMs; ) {
    came = false;
    await new Promise((turned) => setImmediate(turned));
    quiet = came ? 0 : quiet + 1;
  }
  server.off("connection", comes);
}
