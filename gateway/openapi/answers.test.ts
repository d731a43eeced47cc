/** The OpenAPI document held against a gateway: every operation is asked as the page asks it, and answers as it is told. */

import { cpSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { temporaryFolder } from "../../test/harness/project.ts";
import { CHECKOUT } from "../../test/harness/source-tree.ts";
import { createApp } from "../app.ts";
import { type ChurnGateway, openChurnGateway } from "../fixtures/churn-gateway.ts";
import {
  compileSchemaCheck,
  exampleRequest,
  type Json,
  type Operations,
  type Override,
  operationsOf,
} from "../fixtures/documented-api.ts";
import { createModelDeploys } from "../model-deploy.ts";

const EXAMPLE = join(CHECKOUT, "examples", "churn", "models");
const GRAPH = new Uint8Array(readFileSync(join(EXAMPLE, "churn", "1", "model.onnx")));

let gateway: ChurnGateway;
let app: ReturnType<typeof createApp>;
let operations: Operations;
let problemsOf: ReturnType<typeof compileSchemaCheck>;
const asked = new Set<string>();

beforeAll(async () => {
  const folder = temporaryFolder();
  cpSync(EXAMPLE, folder, { recursive: true });
  gateway = await openChurnGateway(folder);
  const options = { ...gateway.options, adminToken: "secret" };
  app = createApp({ ...options, deploys: createModelDeploys(options) });
  const document = (await (await app.request("/openapi.json")).json()) as Json;
  operations = operationsOf(document);
  problemsOf = compileSchemaCheck(document);
});
afterAll(() => gateway.close());

/** Asks, and holds the answer against what is told of its status. */
async function ask(route: string, over?: Override): Promise<{ readonly status: number; readonly body: Json }> {
  asked.add(route);
  const operation = operations.get(route)!;
  const response = await app.request(exampleRequest(route, operation, over));
  const { status } = response;
  const text = await response.text();
  const told = operation.responses[status];
  expect(told, `${route} answered ${status}: ${text}`).toBeDefined();
  if (told.content === undefined) {
    expect(text).toBe("");
    return { status, body: undefined };
  }
  const type = response.headers.get("content-type")!.split(";")[0]!;
  expect(Object.keys(told.content)).toContain(type);
  const body = type.endsWith("json") ? JSON.parse(text) : text;
  expect(problemsOf(told.content[type].schema, body), `${route}: ${text}`).toEqual([]);
  return { status, body };
}

// In an order in which each finds what it asks for.
test.each<[route: string, status: number, over?: Override]>([
  ["POST /features/{view}/rows", 200],
  ["GET /features", 200],
  ["GET /features/{view}", 200],
  ["GET /features/{view}", 200, { parameters: { entity: { customer_id: 9_999 } } }],
  ["POST /predict", 200],
  ["POST /predict", 200, { body: { model: "churn", entities: { customer_id: 17 }, explain: true } }],
  ["POST /predict", 200, { body: { model: "churn", entities: [{ customer_id: 9_999 }] } }],
  ["GET /models", 200],
  ["GET /models/{name}", 200],
  ["GET /models/{name}/versions/{version}", 200],
  ["POST /models/{name}/versions", 200, { body: GRAPH, query: "dry_run=true" }],
  ["POST /models/{name}/versions", 201, { body: GRAPH }],
  ["PUT /models/{name}/traffic", 200],
  ["GET /models/{name}", 200],
  ["GET /models/{name}/comparison", 200],
  ["PUT /models/{name}/traffic", 200, { body: { stable: 1, shadow: [2] } }],
  ["POST /predict", 200],
  ["GET /models/{name}/comparison", 200],
  ["GET /v2", 200],
  ["GET /v2/health/live", 200],
  ["GET /v2/health/ready", 200],
  ["GET /v2/models", 200],
  ["GET /v2/models/{model}", 200],
  ["GET /v2/models/{model}/ready", 200],
  ["GET /v2/models/{model}/config", 200],
  ["POST /v2/models/{model}/infer", 200],
  ["GET /v2/models/{model}/stats", 200],
  ["GET /v2/models/stats", 200],
  ["GET /v2/models/{model}/versions/{version}", 200],
  ["GET /v2/models/{model}/versions/{version}/ready", 200],
  ["GET /v2/models/{model}/versions/{version}/config", 200],
  ["POST /v2/models/{model}/versions/{version}/infer", 200],
  ["GET /v2/models/{model}/versions/{version}/stats", 200],
  ["POST /v2/repository/index", 200],
  ["POST /v2/repository/models/{model}/load", 200],
  ["POST /v2/repository/models/{model}/unload", 409],
  ["POST /write-to-online-store", 200],
  ["POST /push", 200],
  ["POST /get-online-features", 200],
  ["POST /materialize", 200],
  ["POST /materialize-incremental", 202, { query: "async=true" }],
  ["GET /health", 200],
  ["GET /livez", 200],
  ["GET /readyz", 200],
  ["GET /metrics", 200],
  ["PUT /models/{name}/traffic", 200, { body: { stable: 1 } }],
  ["DELETE /models/{name}/versions/{version}", 204, { parameters: { name: "churn", version: "2" } }],
  ["DELETE /models/{name}", 204, { parameters: { name: "churn" } }],
  ["GET /readyz", 200],
])("%s answers %i, as it is told", async (route, status, over) => {
  expect((await ask(route, over)).status).toBe(status);
});

test("all of them were asked", () => {
  expect([...asked].sort()).toEqual([...operations.keys()].sort());
});

describe("a refusal is the example of its code", () => {
  const nobody = { parameters: { name: "nope", model: "nope", view: "nope" } };
  test.each<[route: string, code: string, over: Override]>([
    ["POST /predict", "REQUEST_INVALID", { body: {} }],
    ["POST /predict", "MODEL_NOT_FOUND", { body: { model: "nope", entities: {} } }],
    ["GET /features/{view}", "VIEW_NOT_FOUND", nobody],
    ["GET /models/{name}", "MODEL_NOT_FOUND", nobody],
    ["POST /models/{name}/versions", "MODEL_FILE_INVALID", { body: new Uint8Array([1, 2, 3]) }],
    ["POST /get-online-features", "REQUEST_INVALID", { body: {} }],
    ["POST /push", "PUSH_SOURCE_NOT_FOUND", { body: { push_source_name: "nope", df: {} } }],
    ["GET /v2/models/{model}", "MODEL_NOT_FOUND", nobody],
  ])("%s: %s", async (route, code, over) => {
    const { status, body } = await ask(route, over);
    const [content] = Object.values<Json>(operations.get(route)!.responses[status].content);
    const [told, example] = [body, content.examples[code].value].map((one) =>
      typeof one === "string" ? JSON.parse(one) : one,
    );
    const own = {
      detail: told.detail,
      message: told.message,
      error: told.error,
      request_id: told.request_id,
      steps: told.steps,
    };
    expect(told).toEqual({ ...example, ...own });
  });
});
