import { afterAll, beforeAll, expect, test } from "vitest";
import { startTelemetry } from "../../telemetry.ts";
import { createApp } from "../app.ts";
import { type ChurnGateway, openChurnGateway } from "../fixtures/churn-gateway.ts";
import { createFeastRoutes, type FeastRoutesOptions } from "./feast-routes.ts";
import { parsePushSources } from "./push-sources.ts";

let gateway: ChurnGateway;
beforeAll(async () => {
  gateway = await openChurnGateway();
});
afterAll(() => gateway.close());

const JSON_TYPE = { "content-type": "application/json" };

async function post(path: string, body: unknown, headers = {}, over: Partial<FeastRoutesOptions> = {}) {
  const { options } = gateway;
  const feast = createFeastRoutes({
    ...{ ...options, presentOnly: false, readsOpen: false, host: "127.0.0.1" },
    viewsOfPushSource: parsePushSources("", options.registry),
    run: async () => ({ exitCode: 0, stdout: "", stderr: "" }),
    ...over,
  });
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const app = createApp({ ...options, feast });
  return app.request(path, { method: "POST", headers: { ...JSON_TYPE, ...headers }, body: text });
}

const refusalOf = async (response: Response) => ({
  status: response.status,
  ...(JSON.parse((await response.json()) as string) as { class: string; message: string; code: string }),
});

const frame = {
  customer_id: [1],
  orders_30d: [5],
  aov_30d: [1.5],
  returns_rate_30d: [0],
  time_since_last_d: [2],
  event_timestamp: ["2026-11-23T05:30:00"],
};
const write = { feature_view_name: "customer_30d_features", df: frame };
const ask = { entities: { customer_id: [1] }, features: ["customer_30d_features:orders_30d"] };

test("what is written is read, with a body that Feast's client takes", async () => {
  const written = await post("/write-to-online-store", write);
  expect([written.status, await written.text()]).toEqual([200, "null"]);
  const read = await post("/get-online-features", ask, { "x-request-id": "abc" });
  expect(read.headers.get("x-request-id")).toBe("abc");
  expect(((await read.json()) as { results: unknown[] }).results[1]).toEqual({
    values: [5],
    statuses: ["PRESENT"],
    event_timestamps: ["2026-11-23T05:30:00Z"],
  });
  const pushed = await post("/push", { push_source_name: "customer_30d_features", df: frame });
  expect([pushed.status, await pushed.text()]).toEqual([200, ""]);
});

test("loads are answered when they are done, or at once where that is asked", async () => {
  const body = { start_ts: "2026-11-01", end_ts: "2026-11-02", feature_views: null };
  const done = await post("/materialize", body);
  expect([done.status, await done.text()]).toEqual([200, "null"]);
  expect((await post("/materialize?async=true", body)).status).toBe(202);
  expect((await post("/materialize-incremental", { end_ts: "2026-11-02" })).status).toBe(200);
});

test("calls are counted by their route and what became of them", async () => {
  const telemetry = startTelemetry(
    () => {},
    () => 0,
  );
  try {
    await post("/get-online-features", ask);
    await post("/get-online-features", { ...ask, features: ["x:y"] });
    await post("/%70ush", {});
    await post("/push", {});
    const metrics = await telemetry.metricsText();
    for (const labels of ['"get-online-features",code="ok"', '"get-online-features",code="VIEW_NOT_FOUND"']) {
      expect(metrics).toContain(`\nheadgate_feast_requests_total{route=${labels}} 1\n`);
    }
    expect(metrics).toContain('\nheadgate_feast_requests_total{route="push",code="REQUEST_INVALID"} 2\n');
    expect(metrics).toContain('\nheadgate_feast_request_seconds_count{route="get-online-features"} 2\n');
  } finally {
    telemetry.stop();
  }
});

test("an admin token is needed where there is one; a setting lets everybody read", async () => {
  const over = { adminToken: "secret" };
  for (const path of ["/write-to-online-store", "/push", "/materialize", "/materialize-incremental"]) {
    expect(await refusalOf(await post(path, {}, {}, over))).toMatchObject({
      status: 401,
      class: "FeastPermissionError",
    });
    expect((await post(path, {}, { authorization: "Bearer wrong" }, over)).status).toBe(403);
    expect((await post(path, {}, { authorization: "Bearer secret" }, over)).status).toBe(422);
  }
  const refused = await post("/get-online-features", ask, {}, over);
  expect(refused.headers.get("www-authenticate")).toBe("Bearer");
  expect(await refusalOf(refused)).toMatchObject({ status: 401, class: "FeastPermissionError" });
  for (const [authorization, status] of [
    ["Bearer wrong", 403],
    ["Bearer secret", 200],
  ] as const) {
    expect((await post("/get-online-features", ask, { authorization }, over)).status).toBe(status);
  }
  expect((await post("/get-online-features", ask, {}, { ...over, readsOpen: true })).status).toBe(200);
  expect((await post("/push", {}, {}, { ...over, readsOpen: true })).status).toBe(401);
});

test("without a token only this machine may write", async () => {
  for (const host of ["127.0.0.1", "127.0.0.2", "::1", "localhost"]) {
    expect((await post("/write-to-online-store", write, {}, { host })).status).toBe(200);
  }
  for (const host of ["127.0.0.1:8080", "localhost:8080", "[::1]:8080", "localhost"]) {
    expect((await post("/write-to-online-store", write, { host })).status).toBe(200);
  }
  for (const host of ["shop.example.com", "localhost.example.com:8080", "127.0.0.1.example.com"]) {
    const refused = await refusalOf(await post("/write-to-online-store", write, { host }));
    expect(refused).toMatchObject({ status: 403, message: expect.stringContaining(`called as ${host}`) });
  }
  for (const host of ["0.0.0.0", "::", "10.0.0.1", "127.0.0.1.example.com"]) {
    const refused = await refusalOf(await post("/write-to-online-store", write, {}, { host }));
    expect(refused).toMatchObject({
      status: 403,
      code: "FORBIDDEN",
      message: expect.stringMatching(
        `listens on ${host} and has no admin token: set adminToken .HEADGATE_ADMIN_TOKEN.`,
      ),
    });
  }
});

test("a body that is not taken is refused in the same form", async () => {
  for (const path of ["/get-online-features", "/write-to-online-store", "/materialize"]) {
    expect(await refusalOf(await post(path, "{"))).toMatchObject({ status: 400, code: "BODY_NOT_JSON" });
    expect(await refusalOf(await post(path, "{}", { "content-type": "text/plain" }))).toMatchObject({ status: 415 });
    expect(await refusalOf(await post(path, "x".repeat(200_000)))).toMatchObject({ status: 413 });
  }
  expect((await post("/get-online-features", {}, { "x-deadline-ms": "soon" })).status).toBe(422);
});

test("a body without a type is refused, which a page of another site could send", async () => {
  const app = createApp(gateway.options);
  for (const path of ["/get-online-features", "/push"]) {
    const body = Buffer.from(JSON.stringify(ask));
    expect(await refusalOf(await app.request(path, { method: "POST", body }))).toMatchObject({ status: 415 });
  }
});

test("health is an empty 200 while the gateway is ready, and 503 while it drains", async () => {
  const health = await gateway.get("/health");
  expect([health.status, await health.text()]).toEqual([200, ""]);
  expect((await gateway.get("/health", {}, { isDraining: () => true })).status).toBe(503);
});
