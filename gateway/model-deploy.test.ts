import { createHash } from "node:crypto";
import { cpSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { readBroken } from "../models/fixtures/zoo.ts";
import { temporaryFolder } from "../test/harness/project.ts";
import { CHECKOUT } from "../test/harness/source-tree.ts";
import { createApp } from "./app.ts";
import { type ChurnGateway, openChurnGateway, problemOf } from "./fixtures/churn-gateway.ts";
import { modelEtag, requireMatch } from "./model-control.ts";
import { createModelDeploys } from "./model-deploy.ts";

const EXAMPLE = join(CHECKOUT, "examples", "churn", "models");
const GRAPH = new Uint8Array(readFileSync(join(EXAMPLE, "churn", "1", "model.onnx")));
const MANIFEST = readFileSync(join(EXAMPLE, "churn", "model.json"), "utf8");
const TOKEN = { authorization: "Bearer secret" };
const BINARY = { ...TOKEN, "content-type": "application/octet-stream" };

let gateway: ChurnGateway;
let app: ReturnType<typeof createApp>;

beforeEach(async () => {
  const folder = temporaryFolder();
  cpSync(EXAMPLE, folder, { recursive: true });
  gateway = await openChurnGateway(folder);
  app = appWith("secret");
});
afterEach(() => gateway.close());

function appWith(adminToken: string) {
  const options = { ...gateway.options, adminToken };
  return createApp({ ...options, deploys: createModelDeploys(options) });
}

const post = (body: Uint8Array | FormData, headers: Record<string, string> = BINARY, query = "") =>
  app.request(`/models/churn/versions${query}`, { method: "POST", headers, body: body as FormData });
const putTraffic = (traffic: unknown, headers: Record<string, string> = {}) =>
  app.request("/models/churn/traffic", {
    method: "PUT",
    headers: { ...TOKEN, "content-type": "application/json", ...headers },
    body: JSON.stringify(traffic),
  });
const remove = (version: string, headers: Record<string, string> = TOKEN) =>
  app.request(`/models/churn/versions/${version}`, { method: "DELETE", headers });
const get = async () => {
  const response = await app.request("/models/churn");
  return { etag: response.headers.get("etag")!, body: (await response.json()) as Record<string, unknown> };
};

test("a file becomes a version that is ready and gets no requests", async () => {
  const response = await post(GRAPH);
  const body = (await response.json()) as { readonly steps: readonly { step: string; ok: boolean; detail: string }[] };
  expect([response.status, body]).toMatchObject([
    201,
    { model: "churn", version: 2, stored: true, state: "READY", traffic: { stable: 1 } },
  ]);
  expect(body.steps.map(({ step, ok }) => [step, ok])).toEqual(
    ["checksum", "graph", "manifest", "signature", "golden", "dry_run", "store"].map((step) => [step, true]),
  );
  expect(body.steps[5]!.detail).toMatch(/^100 of 100 entities/);
  expect(response.headers.get("location")).toBe("/models/churn/versions/2");
  expect(response.headers.get("etag")).toBe((await get()).etag);
  const version = await app.request(response.headers.get("location")!);
  expect(await version.json()).toMatchObject({ name: "churn", version: 2, state: "READY", loaded: { version: 2 } });
  expect((await get()).body).toMatchObject({ stable: { version: 1 }, traffic: { stable: 1 } });
});

test("a form brings its manifest", async () => {
  const form = new FormData();
  form.append("model", new Blob([GRAPH]), "churn.onnx");
  form.append("manifest", MANIFEST.replace('"2d"', '"3d"'));
  expect((await post(form, TOKEN)).status).toBe(201);
  const version = await app.request("/models/churn/versions/2");
  expect(await version.json()).toMatchObject({ loaded: { max_age_seconds: 3 * 86_400 } });
});

test("?dry_run=true checks everything and stores nothing", async () => {
  const response = await post(GRAPH, BINARY, "?dry_run=true");
  expect([response.status, await response.json()]).toMatchObject([200, { version: 2, stored: false }]);
  expect((await get()).body).toMatchObject({ versions: [{ version: 1 }] });
  expect(await problemOf(await post(GRAPH, BINARY, "?dry_run=yes"))).toMatchObject({ code: "REQUEST_INVALID" });
});

test("a model that nobody had is made by its first version", async () => {
  const response = await app.request("/models/other/versions", { method: "POST", headers: BINARY, body: GRAPH });
  expect([response.status, await response.json()]).toMatchObject([201, { version: 1, traffic: { stable: 1 } }]);
  const predicted = await gateway.predict({ model: "other", entities: { customer_id: 17 } });
  expect([predicted.status, await predicted.json()]).toMatchObject([200, { predictions: [{ version: 1 }] }]);
});

test("traffic goes from version to version, under the ETag that it was decided by", async () => {
  await post(GRAPH);
  const { etag } = await get();
  const canary = { stable: 1, canary: { version: 2, percent: 100 } };
  const changed = await putTraffic(canary, { "if-match": etag });
  expect([changed.status, await changed.json()]).toEqual([200, { model: "churn", traffic: canary }]);
  expect(changed.headers.get("etag")).toBe((await get()).etag);
  const predicted = await gateway.predict({ model: "churn", entities: { customer_id: 17 } });
  expect(await predicted.json()).toMatchObject({ predictions: [{ version: 2 }] });
  expect(await problemOf(await putTraffic({ stable: 2 }, { "if-match": etag }))).toMatchObject({
    status: 412,
    code: "PRECONDITION_FAILED",
  });
  expect((await get()).body).toMatchObject({ traffic: canary });
});

test("a version goes once it answers nobody", async () => {
  await post(GRAPH);
  await putTraffic({ stable: 2, previous: 1 });
  expect(await problemOf(await remove("2"))).toMatchObject({ status: 409, code: "VERSION_IN_USE" });
  expect((await remove("1")).status).toBe(204);
  expect(await problemOf(await remove("1"))).toMatchObject({ status: 404, code: "VERSION_NOT_FOUND" });
  expect((await get()).body).toMatchObject({ traffic: { stable: 2 }, versions: [{ version: 2 }] });
});

test("a model goes with all of its versions, and its numbers are not used again", async () => {
  await post(GRAPH);
  const { etag } = await get();
  const removeModel = (headers: Record<string, string> = TOKEN) =>
    app.request("/models/churn", { method: "DELETE", headers });
  expect(await problemOf(await removeModel({}))).toMatchObject({ code: "UNAUTHENTICATED" });
  expect(await problemOf(await removeModel({ ...TOKEN, "if-match": '"x"' }))).toMatchObject({ status: 412 });
  expect((await removeModel({ ...TOKEN, "if-match": etag })).status).toBe(204);
  expect(await problemOf(await app.request("/models/churn"))).toMatchObject({ code: "MODEL_NOT_FOUND" });
  expect(await problemOf(await removeModel())).toMatchObject({ code: "MODEL_NOT_FOUND" });
  expect(await (await post(GRAPH)).json()).toMatchObject({ version: 3, state: "READY", traffic: { stable: 3 } });
});

describe("refused", () => {
  test("an option that the call does not have", async () => {
    expect(await problemOf(await post(GRAPH, BINARY, "?promote=true&dry_run=true"))).toMatchObject({
      code: "REQUEST_INVALID",
      detail: '"promote" is no option of this call, there is dry_run; to promote, PUT the traffic.',
    });
    expect(await problemOf(await remove("1?force=true"))).toMatchObject({ code: "REQUEST_INVALID" });
  });

  test("without the token, or where the gateway has none", async () => {
    const { authorization: _, ...anonymous } = BINARY;
    for (const asked of [post(GRAPH, anonymous), remove("1", {}), putTraffic({ stable: 1 }, { authorization: "" })]) {
      expect(await problemOf(await asked)).toMatchObject({ code: "UNAUTHENTICATED" });
    }
    app = appWith("");
    for (const asked of [post(GRAPH), remove("1"), putTraffic({ stable: 1 })]) {
      expect(await problemOf(await asked)).toMatchObject({ code: "FORBIDDEN" });
    }
  });

  test.each(["..%2Fchurn", "%2e%2e", "a%00b", ".x"])("the name %s", async (name) => {
    for (const [method, path] of [
      ["POST", "versions"],
      ["DELETE", "versions/1"],
      ["PUT", "traffic"],
    ] as const) {
      const response = await app.request(`/models/${name}/${path}`, { method, headers: BINARY });
      expect(response.status).toBe(404);
    }
  });

  test.each(["0", "01", "x", "1.0", "9999999999"])("the version %s", async (version) => {
    expect(await problemOf(await remove(version))).toMatchObject({ code: "VERSION_NOT_FOUND" });
    expect(await problemOf(await app.request(`/models/churn/versions/${version}`))).toMatchObject({
      code: "VERSION_NOT_FOUND",
    });
  });

  test("a file that is none, with the steps that it came through", async () => {
    const response = await post(readBroken("unknown-operator"));
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    expect([response.status, await response.json()]).toMatchObject([
      422,
      {
        code: "MODEL_FILE_INVALID",
        steps: [
          { step: "checksum", ok: true },
          { step: "graph", ok: false },
        ],
      },
    ]);
    expect((await get()).body).toMatchObject({ versions: [{ version: 1 }] });
  });

  test("a file that is not the one that was meant", async () => {
    const sha256 = createHash("sha256").update("other").digest("hex");
    expect(await problemOf(await post(GRAPH, { ...BINARY, "x-sha256": sha256 }))).toMatchObject({
      code: "CHECKSUM_MISMATCH",
    });
    expect(await problemOf(await post(GRAPH, { ...BINARY, "x-sha256": "abc" }))).toMatchObject({
      code: "REQUEST_INVALID",
    });
  });

  test("a deploy that was decided on what is past", async () => {
    const { etag } = await get();
    const decided = { ...BINARY, "if-match": etag };
    expect((await post(GRAPH, decided)).status).toBe(201);
    expect(await problemOf(await post(GRAPH, decided))).toMatchObject({ status: 412 });
  });

  test("more deploys at once than there may be", async () => {
    const answers = await Promise.all([post(GRAPH), post(GRAPH), post(GRAPH)]);
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 503]);
    expect((await post(GRAPH)).status).toBe(201);
  });

  test("traffic for a version that has to be loaded first, at as many deploys", async () => {
    expect((await post(GRAPH)).status).toBe(201);
    const { tools } = gateway.options;
    let loads = 0;
    const held = { ...tools, isReady: () => false, load: () => new Promise<never>(() => void loads++) };
    const options = { ...gateway.options, adminToken: "secret", tools: held };
    app = createApp({ ...options, deploys: createModelDeploys(options) });
    void putTraffic({ stable: 2 });
    void putTraffic({ stable: 1, previous: 2 });
    await vi.waitFor(() => expect(loads).toBe(2), { timeout: 15_000 });
    expect(await problemOf(await putTraffic({ stable: 1, shadow: [2] }))).toMatchObject({
      status: 503,
      code: "OVERLOADED",
    });
    expect(loads).toBe(2);
  });

  test("traffic for a version that is not there, or a body that is no traffic", async () => {
    expect(await problemOf(await putTraffic({ stable: 9 }))).toMatchObject({ code: "VERSION_NOT_FOUND" });
    expect(await problemOf(await putTraffic({ stable: 1, canary: 2 }))).toMatchObject({ code: "TRAFFIC_INVALID" });
    expect(await problemOf(await putTraffic([]))).toMatchObject({ code: "TRAFFIC_INVALID" });
  });
});

test("a model's ETag is its versions and its traffic", () => {
  expect(modelEtag([1, 2], "a")).toBe(modelEtag([2, 1], "a"));
  expect(
    new Set([modelEtag([1], "a"), modelEtag([1, 2], "a"), modelEtag([1], "b"), modelEtag([1], undefined)]).size,
  ).toBe(4);
  const etag = modelEtag([1], "a");
  for (const header of [undefined, "*", etag, `"x", ${etag}`]) requireMatch(header, "m", etag);
  for (const header of ['"x"', `W/${etag}`, ""]) expect(() => requireMatch(header, "m", etag)).toThrow(/ETag/);
});
