/**
 * Whatever the usual exporters write by default runs: every model of the zoo, through manifest, signature and session,
 * one by one and batched, against what Python answered (fixtures/make.py). And what can't run says why, by the name of
 * the operator, the type or the file.
 */

import { cp, mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { expectAnswers } from "./fixtures/answers.ts";
import { BROKEN_MODELS, columnOfKind, readBroken, readExpected, ZOO, ZOO_MODELS, zooColumns } from "./fixtures/zoo.ts";
import { type LoadedModel, loadModel } from "./loaded-model.ts";
import { openModelRepository, sha256Of } from "./repository.ts";

/** How far a float may be from Python's. */
const TOLERANCE = 1e-5;

const now = () => performance.now();
let model: LoadedModel | undefined;
let folder: string | undefined;

afterEach(async () => {
  await model?.close();
  if (folder !== undefined) await rm(folder, { recursive: true });
  model = folder = undefined;
});

describe("answers as in Python, in one request and one by one", () => {
  test.each(ZOO_MODELS)("%s", async (name) => {
    const { rows, outputs, columns } = readExpected(name);
    expect(rows.length).toBeGreaterThanOrEqual(50);
    const repository = await openModelRepository(ZOO);
    model = await loadModel({ repository, name, version: 1, columnsOf: zooColumns, now });
    expect(model).toMatchObject({ name, version: 1, state: "READY", columns });
    expect(model.runMicros).toBeGreaterThan(0);
    await expectAnswers(model, rows, outputs, TOLERANCE);
  });
});

test("the labels of every ZipMap are kept", async () => {
  const repository = await openModelRepository(ZOO);
  const labels: Record<string, unknown> = {};
  for (const name of [
    "stacking",
    "mlp",
    "lightgbm-multiclass",
    "xgboost-multiclass",
    "catboost",
    "catboost-multiclass",
  ]) {
    model = await loadModel({ repository, name, version: 1, columnsOf: zooColumns, now });
    labels[name] = model.classLabels.probabilities;
    await model.close();
  }
  const words = ["bronze", "gold", "silver"];
  expect(labels).toEqual({
    stacking: [0, 1],
    mlp: words,
    "lightgbm-multiclass": words,
    catboost: [0, 1],
    "catboost-multiclass": words,
  });
});

describe("what can't run says why", () => {
  const reasons: Record<string, RegExp> = {
    truncated: /not an ONNX model or is cut short/,
    empty: /no ONNX graph/,
    text: /not an ONNX model|no ONNX graph/,
    corrupt: /not an ONNX model|protobuf parsing failed/,
    "unknown-operator": /com\.example:Embiggen/,
    "wrong-type": /Type 'tensor\(bool\)' of input parameter \(X\) of operator \(Add\)/,
    "complex-input": /tensor\(complex64\)/,
    bfloat16: /bfloat16/,
    "future-opset": /Opset 99/,
    "sequence-output": /output "Y" .* is not a tensor/,
    "baked-batch": /\[1, 64\] for 64 rows/,
    "weights-missing": /broken.1.weights\.bin does not exist; .*model\.onnx keeps weights in it/,
    "weights-outside": /keeps the weight "W" in "\.\.\/\.\.\/secret\.bin", which is not a file beside it/,
  };

  test.each(BROKEN_MODELS)("%s", async (name) => {
    folder = await mkdtemp(join(tmpdir(), "headgate-broken-"));
    await cp(join(ZOO, "regressor"), join(folder, "broken"), { recursive: true });
    await writeFile(join(folder, "broken/1/model.onnx"), readBroken(name));
    await writeFile(join(folder, "broken/model.json"), '{"service":"s","inputs":{"X":"f"},"outputs":{"y":"Y"}}');
    const repository = await openModelRepository(folder);
    const columnsOf = () => [columnOfKind("float32", "f")];
    const error = await loadModel({ repository, name: "broken", version: 1, columnsOf, now }).catch((thrown) => thrown);
    expect(error.message).toMatch(reasons[name]!);
    expect(error.code).toMatch(/^(MODEL_FILE_INVALID|SIGNATURE_MISMATCH|MODEL_FAILED)$/);
  });
});

describe("weights in a file of their own, as PyTorch writes them by default", () => {
  const load = async () => {
    const repository = await openModelRepository(folder!);
    return loadModel({ repository, name: "torch", version: 1, columnsOf: () => zooColumns("torch_default"), now });
  };
  const copyOf = async (name: string) => {
    folder = await mkdtemp(join(tmpdir(), "headgate-weights-"));
    await cp(join(ZOO, name), join(folder, "torch"), { recursive: true });
    return join(folder, "torch/1/model.onnx.data");
  };

  test("are part of what the version is", async () => {
    const weights = await copyOf("torch-default");
    model = await load();
    const { sha256, modelBytes } = model;
    await model.close();
    const repository = await openModelRepository(folder!);
    const graph = (await repository.readModel("torch", 1)).content;
    const { content } = await repository.readWeights("torch", 1, "model.onnx.data");
    expect(sha256).toBe(sha256Of(Buffer.concat([graph, content])));
    expect(modelBytes).toBe(graph.length + content.length);
    // A copy that other weights were put into is another model.
    const others = Buffer.from(content);
    others.writeFloatLE(others.readFloatLE(0) * (1 + 1e-6), 0);
    await writeFile(weights, others);
    model = await load();
    expect(model.sha256).not.toBe(sha256);
  });

  test("are refused when they are not there, or cut short", async () => {
    const weights = await copyOf("torch-default");
    await truncate(weights, 1_000);
    await expect(load()).rejects.toMatchObject({
      code: "MODEL_FILE_INVALID",
      message: expect.stringMatching(/model\.onnx can't be loaded: .*(0\.weight|model\.onnx\.data|external)/i),
    });
    await rm(weights);
    await expect(load()).rejects.toMatchObject({
      code: "MODEL_FILE_INVALID",
      message: expect.stringMatching(/model\.onnx\.data does not exist/),
    });
  });
});
