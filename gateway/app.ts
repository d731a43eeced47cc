/** All routes on one screen. */

import { type Context, Hono } from "hono";
import { excerpt, HeadgateError } from "../errors.ts";
import { describeFeatures, entityOfQuery, findView } from "../features/catalog.ts";
import type { JsonValue } from "../features/json-value.ts";
import type { MaterializedViews } from "../features/materialized-view.ts";
import { inspectRow } from "../features/row-inspection.ts";
import type { StoredSchemas } from "../features/stored-schema.ts";
import { findModel } from "../models/alias.ts";
import type { ServedModel } from "../models/lifecycle.ts";
import type { LoadedModel } from "../models/loaded-model.ts";
import { requireAdmin, requireAdminToken } from "./authorization.ts";
import type { CanaryWatch } from "./canary-watch.ts";
import { type AnswerCall, answerByFetch } from "./direct-route.ts";
import { type DocsAssets, docsPage } from "./docs-page.ts";
import { problemAnswer } from "./error-response.ts";
import type { FeastRoutes } from "./feast-http/feast-routes.ts";
import { checkReadiness, type HealthOptions } from "./health.ts";
import { jsonResponse, toResponse } from "./http-answer.ts";
import type { JoinedModel } from "./joined-model.ts";
import { type ComparisonOptions, describeComparison } from "./model-comparison.ts";
import { describeModel, servedEtag } from "./model-control.ts";
import type { ModelDeploys } from "./model-deploy.ts";
import { openApiDocument } from "./openapi/document.ts";
import { exampleProject } from "./openapi/example-project.ts";
import { type Predict, requestIdOf } from "./predict.ts";
import { parseBody } from "./predict-request.ts";
import { readJsonText } from "./request-body.ts";
import type { WriteRows } from "./row-write.ts";

/** What the routes need. */
export interface AppOptions extends HealthOptions, Pick<ComparisonOptions, "comparedElsewhere"> {
  readonly join: (model: LoadedModel) => JoinedModel;
  readonly canaries: CanaryWatch;
  readonly predict: Predict;
  readonly writeRows: WriteRows;
  readonly deploys: ModelDeploys;
  readonly feast: FeastRoutes;
  /** Everything below /v2. */
  readonly inference: AnswerCall;
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

/** "METHOD /path" → what answers it. */
type Routes = Readonly<Record<string, (c: Context) => Response | Promise<Response>>>;

/** The gateway as a fetch handler. */
export function createApp(options: AppOptions): Hono {
  const app = new Hono();
  const routes: Routes = {
    "POST /predict": answerByFetch(options.predict, options.maxBodyBytes),
    ...featureRoutes(options),
    ...modelRoutes(options),
    ...feastRoutes(options),
    ...operatingRoutes(options),
  };
  for (const [route, handler] of Object.entries(routes)) {
    const [method, path] = route.split(" ") as [string, string];
    app.on(method, path, handler);
  }
  app.all("/v2/*", answerByFetch(options.inference, options.maxBodyBytes));
  // 405 is told here and not by routes of its own: a second handler for a path would put every prediction through
  // Hono's middleware chain.
  app.notFound((c) => notFound(c, routes));
  app.onError((thrown, c) => problem(c, thrown));
  return app;
}

/** What the views hold, and rows that are written. */
function featureRoutes(options: AppOptions): Routes {
  const { adminToken, materialized, maxBodyBytes, now, registry, schemas, store } = options;
  const authorization = (c: Context) => c.req.header("authorization");
  return {
    "GET /features": async () => jsonResponse(describeFeatures(registry, await materialized())),
    "GET /features/:view": async (c) => {
      requireAdmin(adminToken, authorization(c), "The feature-debug view shows people's data");
      const view = findView(registry, c.req.param("view")!);
      const entity = entityOfQuery(view, queryOf(c), (keys) =>
        [`GET /features/${view.name}`, ...(keys.length === 0 ? [] : [keys.join("&")])].join("?"),
      );
      const row = await inspectRow(store, schemas, view, entity, now());
      return jsonResponse(row as unknown as JsonValue);
    },
    "POST /features/:view/rows": async (c) => {
      requireAdminToken(adminToken, authorization(c), "POST /features/{view}/rows");
      const body = parseBody(await readJsonText(c.req, maxBodyBytes));
      return jsonResponse(await options.writeRows(c.req.param("view")!, body));
    },
  };
}

/** The models: what serves, what is deployed, how versions compare. */
function modelRoutes(options: AppOptions): Routes {
  const { canaries, deploys, models } = options;
  const describe = (served: ServedModel) => describeModel(served, canaries.endedBecause(served));
  return {
    "GET /models": () => jsonResponse({ models: models.list().map(describe) }),
    "GET /models/:name": (c) => {
      const served = findModel(models, c.req.param("name")!);
      return jsonResponse(describe(served), 200, ["etag", servedEtag(served)]);
    },
    "POST /models/:name/versions": deploys.postVersion,
    "GET /models/:name/versions/:version": deploys.getVersion,
    "DELETE /models/:name/versions/:version": deploys.deleteVersion,
    "DELETE /models/:name": deploys.deleteModel,
    "PUT /models/:name/traffic": deploys.putTraffic,
    "GET /models/:name/comparison": async (c) =>
      jsonResponse(await describeComparison(findModel(models, c.req.param("name")!), options)),
  };
}

/** For who runs the gateway, and for who reads about it. */
function operatingRoutes(options: AppOptions): Routes {
  return {
    "GET /livez": () => jsonResponse({ status: "live" }),
    "GET /readyz": async () => {
      const { ready, body } = await checkReadiness(options);
      return jsonResponse(body, ready ? 200 : 503);
    },
    "GET /metrics": async () =>
      new Response(await options.metricsText(), {
        headers: { "content-type": "text/plain; version=0.0.4; charset=utf-8" },
      }),
    "GET /openapi.json": (c) => {
      const project = exampleProject(options.registry, options.models.list());
      return c.json(openApiDocument(options.version, options.now(), project));
    },
    "GET /": (c) => c.redirect("/docs"),
    "GET /docs": () => docsPage(),
    "GET /docs/:asset": (c) => options.docsAssets(c.req.param("asset")!),
  };
}

/** What Feast's client calls. */
function feastRoutes(options: AppOptions): Routes {
  const { feast, maxBodyBytes } = options;
  const isAsync = (c: Context) => c.req.query("async") === "true";
  return {
    "POST /get-online-features": answerByFetch(feast.onlineFeatures, maxBodyBytes),
    "POST /write-to-online-store": answerByFetch(feast.write, maxBodyBytes),
    "POST /push": answerByFetch(feast.push, maxBodyBytes),
    "POST /materialize": (c) => answerByFetch((call) => feast.materialize(call, isAsync(c)), maxBodyBytes)(c),
    "POST /materialize-incremental": (c) =>
      answerByFetch((call) => feast.materializeIncremental(call, isAsync(c)), maxBodyBytes)(c),
    "GET /health": async () => new Response(null, { status: (await checkReadiness(options)).ready ? 200 : 503 }),
  };
}

/** The query's parameters. Throws ENTITY_KEY_INVALID for one that is there twice: neither is to be preferred. */
function queryOf(c: Context): Readonly<Record<string, string>> {
  const parameters = [...new URL(c.req.url).searchParams];
  const query = Object.fromEntries(parameters);
  if (Object.keys(query).length === parameters.length) return query;
  throw new HeadgateError("ENTITY_KEY_INVALID", "A join key is there twice; send each once.");
}

function notFound(c: Context, routes: Routes): Response {
  const methods = Object.keys(routes).flatMap((route) => {
    const [method, pattern] = route.split(" ") as [string, string];
    return isOfRoute(c.req.path, pattern) ? [method] : [];
  });
  if (methods.length > 0) return methodNotAllowed(c, methods);
  return problem(
    c,
    new HeadgateError("ROUTE_NOT_FOUND", `There is no ${excerpt(c.req.path)}; see /docs for what there is.`),
  );
}

/** The same number of parts, each the same or a parameter. */
function isOfRoute(path: string, pattern: string): boolean {
  const [given, wanted] = [path.split("/"), pattern.split("/")];
  return wanted.length === given.length && wanted.every((part, i) => part.startsWith(":") || part === given[i]);
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
