/** The gateway's routes on a real store and a real model, in process: what each answers, and how it refuses. */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ParityVerdict } from "../features/parity-verdict.ts";
import { appliedDefinition } from "../features/view-definition.ts";
import { type ChurnGateway, openChurnGateway, problemOf } from "./fixtures/churn-gateway.ts";

let gateway: ChurnGateway;
beforeAll(async () => {
  gateway = await openChurnGateway();
});
afterAll(() => gateway.close());

const predict: ChurnGateway["predict"] = (...call) => gateway.predict(...call);
const get: ChurnGateway["get"] = (...call) => gateway.get(...call);

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
    expect((await problemOf(await get("/features/customer_30d_features"))).detail).toBe(
      'join key "customer_id" is missing; ask GET /features/customer_30d_features?customer_id=….',
    );
    expect((await problemOf(await get("/features/customer_30d_features?cust=1"))).detail).toBe(
      '"cust" is not a join key; ask GET /features/customer_30d_features?customer_id=….',
    );
  });

  test("list features and models", async () => {
    expect(await (await get("/features")).json()).toMatchObject({
      feature_views: [
        {
          name: "customer_30d_features",
          ttl_seconds: 172_800,
          last_materialized_at: "2026-11-23T02:00:09.000Z",
          materialized_to: "2026-11-23T02:00:00.000Z",
        },
      ],
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
    const away = { ...gateway.options.store, ping: () => Promise.reject(new Error("gone")) };
    const response = await get("/readyz", {}, { store: away });
    expect([response.status, await response.json()]).toEqual([
      503,
      expect.objectContaining({ online_store: { address: "memory:", problem: "gone", memory: null } }),
    ]);
  });

  test.each([
    ["none", undefined, 503],
    ["one that failed", { verdict: "fail", agoMs: 1 }, 503],
    ["an old one", { verdict: "pass", agoMs: 3_600_001 }, 503],
    ["one of another definition", { verdict: "pass", agoMs: 1, definition: "another" }, 503],
    ["a young one that passed", { verdict: "pass", agoMs: 3_600_000 }, 200],
  ])("where readiness asks for a parity verdict, %s is told as it is", async (_, verdict, status) => {
    const now = () => 7_200_000;
    const { registry, applied } = gateway.options;
    const definition = appliedDefinition(registry, applied, "customer_30d_features");
    const at = verdict && ({ definition, ...verdict, at_ms: now() - verdict.agoMs } as unknown as ParityVerdict);
    const parity = async () => new Map(at === undefined ? [] : [["customer_30d_features", at]]);
    const response = await get("/readyz", {}, { now, parity, readyParityMs: 3_600_000 });
    const problem = "No recent passing parity verdict of customer_30d_features.";
    expect([response.status, (await response.json()) as object]).toEqual([
      status,
      expect.objectContaining({ parity_problem: status === 200 ? null : problem }),
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
    const root = await get("/");
    expect([root.status, root.headers.get("location")]).toEqual([302, "/docs"]);
    expect(await (await get("/docs")).text()).toContain("swagger-ui-bundle.js");
    expect((await get("/docs/swagger-ui.css")).headers.get("content-type")).toContain("text/css");
    expect((await get("/docs/../../package.json")).status).toBe(404);
    expect((await get("/docs/%2e%2e%2fpackage.json")).status).toBe(404);
  });
});
