import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { afterAll, beforeAll, expect, test } from "vitest";
import { admitting, publishRefusal } from "../admission.ts";
import { createApp } from "../app.ts";
import { type ChurnGateway, openChurnGateway } from "../fixtures/churn-gateway.ts";
import { inferProblem } from "./infer-problem.ts";
import { createInferenceProtocol } from "./routes.ts";

let gateway: ChurnGateway;

beforeAll(async () => {
  gateway = await openChurnGateway();
});
afterAll(() => gateway.close());

const OPTIONS = { maxBodyBytes: 10_000, version: "1.2.3", isReady: async () => true };

async function ask(route: string, body?: string, headers: Record<string, string> = {}, over: object = {}) {
  const [method, path] = route.split(" ") as [string, string];
  const inference = createInferenceProtocol({ ...gateway.options, ...OPTIONS, ...over });
  const app = createApp({ ...gateway.options, inference });
  const response = await app.request(path, { method, headers, ...(body === undefined ? {} : { body }) });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === "" ? undefined : JSON.parse(text) };
}

test("the server says who it is, that it lives and whether it is ready", async () => {
  expect((await ask("GET /v2")).body).toMatchObject({ name: "headgate", version: "1.2.3" });
  expect((await ask("GET /v2/")).body.extensions).toContain("binary_tensor_data");
  expect((await ask("GET /v2/health/live")).status).toBe(200);
  expect((await ask("GET /v2/health/ready")).body).toEqual({ ready: true });
  expect((await ask("GET /v2/health/ready", undefined, {}, { isReady: async () => false })).status).toBe(503);
  expect((await ask("HEAD /v2/health/live")).status).toBe(200);
});

test("a model tells its tensors, and by which its features are looked up", async () => {
  const { body } = await ask("GET /v2/models/churn");
  expect(body).toMatchObject({ name: "churn", versions: ["1"], platform: "onnx_onnxv1" });
  expect(body.inputs).toEqual([{ name: expect.any(String), datatype: "FP32", shape: [-1, 4] }]);
  expect(body.outputs).toMatchObject([
    { datatype: "INT64", shape: [-1] },
    { datatype: "FP32", shape: [-1, 2] },
  ]);
  expect(body.joined_inputs).toEqual([{ name: "customer_id", datatype: "INT64", shape: [-1], kind: "join_key" }]);
  expect((await ask("GET /v2/models/churn/versions/1")).body).toEqual(body);
  expect((await ask("GET /v2/models/churn/versions/2")).status).toBe(404);
  expect((await ask("GET /v2/models")).body).toEqual({ models: ["churn"] });
  expect((await ask("GET /v2/models/churn/ready")).body).toEqual({ name: "churn", ready: true });
  expect((await ask("GET /v2/models/other/ready")).status).toBe(404);
  expect((await ask("GET /v2/models/churn/config")).body).toMatchObject({
    name: "churn",
    max_batch_size: 2_000,
    input: [{ data_type: "TYPE_FP32", dims: [4] }],
    output: [
      { data_type: "TYPE_INT64", dims: [1], reshape: { shape: [] } },
      { data_type: "TYPE_FP32", dims: [2] },
    ],
  });
});

test("statistics count rows, runs and requests", async () => {
  const of = async (path: string) => (await ask(`GET ${path}`)).body.model_stats[0];
  const before = await of("/v2/models/churn/stats");
  const infer = (ids: unknown[], name = "customer_id") =>
    ask(
      "POST /v2/models/churn/infer",
      JSON.stringify({ inputs: [{ name, datatype: "INT64", shape: [ids.length], data: ids }] }),
    );
  expect((await infer([1, 2, 3])).status).toBe(200);
  expect((await infer([1], "nobody")).status).toBe(422);
  await gateway.predict({ model: "churn", entities: [{ customer_id: 1 }] });
  const after = await of("/v2/models/stats");
  expect(after).toMatchObject({ name: "churn", version: "1", last_inference: expect.any(Number) });
  expect(after.inference_count - before.inference_count).toBe(4);
  expect(after.execution_count - before.execution_count).toBe(2);
  expect(Math.abs(after.last_inference - gateway.options.now())).toBeLessThan(60_000);
});

test("infer's own durations are a version's, in nanoseconds", async () => {
  const inference = createInferenceProtocol({ ...gateway.options, ...OPTIONS });
  const app = createApp({ ...gateway.options, inference });
  const body = JSON.stringify({ inputs: [{ name: "customer_id", datatype: "INT64", shape: [1], data: [1] }] });
  const post = (text: string) => app.request("/v2/models/churn/infer", { method: "POST", body: text });
  await post(body);
  await post(body.replace("customer_id", "nobody"));
  const answer = await app.request("/v2/models/churn/versions/1/stats");
  type Stats = Record<string, { count: number; ns: number }>;
  const { model_stats: told } = (await answer.json()) as { model_stats: { inference_stats: Stats }[] };
  const stats = told[0]!.inference_stats;
  expect(stats.success!.count).toBe(1);
  expect(stats.fail!.count).toBe(1);
  const parts = ["queue", "compute_input", "compute_infer", "compute_output"].map((name) => stats[name]!.ns);
  expect(parts.reduce((sum, ns) => sum + ns, 0)).toBeCloseTo(stats.success!.ns, -2);
  expect(stats.compute_infer!.ns).toBeGreaterThan(0);
});

test("the repository's index is of all versions, or of those that are ready", async () => {
  const ready = { name: "churn", version: "1", state: "READY", reason: "" };
  expect((await ask("POST /v2/repository/index")).body).toEqual([ready]);
  expect((await ask("POST /v2/repository/index", '{"ready":true}')).body).toEqual([ready]);
  expect((await ask("POST /v2/repository/index", '{"ready":1}')).status).toBe(422);
  expect((await ask("POST /v2/repository/index", "[]")).body.error).toMatch(/JSON object/);
});

test("load looks into the repository now; unload is refused with what to do instead", async () => {
  expect((await ask("POST /v2/repository/models/churn/load", "{}")).body).toEqual({ name: "churn", load: true });
  expect((await ask("POST /v2/repository/models/other/load")).status).toBe(404);
  const withConfig = '{"parameters":{"config":"{}"}}';
  expect((await ask("POST /v2/repository/models/churn/load", withConfig)).body.error).toMatch(
    /headgate models deploy churn/,
  );
  const unload = await ask("POST /v2/repository/models/churn/unload", '{"parameters":{"unload_dependents":false}}');
  expect(unload).toMatchObject({ status: 409, body: { error: expect.stringMatching(/headgate models retire churn/) } });
  expect((await ask("POST /v2/repository/models/other/unload")).status).toBe(404);
});

test("load and unload ask for the admin token where there is one", async () => {
  const secured = { adminToken: "secret" };
  const load = "POST /v2/repository/models/churn/load";
  expect((await ask(load, "{}", {}, secured)).status).toBe(401);
  expect((await ask(load, "{}", { authorization: "Bearer wrong" }, secured)).status).toBe(403);
  expect((await ask(load, "{}", { authorization: "Bearer secret" }, secured)).status).toBe(200);
  expect((await ask("POST /v2/repository/models/churn/unload", "{}", {}, secured)).status).toBe(401);
});

test("what is not there and another method are told in the protocol's form", async () => {
  for (const path of [
    "/v2/nothing",
    "/v2/models/churn/trace/setting",
    "/v2/models/churn/versions",
    "/v2/repository/models",
  ]) {
    const { body, status } = await ask(`GET ${path}`);
    expect({ status, body }).toEqual({ status: 404, body: { error: expect.stringContaining(path) } });
  }
  const wrong = await ask("GET /v2/models/churn/infer");
  expect(wrong).toMatchObject({ status: 405, body: { error: expect.stringMatching(/takes POST, not GET/) } });
  expect(wrong.headers.get("allow")).toBe("POST");
});

test("every answer has the request's id", async () => {
  const body = JSON.stringify({ inputs: [{ name: "customer_id", datatype: "INT64", shape: [1], data: [1] }] });
  const asked = [["GET /v2"], ["GET /v2/models/churn"], ["GET /v2/nothing"], ["POST /v2/models/churn/infer", body]];
  for (const [route, sent] of asked) {
    expect((await ask(route!, sent, { "x-request-id": "r-9" })).headers.get("x-request-id"), route).toBe("r-9");
  }
});

test("an infer that would come too late is refused in the protocol's form before its body is read", async () => {
  const inference = createInferenceProtocol({ ...gateway.options, ...OPTIONS });
  const { clock, deadlineMs } = gateway.options;
  const late = { clock, deadlineMs, expectedMs: () => 10_000, problem: inferProblem, publish: publishRefusal };
  const app = createApp({ ...gateway.options, inference: admitting(inference, late) });
  const response = await app.request("/v2/models/churn/infer", { method: "POST", body: "{" });
  expect({ status: response.status, retry: response.headers.get("retry-after") }).toEqual({ status: 503, retry: "1" });
  expect(await response.json()).toEqual({ error: expect.stringMatching(/later than the request's deadline/) });
});

test("every answered infer is told to whoever counts", async () => {
  const told: unknown[] = [];
  const listener = (event: unknown) => void told.push(event);
  subscribe("headgate:infer", listener);
  const ids = { name: "customer_id", datatype: "INT64", shape: [2], data: [1, 2] };
  const tensor = { name: "input", datatype: "FP32", shape: [1, 4], data: [1, 2, 3, 4] };
  for (const input of [ids, tensor]) await ask("POST /v2/models/churn/infer", JSON.stringify({ inputs: [input] }));
  unsubscribe("headgate:infer", listener);
  expect(told).toMatchObject([
    { model: "churn", inputs: "entities", rows: 2, totalMs: expect.any(Number) },
    { model: "churn", inputs: "tensors", rows: 1 },
  ]);
});
