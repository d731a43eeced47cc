/** All routes on one screen. */

import { type Context, Hono } from "hono";
import { excerpt, HeadgateError } from "../errors.ts";
import { describeFeatures, entityOfQuery, findView } from "../features/catalog.ts";
import { type JsonValue, writeJson } from "../features/json-value.ts";
import type { MaterializedViews } from "../features/materialized-view.ts";
import { inspectRow } from "../features/row-inspection.ts";
import type { StoredSchemas } from "../features/stored-schema.ts";
import { findModel } from "../models/alias.ts";
import type { ServedModel } from "../models/lifecycle.ts";
import type { LoadedModel } from "../models/loaded-model.ts";
import { requireAdmin, requireAdminToken } from "./authorization.ts";
import type { CanaryWatch } from "./canary-watch.ts";
import { type DocsAssets, docsPage } from "./docs-page.ts";
import { problemAnswer } from "./error-response.ts";
import { checkReadiness, type HealthOptions } from "./health.ts";
import { toResponse } from "./http-answer.ts";
import type { JoinedModel } from "./joined-model.ts";
import { describeComparison } from "./model-comparison.ts";
import { describeModel, servedEtag } from "./model-control.ts";
import type { ModelDeploys } from "./model-deploy.ts";
import { openApiDocument } from "./openapi.ts";
import { type Predict, requestIdOf } from "./predict.ts";
import { parseBody } from "./predict-request.ts";
import { predictByFetch } from "./predict-route.ts";
import { readJsonText } from "./request-body.ts";
import type { WriteRows } from "./row-write.ts";

/** What the routes need. */
export interface AppOptions extends HealthOptions {
  readonly join: (model: LoadedModel) => JoinedModel;
  readonly canaries: CanaryWatch;
  readonly predict: Predict;
  readonly writeRows: WriteRows;
  readonly deploys: ModelDeploys;
  readonly maxBodyBytes: number;
  readonly adminToken: string;
  /** Epoch ms. */
  readonly now: () => number;
  readonly schemas: StoredSchemas;
  readonly docsAssets: DocsAssets;
  /** When each view was last materialized, as far as it is known. */
  readonly materialized: () => Promise<MaterializedViews>;
  /** The package's. */
  readonly version: string;
  /** The metrics in Prometheus' text form. */
  readonly metricsText: () => Promise<string>;
}

/** The gateway as a fetch handler. */
export function createApp(options: AppOptions): Hono {
  const { adminToken, docsAssets, materialized, models, now, registry, schemas, store } = options;
  const app = new Hono();
  const admin = (c: Context, why: string) => requireAdmin(adminToken, c.req.header("authorization"), why);
  const describe = (served: ServedModel) => describeModel(served, options.canaries.endedBecause(served));
  const routes: Readonly<Record<string, (c: Context) => Response | Promise<Response>>> = {
    "POST /predict": predictByFetch(options.predict, options.maxBodyBytes),

    "GET /features": async () => json(describeFeatures(registry, await materialized())),
    "GET /features/:view": async (c) => {
      admin(c, "The feature-debug view shows people's data");
      const view = findView(registry, c.req.param("view")!);
      const row = await inspectRow(store, schemas, view, entityOfQuery(view, queryOf(c)), now());
      return json(row as unknown as JsonValue);
    },

    "POST /features/:view/rows": async (c) => {
      requireAdminToken(adminToken, c.req.header("authorization"), "POST /features/{view}/rows");
      const body = parseBody(await readJsonText(c.req, options.maxBodyBytes));
      return json(await options.writeRows(c.req.param("view")!, body));
    },

    "GET /models": () => json({ models: models.list().map(describe) }),
    "GET /models/:name": (c) => {
      const served = findModel(models, c.req.param("name")!);
      return json(describe(served), 200, { etag: servedEtag(served) });
    },
    "POST /models/:name/versions": options.deploys.postVersion,
    "GET /models/:name/versions/:version": options.deploys.getVersion,
    "DELETE /models/:name/versions/:version": options.deploys.deleteVersion,
    "PUT /models/:name/traffic": options.deploys.putTraffic,
    "GET /models/:name/comparison": (c) =>
      json(describeComparison(findModel(models, c.req.param("name")!), options.join, options.canaries)),

    "GET /livez": () => json({ status: "live" }),
    "GET /readyz": async () => {
      const { ready, body } = await checkReadiness(options);
      return json(body, ready ? 200 : 503);
    },
    "GET /metrics": async () =>
      new Response(await options.metricsText(), {
        headers: { "content-type": "text/plain; version=0.0.4; charset=utf-8" },
      }),

    "GET /openapi.json": () => json(openApiDocument(options.version)),
    "GET /docs": () => docsPage(),
    "GET /docs/:asset": (c) => docsAssets(c.req.param("asset")!),
  };

  for (const [route, handler] of Object.entries(routes)) {
    const [method, path] = route.split(" ") as [string, string];
    app.on(method, path, handler);
  }
  // 405 is told here and not by routes of its own: a second handler for a path would put every prediction through
  // Hono's middleware chain.
  app.notFound((c) => {
    const methods = Object.keys(routes).flatMap((route) => {
      const [method, pattern] = route.split(" ") as [string, string];
      return isOfRoute(c.req.path, pattern) ? [method] : [];
    });
    if (methods.length > 0) return methodNotAllowed(c, methods);
    return problem(
      c,
      new HeadgateError("ROUTE_NOT_FOUND", `There is no ${excerpt(c.req.path)}; see /docs for what there is.`),
    );
  });
  app.onError((thrown, c) => problem(c, thrown));
  return app;
}

/** The query's parameters. Throws ENTITY_KEY_INVALID for one that is there twice: neither is to be preferred. */
function queryOf(c: Context): Readonly<Record<string, string>> {
  const parameters = [...new URL(c.req.url).searchParams];
  const query = Object.fromEntries(parameters);
  if (Object.keys(query).length === parameters.length) return query;
  throw new HeadgateError("ENTITY_KEY_INVALID", "A join key is there twice; send each once.");
}

/** The same number of parts, each the same or a parameter. */
function isOfRoute(path: string, pattern: string): boolean {
  const [given, wanted] = [path.split("/"), pattern.split("/")];
  return wanted.length === given.length && wanted.every((part, i) => part.startsWith(":") || part === given[i]);
}

function json(body: JsonValue, status = 200, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(writeJson(body), { status, headers: { "content-type": "application/json", ...headers } });
}

function problem(c: Context, thrown: unknown): Response {
  return toResponse(problemAnswer(thrown, requestIdOf(c.req.header("x-request-id"))));
}

function methodNotAllowed(c: Context, methods: readonly string[]): Response {
  const allowed = methods.join(", ");
  const response = problem(
    c,
    new HeadgateError("METHOD_NOT_ALLOWED", `${excerpt(c.req.path)} takes ${allowed}, not ${excerpt(c.req.method)}.`),
  );
  response.headers.set("allow", allowed);
  return response;
}
