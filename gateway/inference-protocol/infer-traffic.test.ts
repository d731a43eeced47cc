/** Infer while a model's traffic is split: entities go where /predict sends them, tensors to the stable version. */

import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { float64 } from "../../features/field.ts";
import type { ReadPlan } from "../../features/read-plan.ts";
import type { EntityKeys } from "../../features/reader.ts";
import type { LoadedModel } from "../../models/loaded-model.ts";
import { bucketOf, type Traffic } from "../../models/traffic.ts";
import { CanaryWatch } from "../canary-watch.ts";
import { type ChurnGateway, EXPECTED, openChurnGateway } from "../fixtures/churn-gateway.ts";
import { churnVersions } from "../fixtures/churn-versions.ts";
import type { JoinedModel } from "../joined-model.ts";
import { entityRequest, jsonRequest, sendInfer } from "./fixtures/infer-client.ts";
import { createInferenceProtocol } from "./routes.ts";

const open: ChurnGateway[] = [];
afterEach(async () => {
  for (const gateway of open.splice(0)) await gateway.close();
});

async function gatewayOf(traffic: Partial<Traffic>): Promise<ChurnGateway> {
  const gateway = await openChurnGateway(await churnVersions(traffic));
  open.push(gateway);
  return gateway;
}

const canary = (version: number, percent: number) => ({ version, percent, guard: undefined });
const CUSTOMERS = EXPECTED.rows.map((_, customer) => customer).slice(0, 200);
const statisticsOf = ({ options }: ChurnGateway, version: number) =>
  options.join(options.models.get("churn")!.ready.get(version)!).statistics;

test("a canary answers the entities of its share, each row's version is told, and the order stays", async () => {
  const gateway = await gatewayOf({ canary: canary(2, 30) });
  const { json } = await sendInfer(gateway, entityRequest(CUSTOMERS));
  const versions = CUSTOMERS.map((customer) => (bucketOf("churn", `customer_id=${customer}`) < 3_000 ? 2 : 1));
  expect(json).toMatchObject({ model_version: "1", parameters: { model_versions: versions.join(",") } });
  const probabilities = json.outputs[1]!.data!;
  for (const [row, version] of versions.entries()) {
    const churns = version === 2 ? 0.9 : EXPECTED.probabilities[row]![1]!;
    expect(probabilities[2 * row + 1]).toBeCloseTo(churns, 6);
  }
  const one = await sendInfer(gateway, entityRequest([versions.indexOf(2)]));
  expect(one.json).toMatchObject({ model_version: "2" });
  expect(one.json.parameters).toBeUndefined();
});

test("a canary that fails is counted, and the stable version answers its rows", async () => {
  const gateway = await gatewayOf({ canary: canary(3, 100) });
  const { json, status } = await sendInfer(gateway, entityRequest(CUSTOMERS));
  expect(status).toBe(200);
  expect(json.model_version).toBe("1");
  expect(statisticsOf(gateway, 3).failures).toBe(1);
});

/** Version 2 with its outputs under these members, and with bytes of its graph exchanged for as many others. */
async function gatewayOfChanged(outputs: Readonly<Record<string, string>>, [from, to]: readonly [string, string]) {
  const repository = await churnVersions({ canary: canary(2, 100) });
  const [file, graph] = ["model.json", "model.onnx"].map((name) => join(repository, "churn", "2", name));
  const manifest = JSON.parse(await readFile(file!, "utf8"));
  await writeFile(file!, JSON.stringify({ ...manifest, outputs }));
  const bytes = (await readFile(graph!)).toString("latin1");
  await writeFile(graph!, bytes.replaceAll(from, to), "latin1");
  const gateway = await openChurnGateway(repository);
  open.push(gateway);
  expect(gateway.options.models.get("churn")!.canary?.model.version).toBe(2);
  return gateway;
}

test("a canary whose graph calls an output otherwise answers by what its manifest calls it", async () => {
  const renamed = { label: "label", probabilities: "probabilitiez" };
  const gateway = await gatewayOfChanged(renamed, ["probabilities", "probabilitiez"]);
  const { json, status } = await sendInfer(gateway, entityRequest(CUSTOMERS));
  expect(status, JSON.stringify(json)).toBe(200);
  expect(json.model_version).toBe("2");
  expect(json.outputs[1]).toMatchObject({ name: "probabilities", shape: [CUSTOMERS.length, 2] });
  expect(json.outputs[1]!.data![1]).toBeCloseTo(0.9, 6);
});

test("load fails where the newest version does not load, although an older one serves", async () => {
  const repository = await churnVersions({});
  await rm(join(repository, "churn", "traffic.json"));
  await rm(join(repository, "churn", "3"), { recursive: true });
  const gateway = await openChurnGateway(repository);
  open.push(gateway);
  const load = () => sendInfer(gateway, "{}", {}, "/v2/repository/models/churn/load");
  expect((await load()).json).toEqual({ name: "churn", load: true });
  await mkdir(join(repository, "churn", "3"));
  await writeFile(join(repository, "churn", "3", "model.onnx"), "no graph");
  const { error, status } = await load();
  expect({ status, error }).toMatchObject({ status: 503, error: expect.stringMatching(/3.*Version 2 serves still/s) });
});

test("where a canary's outputs are of another type or shape the stable version answers", async () => {
  const exchanged = { label: "probabilities", probabilities: "label" };
  const gateway = await gatewayOfChanged(exchanged, ["label", "label"]);
  const { json, status } = await sendInfer(gateway, entityRequest(CUSTOMERS));
  expect(status, JSON.stringify(json)).toBe(200);
  expect(json.model_version).toBe("1");
  expect(json.outputs[0]).toMatchObject({ datatype: "INT64", shape: [CUSTOMERS.length] });
  expect(statisticsOf(gateway, 2).requests).toBe(0);
});

/** The same gateway, whose service takes a request feature that nothing is computed from. */
function withBasket(gateway: ChurnGateway): ChurnGateway {
  const { options } = gateway;
  const known = new Map<LoadedModel, JoinedModel>();
  const joinBasket = (model: LoadedModel): JoinedModel => {
    const joined = known.get(model) ?? options.join(model);
    if (known.has(model)) return joined;
    const { plan, read } = joined.reader;
    const basket = { name: "basket", source: "basket", type: float64(), slot: -1, accept: (value: unknown) => value };
    const withIt = { ...plan, requestFields: [basket], requestNames: new Set(["basket"]) } as unknown as ReadPlan;
    const reader = {
      ...joined.reader,
      plan: withIt,
      read: (some: readonly EntityKeys[], _: unknown, nowMs: number) => read(some, [], nowMs),
    };
    const put = { ...joined, reader } as JoinedModel;
    known.set(model, put);
    return put;
  };
  const repository = { putTraffic: async () => "etag" };
  const canaries = new CanaryWatch({ repository, models: options.models, join: joinBasket, wait: async () => {} });
  const over = { ...options, join: joinBasket, canaries };
  const inference = createInferenceProtocol({ ...over, maxBodyBytes: 100_000, isReady: async () => true });
  return { ...gateway, options: { ...over, inference } };
}

test("rows of many request features are one request to whoever counts, once for each version", async () => {
  const gateway = withBasket(await gatewayOf({ canary: canary(2, 30) }));
  const [ids] = JSON.parse(entityRequest(CUSTOMERS)).inputs;
  const basket = { name: "basket", datatype: "FP64", shape: [CUSTOMERS.length], data: CUSTOMERS.map((i) => i / 2) };
  const told: unknown[] = [];
  const listener = (event: unknown) => void told.push(event);
  subscribe("headgate:prediction", listener);
  const { json, status } = await sendInfer(gateway, JSON.stringify({ inputs: [ids, basket] }));
  unsubscribe("headgate:prediction", listener);
  expect(status, JSON.stringify(json)).toBe(200);
  const versions = CUSTOMERS.map((customer) => (bucketOf("churn", `customer_id=${customer}`) < 3_000 ? 2 : 1));
  expect(json.parameters).toEqual({ model_versions: versions.join(",") });
  for (const [row, version] of versions.entries()) {
    const churns = version === 2 ? 0.9 : EXPECTED.probabilities[row]![1]!;
    expect(json.outputs[1]!.data![2 * row + 1]).toBeCloseTo(churns, 6);
  }
  expect(told).toHaveLength(2);
  const [stable, its] = [1, 2].map((version) => statisticsOf(gateway, version));
  expect([stable!.requests, its!.requests]).toEqual([1, 1]);
  expect(stable!.entities + its!.entities).toBe(CUSTOMERS.length);
});

test("tensors are the stable version's, whatever share a canary has, unless a version is named", async () => {
  const gateway = await gatewayOf({ canary: canary(2, 100) });
  expect((await sendInfer(gateway, jsonRequest())).json.model_version).toBe("1");
  expect(statisticsOf(gateway, 1).requests).toBe(0);
  const named = await sendInfer(gateway, jsonRequest(), {}, "/v2/models/churn/versions/2/infer");
  expect(named.json.model_version).toBe("2");
  expect((await sendInfer(gateway, jsonRequest(), { "x-headgate-version": "2" })).json.model_version).toBe("2");
});

test("a model that fails over the values it is sent is no failure of ours", async () => {
  const gateway = await gatewayOf({ canary: canary(3, 1) });
  const { error, status } = await sendInfer(gateway, jsonRequest(), {}, "/v2/models/churn/versions/3/infer");
  expect({ status, error }).toMatchObject({ status: 422, error: expect.stringMatching(/fails over the values/) });
});

test("shadows see the entities of infer", async () => {
  const gateway = await gatewayOf({ shadow: [2] });
  await sendInfer(gateway, entityRequest([1, 2, 3]));
  await expect.poll(() => statisticsOf(gateway, 2).entities, { timeout: 30_000, interval: 5 }).toBe(3);
});
