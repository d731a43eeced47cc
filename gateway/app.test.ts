/** The gateway's routes on a real store and a real model, in process: what each answers, and how it refuses. */

import { createRequire } from "node:module";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { applyRegistry, readAppliedRegistry, requireApplied } from "../features/applied-registry.ts";
import { loadFeatureRepository } from "../features/feature-repository.ts";
import type { FeatureView } from "../features/feature-view.ts";
import { compileReadPlan } from "../features/read-plan.ts";
import { openMemoryStore } from "../features/store/memory.ts";
import type { OnlineStore } from "../features/store/online-store.ts";
import { StoredSchemas } from "../features/stored-schema.ts";
import { createViewWriter, recordOrigin, SOURCE_RANK } from "../features/writer.ts";
import { type Models, openModels } from "../models/lifecycle.ts";
import { openModelRepository } from "../models/repository.ts";
import { type AppOptions, createApp } from "./app.ts";
import { openDocsAssets } from "./docs-page.ts";
import { createModelJoin } from "./joined-model.ts";

const PROJECT = new URL("../examples/churn", import.meta.url).pathname;
const fixture = createRequire(import.meta.url)("../examples/churn/fixtures/predictions.json") as {
  rows: number[][];
  label: number[];
  probabilities: number[][];
};
const HOUR = 3_600_000;
let nowMs = Date.UTC(2026, 10, 23, 6);
let store: OnlineStore;
let models: Models;
let options: AppOptions;

beforeAll(async () => {
  store = openMemoryStore();
  const registry = await loadFeatureRepository(PROJECT);
  await applyRegistry(store.control, registry, { gitCommit: undefined, nowMs });
  const applied = await readAppliedRegistry(store.control);
  const view = registry.views.get("customer_30d_features") as FeatureView;
  await writeFixture(view, requireApplied(applied, registry, [view]).get(view.name)!);
  models = await openModels({
    repository: await openModelRepository(`${PROJECT}/models`),
    columnsOf: (service) => compileReadPlan(registry.services.get(service)!).columns,
    now: () => performance.now(),
  });
  const schemas = new StoredSchemas(store.control);
  options = {
    store,
    schemas,
    registry,
    applied,
    models,
    join: createModelJoin(store, schemas, registry),
    isDraining: () => false,
    adminToken: "",
    memory: undefined,
    maxEntities: 2_000,
    maxBodyBytes: 100_000,
    deadlineMs: 5_000,
    now: () => nowMs,
    clock: () => performance.now(),
    docsAssets: openDocsAssets(),
    metricsText: async () => "headgate_up 1\n",
    version: "0.0.0",
  };
});

afterAll(() => models.close());

async function writeFixture(view: FeatureView, applied: { schemaId: number; generation: number }) {
  const originId = await recordOrigin(store.control, { run: "fixture" });
  const writerOptions = {
    store,
    view,
    applied,
    originId,
    sourceRank: SOURCE_RANK.file,
    maxFutureMs: 1,
    expiryGraceMs: HOUR,
  };
  const writer = createViewWriter(writerOptions);
  const eventTimestampUs = (nowMs - HOUR) * 1_000;
  const rows = fixture.rows.map((values, i) =>
    writer.encode({ entity: [i], values, eventTimestampUs, createdTimestampUs: eventTimestampUs, position: i }, nowMs),
  );
  await writer.write(rows.map((row) => ("refused" in row ? expect.fail(row.refused) : row)));
}

const JSON_TYPE = { "content-type": "application/json" };
const predict = (body: unknown, headers: Record<string, string> = {}, over: Partial<AppOptions> = {}) =>
  createApp({ ...options, ...over }).request("/predict", {
    method: "POST",
    headers: { ...JSON_TYPE, ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
const get = (path: string, headers: Record<string, string> = {}, over: Partial<AppOptions> = {}) =>
  createApp({ ...options, ...over }).request(path, { headers });

describe("POST /predict", () => {
  test("answers what Python's onnxruntime answers, one by one and together", async () => {
    const ids = fixture.rows.map((_, customer_id) => ({ customer_id }));
    const together = (await (await predict({ model: "churn", entities: ids })).json()) as Answer;
    const alone = await Promise.all(
      ids.map(async (id) => (await (await predict({ model: "churn", entities: id })).json()) as Answer),
    );
    expect(together.predictions).toHaveLength(1_200);
    for (const [i, prediction] of together.predictions.entries()) {
      for (const answer of [prediction, alone[i]!.predictions[0]!]) {
        expect(answer.version).toBe(1);
        expect(answer.label).toBe(fixture.label[i]);
        for (const c of [0, 1])
          expect(Math.abs(answer.probabilities[c]! - fixture.probabilities[i]![c]!)).toBeLessThan(1e-6);
      }
    }
  });

  test("says how old the features were, and with explain each value", async () => {
    const answer = (await (
      await predict({ model: "churn", entities: { customer_id: 0 }, explain: true })
    ).json()) as Answer;
    expect(answer.features).toEqual([
      {
        status: "PRESENT",
        event_timestamp: "2026-11-23T05:00:00.000Z",
        age_seconds: 3_600,
        defaulted: [],
        values: expect.objectContaining({
          "customer_30d_features:orders_30d": {
            value: fixture.rows[0]![0],
            status: "PRESENT",
            event_timestamp: "2026-11-23T05:00:00.000Z",
            tier: "memory",
          },
        }),
      },
    ]);
  });

  test("an entity without features is its own error in a list, and the answer when it is alone", async () => {
    const listed = await predict({
      model: "churn",
      entities: [{ customer_id: 0 }, { customer_id: 999_999 }, { customer_id: 1 }],
    });
    expect(listed.status).toBe(200);
    const answer = (await listed.json()) as Answer;
    expect(answer.predictions[1]).toEqual({
      version: 1,
      error: { code: "FEATURES_MISSING", detail: expect.stringContaining("NOT_FOUND") },
    });
    expect(answer.predictions[2]!.label).toBe(fixture.label[1]);
    expect(answer.features[1]).toEqual({
      status: "NOT_FOUND",
      event_timestamp: null,
      age_seconds: null,
      defaulted: [],
    });
    expect(await problemOf(await predict({ model: "churn", entities: { customer_id: 999_999 } }))).toMatchObject({
      status: 422,
      code: "FEATURES_MISSING",
    });
  });

  test("too old is told as too old", async () => {
    const now = nowMs;
    nowMs += 48 * HOUR;
    const problem = await problemOf(await predict({ model: "churn", entities: { customer_id: 0 } }));
    nowMs = now;
    expect(problem.detail).toContain("customer_30d_features is OUTSIDE_MAX_AGE");
  });

  test("honours a request id and tells where the time went", async () => {
    const response = await predict({ model: "churn", entities: { customer_id: 0 } }, { "x-request-id": "abc-1" });
    expect(((await response.json()) as Answer).request_id).toBe("abc-1");
    expect(response.headers.get("x-request-id")).toBe("abc-1");
    expect(response.headers.get("server-timing")).toMatch(/^features;dur=[\d.]+, model;dur=[\d.]+, total;dur=[\d.]+$/);
    const replaced = await predict(
      { model: "churn", entities: { customer_id: 0 } },
      { "x-request-id": "no spaces allowed" },
    );
    expect(replaced.headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
  });

  test.each([
    ["{", 400, "BODY_NOT_JSON"],
    [{ model: "churn", entities: { customer_id: 1.7 } }, 422, "ENTITY_KEY_INVALID"],
    [{ model: "churn", entities: { customer_id: "abc" } }, 422, "ENTITY_KEY_INVALID"],
    [{ model: "churn", entities: {} }, 422, "ENTITY_KEY_INVALID"],
    [{ model: "churn", entities: { customer_id: 1, shop: 2 } }, 422, "ENTITY_KEY_INVALID"],
    [{ model: "nope", entities: { customer_id: 1 } }, 404, "MODEL_NOT_FOUND"],
    [{ model: "churn", entities: [] }, 422, "REQUEST_INVALID"],
    [{ model: "churn", entities: Array.from({ length: 2_001 }, () => ({ customer_id: 1 })) }, 413, "TOO_MANY_ENTITIES"],
    [{ model: "churn", entities: { customer_id: 1 }, pad: "x".repeat(100_000) }, 413, "BODY_TOO_LARGE"],
    [{ model: "churn", entities: { customer_id: 1 }, context: { x: 1 } }, 422, "CONTEXT_INVALID"],
  ])("refuses %j with %i %s", async (body, status, code) => {
    const response = await predict(body);
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    expect(await problemOf(response)).toMatchObject({ status, code, type: `urn:headgate:error:${code}` });
  });

  test("1.0 is 1 for an int64 key: JSON can't tell them apart", async () => {
    expect((await predict('{"model":"churn","entities":{"customer_id":1.0}}')).status).toBe(200);
  });

  test("refuses another media type, a bad deadline and a spent one", async () => {
    const body = { model: "churn", entities: { customer_id: 1 } };
    expect((await predict(body, { "content-type": "text/plain" })).status).toBe(415);
    expect((await predict(body, { "x-deadline-ms": "soon" })).status).toBe(422);
    let clockMs = 0;
    const ticking = { clock: () => (clockMs += 10) };
    const problem = await problemOf(await predict(body, { "x-deadline-ms": "15" }, ticking));
    expect(problem).toMatchObject({ status: 504, code: "DEADLINE_EXCEEDED" });
  });
});

describe("admin token", () => {
  const secured = { adminToken: "s3cret" };
  const path = "/features/customer_30d_features?customer_id=0";

  test("guards what shows people's data and nothing else", async () => {
    expect((await get(path, {}, secured)).status).toBe(401);
    expect((await get(path, { authorization: "Bearer wrong" }, secured)).status).toBe(403);
    expect((await get(path, { authorization: "Bearer s3cret" }, secured)).status).toBe(200);
    const body = { model: "churn", entities: { customer_id: 0 } };
    expect((await predict({ ...body, explain: true }, {}, secured)).status).toBe(401);
    expect((await predict(body, {}, secured)).status).toBe(200);
  });
});

describe("the other routes", () => {
  test("the debug view shows every tier and refuses what it can't find", async () => {
    const row = (await (await get("/features/customer_30d_features?customer_id=0")).json()) as {
      tiers: { origin: unknown }[];
    };
    expect(row.tiers[0]!.origin).toEqual({ run: "fixture" });
    expect(await problemOf(await get("/features/nope?x=1"))).toMatchObject({ status: 404, code: "VIEW_NOT_FOUND" });
    const twice = "?customer_id=1&customer_id=2";
    for (const query of ["", "?customer_id=1.7", "?customer_id=1&x=2", "?customer_id=", twice]) {
      expect(await problemOf(await get(`/features/customer_30d_features${query}`)), query).toMatchObject({
        code: "ENTITY_KEY_INVALID",
      });
    }
  });

  test("list features and models", async () => {
    expect(await (await get("/features")).json()).toMatchObject({
      feature_views: [{ name: "customer_30d_features", ttl_seconds: 172_800 }],
    });
    expect(await (await get("/models")).json()).toMatchObject({
      models: [{ name: "churn", state: "READY", stable: { version: 1 } }],
    });
    expect((await get("/models/nope")).status).toBe(404);
  });

  test("tell liveness and readiness apart", async () => {
    expect((await get("/livez")).status).toBe(200);
    expect(await (await get("/readyz")).json()).toMatchObject({
      status: "ready",
      models: [{ name: "churn", state: "READY" }],
    });
    const draining = await get("/readyz", {}, { isDraining: () => true });
    expect([draining.status, await draining.json()]).toEqual([503, expect.objectContaining({ status: "draining" })]);
  });

  test("a store that does not answer makes the gateway unready and says so", async () => {
    const away = { ...store, ping: () => Promise.reject(new Error("gone")) };
    const response = await get("/readyz", {}, { store: away });
    expect([response.status, await response.json()]).toEqual([
      503,
      expect.objectContaining({ online_store: { address: "memory:", problem: "gone", memory: null } }),
    ]);
  });

  test("unknown routes and methods are refused by name", async () => {
    expect((await problemOf(await get(`/${"x".repeat(9_000)}`))).detail.length).toBeLessThan(200);
    expect(await problemOf(await get("/nope"))).toMatchObject({ status: 404, code: "ROUTE_NOT_FOUND" });
    const wrongMethod = await get("/predict");
    expect(wrongMethod.headers.get("allow")).toBe("POST");
    expect(await problemOf(wrongMethod)).toMatchObject({ status: 405, code: "METHOD_NOT_ALLOWED" });
  });

  test("the OpenAPI document lists every route and the page's files are served from the package", async () => {
    const document = (await (await get("/openapi.json")).json()) as { paths: object };
    expect(Object.keys(document.paths)).toEqual(
      expect.arrayContaining(["/predict", "/features/{view}", "/models", "/readyz"]),
    );
    expect(await (await get("/docs")).text()).toContain("swagger-ui-bundle.js");
    expect((await get("/docs/swagger-ui.css")).headers.get("content-type")).toContain("text/css");
    expect((await get("/docs/../../package.json")).status).toBe(404);
    expect((await get("/docs/%2e%2e%2fpackage.json")).status).toBe(404);
  });
});

interface Answer {
  readonly request_id: string;
  readonly predictions: readonly { version: number; label: number; probabilities: number[] }[];
  readonly features: readonly object[];
}

async function problemOf(response: Response): Promise<{ status: number; code: string; detail: string }> {
  const problem = (await response.json()) as { status: number; code: string; detail: string };
  expect(problem.status).toBe(response.status);
  return problem;
}
