/**
 * The small HTTP server of a process that serves no requests: GET /livez, /readyz and /metrics, for Kubernetes and
 * Prometheus. The gateway has these routes among its own.
 */

import { createServer, type ServerResponse } from "node:http";
import { ERRORS, type ErrorCode, reasonOf } from "./errors.ts";
import type { JsonValue } from "./features/json-value.ts";
import { listen } from "./listening.ts";

/** What is asked. */
export interface HealthServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** The setting that the port is of, for who has to choose another. */
  readonly portSetting: "HEADGATE_HEALTH_PORT" | "HEADGATE_NIGHTLY_HEALTH_PORT";
  /** Whether the work goes on, and everything that makes it so. A rejection counts as not ready. */
  readonly readiness: () => Promise<{ readonly ready: boolean; readonly body: JsonValue }>;
  /** Prometheus' text form. */
  readonly metricsText: () => Promise<string>;
}

/** A server that listens. */
export interface HealthServer {
  /** Such as http://127.0.0.1:8081. */
  readonly url: string;
  close(): Promise<void>;
}

type Answer = readonly [status: number, type: string, body: string];

const ROUTES: readonly string[] = ["/livez", "/readyz", "/metrics"];
const JSON_TYPE = "application/json; charset=utf-8";
/** How long a probe may take to send its request, ms. */
const REQUEST_TIMEOUT_MS = 5_000;

/** Listens. Throws CONFIG_INVALID naming the setting when it can't. */
export async function openHealthServer(options: HealthServerOptions): Promise<HealthServer> {
  const { host, port, portSetting } = options;
  const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS });
  server.on("request", (request, response) => {
    const path = (request.url ?? "").replace(/\?.*$/, "");
    answer(options, request.method ?? "", path).then(
      (answered) => send(response, answered),
      (thrown: unknown) => send(response, refusal("INTERNAL", reasonOf(thrown))),
    );
  });
  const url = await listen(server, { host, port, hostSetting: "HEADGATE_HEALTH_HOST", portSetting });
  return Object.freeze({
    url,
    close: () =>
      new Promise<void>((closed) => {
        server.close(() => closed());
        server.closeAllConnections();
      }),
  });
}

async function answer({ readiness, metricsText }: HealthServerOptions, method: string, path: string): Promise<Answer> {
  if (!ROUTES.includes(path)) return refusal("ROUTE_NOT_FOUND", `There is no ${path}; there are ${ROUTES.join(", ")}.`);
  if (method !== "GET" && method !== "HEAD") return refusal("METHOD_NOT_ALLOWED", `${path} takes GET and HEAD.`);
  if (path === "/livez") return [200, JSON_TYPE, JSON.stringify({ status: "live" })];
  if (path === "/metrics") return [200, "text/plain; version=0.0.4; charset=utf-8", await metricsText()];
  const { ready, body } = await readiness().catch((thrown: unknown) => ({
    ready: false,
    body: { status: "not ready", reason: reasonOf(thrown) },
  }));
  return [ready ? 200 : 503, JSON_TYPE, JSON.stringify(body)];
}

/** An error as every part of Headgate tells it over HTTP (RFC 9457). */
function refusal(code: ErrorCode, detail: string): Answer {
  const { status, sentence: title } = ERRORS[code];
  const body = JSON.stringify({ type: `urn:headgate:error:${code}`, title, status, detail, code });
  return [status, "application/problem+json", body];
}

function send(response: ServerResponse, [status, type, body]: Answer): void {
  const allow = status === 405 ? { allow: "GET, HEAD" } : {};
  response.writeHead(status, { "content-type": type, "cache-control": "no-store", ...allow });
  response.end(response.req.method === "HEAD" ? undefined : body);
}
