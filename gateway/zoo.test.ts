/**
 * Every model of the zoo through POST /predict: its rows written to the online store by the writer, read by its feature
 * service, run, and answered as JSON, in one request and in one for each entity. What Python answered is what the
 * client gets.
 */

import { afterAll, beforeAll, expect, test } from "vitest";
import { applyRegistry, readAppliedRegistry, requireApplied } from "../features/applied-registry.ts";
import { entity } from "../features/entity.ts";
import { featureService } from "../features/feature-service.ts";
import { featureView } from "../features/feature-view.ts";
import { int64 } from "../features/field.ts";
import { parseJson } from "../features/json-text.ts";
import { type JsonValue, writeJson } from "../features/json-value.ts";
import { compileReadPlan } from "../features/read-plan.ts";
import { createRegistry } from "../features/registry.ts";
import { SOURCE_RANK } from "../features/row-order.ts";
import { openMemoryStore } from "../features/store/memory.ts";
import { StoredSchemas } from "../features/stored-schema.ts";
import { createViewWriter, recordOrigin } from "../features/writer.ts";
import { expectEqual } from "../models/fixtures/answers.ts";
import { type Expected, readExpected, ZOO, ZOO_MODELS } from "../models/fixtures/zoo.ts";
import { type Models, openModels } from "../models/lifecycle.ts";
import type { ManifestOutputValue } from "../models/manifest.ts";
import { openModelRepository } from "../models/repository.ts";
import type { TensorType } from "../models/signature.ts";
import { compileFeeds, type OutputValue } from "../models/tensor.ts";
import type { TensorElements } from "../models/tensor-row.ts";
import { createApp } from "./app.ts";
import { type ChurnGateway, openChurnGateway } from "./fixtures/churn-gateway.ts";
import { readBinary, writeBinary } from "./inference-protocol/binary-tensor.ts";
import { datatypeNamed, datatypeOf } from "./inference-protocol/datatype.ts";
import { writeJsonTensor } from "./inference-protocol/json-tensor.ts";
import { createInferenceProtocol } from "./inference-protocol/routes.ts";
import { createModelJoin } from "./joined-model.ts";
import { createPredict } from "./predict.ts";

const NOW_MS = Date.UTC(2026, 10, 23, 6);
const TOLERANCE = 1e-5;

const sample = entity("sample", { joinKeys: { sample_id: int64() } });
const expectedOf = new Map(ZOO_MODELS.map((name) => [name, readExpected(name)]));

let churn: ChurnGateway;
let predict: (body: unknown) => Promise<readonly Record<string, OutputValue>[]>;
let infer: (model: string, inputs: readonly Tensor[], isBinary: boolean) => Promise<readonly Answered[]>;
let models: Models;
let close: () => Promise<void>;

beforeAll(async () => {
  const { store, registry } = await writeZoo();
  models = await openModels({
    repository: await openModelRepository(ZOO),
    columnsOf: (service) => compileReadPlan(registry.services.get(service)!).columns,
    now: () => performance.now(),
  });
  churn = await openChurnGateway();
  const join = createModelJoin(store, new StoredSchemas(store.control), registry);
  const options = { ...churn.options, models, join, now: () => NOW_MS };
  const inference = createInferenceProtocol({ ...options, version: "0", isReady: async () => true });
  const app = createApp({ ...options, inference, predict: createPredict(options) });
  infer = async (model, inputs, isBinary) => {
    const json = Buffer.from(
      writeJson({ inputs: inputs.map((tensor) => tensor.json), parameters: { binary_data_output: isBinary } }),
    );
    const body = Buffer.concat([json, ...inputs.flatMap(({ bytes }) => (bytes === undefined ? [] : [bytes]))]);
    const headers = { "inference-header-content-length": String(json.length) };
    const response = await app.request(`/v2/models/${model}/infer`, { method: "POST", headers, body });
    return readAnswer(response);
  };
  close = () => models.close();
  predict = async (body) => {
    const headers = { "content-type": "application/json" };
    const response = await app.request("/predict", { method: "POST", headers, body: JSON.stringify(body) });
    const text = await response.text();
    expect(response.status, text).toBe(200);
    return (parseJson(text) as { predictions: readonly Record<string, OutputValue>[] }).predictions;
  };
});

afterAll(() => Promise.all([close(), churn.close()]));

test.each(ZOO_MODELS)("%s", async (model) => {
  const { rows, outputs } = expectedOf.get(model)!;
  const entities = rows.map((_, i) => ({ sample_id: i }));
  const together = await predict({ model, entities });
  const alone = await Promise.all(entities.map((one) => predict({ model, entities: one })));
  const inTurn = await predict({ model, entities: entities[0] });
  for (const [name, expected] of Object.entries(outputs)) {
    for (const [i, value] of expected.entries()) {
      expectEqual(together[i]![name]!, value, TOLERANCE, `${name}[${i}]`);
      expectEqual(alone[i]![0]![name]!, value, TOLERANCE, `${name}[${i}] of one entity`);
    }
    expectEqual(inTurn[0]![name]!, expected[0]!, TOLERANCE, `${name}[0] alone`);
  }
});

test.each(ZOO_MODELS)("%s by the inference protocol: tensors as bytes and as JSON, and entity ids", async (model) => {
  const { outputs, rows } = expectedOf.get(model)!;
  const { signature } = models.get(model)!.stable!;
  const feeds = compileFeeds(signature.inputs)(rows);
  const tensors = Object.entries(feeds).map(([name, { data, dims, type }]) => {
    const datatype = datatypeOf(type as TensorType);
    const elements = data as unknown as TensorElements;
    const bytes = writeBinary(datatype, elements);
    const head = { name, datatype: datatype.name, shape: [...dims] };
    return {
      binary: { json: { ...head, parameters: { binary_data_size: bytes.length } }, bytes },
      text: { json: { ...head, data: parseJson(writeJsonTensor(datatype, elements)) as JsonValue }, bytes: undefined },
    };
  });
  const ids = { json: { name: "sample_id", datatype: "INT64", shape: [rows.length], data: rows.map((_, i) => i) } };
  const ways = [
    await infer(
      model,
      tensors.map(({ binary }) => binary),
      true,
    ),
    await infer(
      model,
      tensors.map(({ text }) => text),
      false,
    ),
    await infer(model, [{ ...ids, bytes: undefined }], true),
  ];
  for (const [way, answered] of ways.entries()) {
    for (const { name, output } of signature.outputs) {
      const { shape, values } = answered.find((one) => one.name === output)!;
      expect(shape[0]).toBe(rows.length);
      const expected = outputs[name]!.flat(9) as readonly ManifestOutputValue[];
      expect(values.length, `${name}, way ${way}`).toBe(expected.length);
      for (const [i, value] of expected.entries())
        expectEqual(values[i]!, value, TOLERANCE, `${name}[${i}], way ${way}`);
    }
  }
});

interface Tensor {
  readonly json: JsonValue;
  readonly bytes: Uint8Array | undefined;
}

interface Answered {
  readonly name: string;
  readonly shape: readonly number[];
  /** Flat. */
  readonly values: readonly OutputValue[];
}

/** The outputs of an answer, whichever form they have. */
async function readAnswer(response: Response): Promise<readonly Answered[]> {
  const bytes = Buffer.from(await response.arrayBuffer());
  expect(response.status, bytes.toString("latin1")).toBe(200);
  const length = Number(response.headers.get("inference-header-content-length") ?? bytes.length);
  const { outputs } = parseJson(bytes.subarray(0, length).toString()) as {
    outputs: {
      name: string;
      datatype: string;
      shape: number[];
      data?: OutputValue[];
      parameters?: { binary_data_size: number };
    }[];
  };
  let at = length;
  return outputs.map(({ data, datatype: named, name, parameters, shape }) => {
    if (data !== undefined) return { name, shape, values: data };
    const datatype = datatypeNamed(named)!;
    const end = at + parameters!.binary_data_size;
    const count = shape.reduce((product, size) => product * size, 1);
    const elements = readBinary(datatype, bytes.subarray(at, end), count, name);
    at = end;
    return { name, shape, values: parseJson(writeJsonTensor(datatype, elements)) as OutputValue[] };
  });
}

/** A view and a service for each model, and its rows in memory. */
async function writeZoo() {
  const views = ZOO_MODELS.map((name) => viewOf(name, expectedOf.get(name)!));
  const services = views.map((view) => featureService(view.name, [view]));
  const registry = createRegistry(
    [sample, ...views, ...services].map((definition) => ({ definition, file: "zoo.ts" })),
  );
  const store = openMemoryStore();
  await applyRegistry(store.control, registry, { gitCommit: undefined, nowMs: NOW_MS });
  const applied = requireApplied(await readAppliedRegistry(store.control), registry, views);
  const originId = await recordOrigin(store.control, { run: "zoo" });
  const times = { eventTimestampUs: NOW_MS * 1_000, createdTimestampUs: NOW_MS * 1_000 };
  for (const [v, view] of views.entries()) {
    const writer = createViewWriter({
      ...{ store, view, applied: applied.get(view.name)!, originId, sourceRank: SOURCE_RANK.file },
      ...{ maxFutureMs: 1, expiryGraceMs: 1, onlineStoreLayout: "packed" },
    });
    const rows = expectedOf.get(ZOO_MODELS[v]!)!.rows.map((values, position) => {
      const row = writer.encode({ entity: [position], values, ...times, position }, NOW_MS);
      return "refused" in row ? expect.fail(row.refused) : row;
    });
    await writer.write(rows);
  }
  return { store, registry };
}

function viewOf(model: string, { columns }: Expected) {
  const schema = Object.fromEntries(columns.map(({ field, type }) => [field, type]));
  return featureView(model.replaceAll("-", "_"), { entities: [sample], schema });
}
