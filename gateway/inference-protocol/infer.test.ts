/**
 * POST /v2/models/churn/infer: the fixture's rows as tensors and as entity ids, in each form. What a client can get wrong
 * is in infer-refusals.test.ts, Triton's own client in test/journeys/inference-protocol.test.ts.
 */

import { deflateSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { HeadgateError } from "../../errors.ts";
import type { LoadedModel } from "../../models/loaded-model.ts";
import { type ChurnGateway, EXPECTED, openChurnGateway } from "../fixtures/churn-gateway.ts";
import { binaryRequest, entityRequest, jsonRequest, sendInfer } from "./fixtures/infer-client.ts";
import { createInferenceProtocol } from "./routes.ts";

let gateway: ChurnGateway;
let outputNames: readonly string[];

beforeAll(async () => {
  gateway = await openChurnGateway();
  outputNames = gateway.options.models.get("churn")!.stable!.manifest.outputs.map(({ output }) => output);
});
afterAll(() => gateway.close());

const send = (body: Uint8Array | string, headers?: Record<string, string>, path?: string) =>
  sendInfer(gateway, body, headers, path);

const LABELS = EXPECTED.label.slice(0, 3);
function expectProbabilities(values: ArrayLike<number>): void {
  const wanted = EXPECTED.probabilities.slice(0, 3).flat();
  expect(values).toHaveLength(wanted.length);
  for (const [i, value] of wanted.entries()) expect(values[i]).toBeCloseTo(value, 6);
}

test("tensors in JSON are answered in JSON, under the graph's names, with the id and the version", async () => {
  const { headers, json, status } = await send(jsonRequest({ id: "r-1" }));
  expect(status).toBe(200);
  expect(headers.get("inference-header-content-length")).toBeNull();
  expect(json).toMatchObject({ model_name: "churn", model_version: "1", id: "r-1" });
  expect(json.outputs.map(({ name }) => name)).toEqual(outputNames);
  expect(json.outputs[0]).toMatchObject({ datatype: "INT64", shape: [3], data: LABELS });
  expect(json.outputs[1]).toMatchObject({ datatype: "FP32", shape: [3, 2] });
  expectProbabilities(json.outputs[1]!.data!);
});

test("binary tensors are answered in binary, nested JSON and a version in the path are taken", async () => {
  const { body, headers } = binaryRequest();
  const { binary, json } = await send(body, headers, "/v2/models/churn/versions/1/infer");
  const [label, probabilities] = json.outputs;
  expect(label!.parameters).toEqual({ binary_data_size: 24 });
  expect(probabilities!.parameters).toEqual({ binary_data_size: 24 });
  expect([...new BigInt64Array(binary.buffer.slice(binary.byteOffset, binary.byteOffset + 24))].map(Number)).toEqual(
    LABELS,
  );
  expectProbabilities(new Float32Array(binary.buffer.slice(binary.byteOffset + 24, binary.byteOffset + 48)));
  const nested = await send(jsonRequest({}, { data: EXPECTED.rows.slice(0, 3) }));
  expectProbabilities(nested.json.outputs[1]!.data!);
});

test("only the outputs asked for are answered, in that order, each in the form asked for", async () => {
  const [label, probabilities] = outputNames;
  const outputs = [{ name: probabilities, parameters: { binary_data: true } }, { name: label }];
  const { binary, json } = await send(jsonRequest({ outputs }));
  expect(json.outputs.map(({ name }) => name)).toEqual([probabilities, label]);
  expect(json.outputs[1]!.data).toEqual(LABELS);
  expect(binary).toHaveLength(24);
  const mixed = { outputs: [{ name: label, parameters: { binary_data: false } }] };
  const { body, headers } = binaryRequest({ ...mixed, parameters: { binary_data_output: true } });
  expect((await send(body, headers)).json.outputs).toMatchObject([{ name: label, data: LABELS }]);
});

test.each([
  ["[3]", [3]],
  ["[3, 1]", [3, 1]],
])("entity ids of shape %s are joined to their features", async (_, itsShape) => {
  const { json } = await send(entityRequest([0, 1, 2], { shape: itsShape }));
  expect(json.outputs[0]).toMatchObject({ shape: [3], data: LABELS });
  expectProbabilities(json.outputs[1]!.data!);
});

test("what /predict answers for an entity is what infer does, and both are counted as the model's", async () => {
  const before = gateway.options.join(gateway.options.models.get("churn")!.stable!).statistics.requests;
  const { predictions } = (await (
    await gateway.predict({ model: "churn", entities: [{ customer_id: 4 }] })
  ).json()) as { predictions: { probabilities: number[] }[] };
  const { json } = await send(entityRequest([4], { datatype: "INT32" }));
  expect(json.outputs[1]!.data).toEqual(predictions[0]!.probabilities);
  expect(gateway.options.join(gateway.options.models.get("churn")!.stable!).statistics.requests).toBe(before + 2);
});

test.each([
  ["gzip", gzipSync],
  ["deflate", deflateSync],
] as const)("%s both ways", async (coding, compress) => {
  const { body, headers } = binaryRequest();
  const answer = await send(compress(body), { ...headers, "content-encoding": coding, "accept-encoding": coding });
  expect(answer.status).toBe(200);
  expect(answer.headers.get("content-encoding")).toBe(coding);
  expect(answer.binary).toHaveLength(48);
  expect((await send(jsonRequest(), { "accept-encoding": "br, gzip;q=0" })).headers.get("content-encoding")).toBeNull();
});

test("an entity without features fails the request, and is named", async () => {
  const { error, status } = await send(entityRequest([1, 987_654_321]));
  expect(status).toBe(422);
  expect(error).toMatch(/Row 1 \{"customer_id":987654321\}: customer_30d_features is NOT_FOUND/);
});

test("requests of the same JSON are answered each for its own tensors", async () => {
  const whole = binaryRequest();
  const first = await send(whole.body, whole.headers);
  const reversed = Buffer.from(new Float32Array(EXPECTED.rows.slice(0, 3).reverse().flat()).buffer);
  const second = binaryRequest({}, {}, reversed);
  const { binary, json } = await send(second.body, second.headers);
  expect(json).toEqual(first.json);
  const rows = [24, 32, 40].map((at) => binary.subarray(at, at + 8));
  expect(Buffer.concat(rows.reverse())).toEqual(first.binary.subarray(24));
});

/** Sends the rows to a version whose runs end so. */
async function sendTo(predict: LoadedModel["predict"], body: string) {
  const { options } = gateway;
  const joined = options.join(options.models.get("churn")!.stable!);
  const join = () => ({ ...joined, model: { ...joined.model, predict } });
  const over = { ...options, join, isReady: async () => true };
  return sendInfer({ ...gateway, options: { ...options, inference: createInferenceProtocol(over) } }, body);
}

test("an output that is no batch is the model's failure and not the values'", async () => {
  const failing = () => Promise.reject(new HeadgateError("MODEL_FAILED", "Output is of another shape."));
  const { error, status } = await sendTo(failing, jsonRequest());
  expect({ status, error }).toEqual({ status: 500, error: "Output is of another shape." });
});

test("what is late already is not run", async () => {
  const running = () => expect.fail("it is run");
  const { error, status } = await sendTo(running, jsonRequest({ parameters: { timeout: 0.001 } }));
  expect({ status, error }).toMatchObject({ status: 504, error: expect.stringMatching(/reading the request/) });
});
