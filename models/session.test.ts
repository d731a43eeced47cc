import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { columnOfKind, readBroken, readExpected, ZOO } from "./fixtures/zoo.ts";
import { parseManifest } from "./manifest.ts";
import { readOnnxFile } from "./onnx-file.ts";
import { openModelRepository } from "./repository.ts";
import { openSession } from "./session.ts";
import { compileSignature } from "./signature.ts";
import type { FeatureRow } from "./tensor.ts";

const FILE = "churn/3/model.onnx";

describe("refused as MODEL_FILE_INVALID, with the runtime's reason", () => {
  test.each([
    ["truncated", /ModelProto|[Pp]arsing/],
    ["empty", /null|empty/],
    ["text", /ModelProto|[Pp]arsing/],
    ["unknown-operator", /com\.example.*Embiggen|Embiggen/],
    ["future-opset", /[Oo]pset 99/],
  ])("%s", async (name, reason) => {
    const error = await openSession(readBroken(name), FILE).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: "MODEL_FILE_INVALID" });
    expect(error.message).toMatch(new RegExp(`^${FILE} can't be loaded: `));
    expect(error.message).toMatch(reason);
    expect(error.message).not.toContain("/onnxruntime_src");
  });
});

test("a model cut short anywhere is refused", async () => {
  const whole = readFileSync(`${ZOO}/regressor/1/model.onnx`);
  for (let length = 1; length < whole.length; length += 37) {
    await expect(openSession(whole.subarray(0, length), FILE)).rejects.toMatchObject({ code: "MODEL_FILE_INVALID" });
  }
});

test("an output that stays a sequence is refused by name when it is mapped, and only then", async () => {
  const session = await openSession(readBroken("sequence-output"), FILE);
  const manifest = parseManifest('{"service":"s","inputs":{"X":"f"},"outputs":{"all":"Y"}}', "m/model.json");
  expect(() => compileSignature(manifest, session.graph, [columnOfKind("float32", "f")])).toThrow(
    /output "Y" .* is not a tensor/,
  );
  await session.release();
});

test("the graph is told as it declares itself", async () => {
  const repository = await openModelRepository(ZOO);
  const { content, file } = await repository.readModel("mixed-pipeline", 1);
  const session = await openSession(readOnnxFile(content, file).bytes, file);
  expect(session.graph.inputs).toEqual([
    { name: "city", type: "string", shape: ["", 1] },
    { name: "age", type: "int64", shape: ["", 1] },
    { name: "spend", type: "float32", shape: ["", 1] },
  ]);
  await session.release();
});

test("only mapped outputs are asked for, each once", async () => {
  const repository = await openModelRepository(ZOO);
  const { content, file } = await repository.readModel("zipmap-int64", 1);
  // With its ZipMap in place the model loads, and runs as long as nobody asks for the maps.
  const session = await openSession(content, file);
  const inputs = { X: ["f0", "f1", "f2"] };
  const manifest = parseManifest(
    JSON.stringify({ service: "s", inputs, outputs: { a: "output_label", b: "output_label" } }),
    "m/model.json",
  );
  const { columns, rows, outputs } = readExpected("zipmap-int64");
  const run = session.compileRun(compileSignature(manifest, session.graph, columns));
  const result = await run(() => rows);
  expect(result.outputs).toEqual([outputs.label, outputs.label]);
  await session.release();
});

test("rows that come until the end of the turn are in the run", async () => {
  const { session, run, rows, outputs } = await openMixed();
  const taken: FeatureRow[] = [];
  const running = run(() => taken);
  await Promise.resolve();
  taken.push(...rows);
  expect((await running).outputs[0]).toEqual(outputs.label);
  await session.release();
});

test("a row that no tensor can hold is refused as that, and the next run is served", async () => {
  const { session, run, rows, outputs } = await openMixed();
  await expect(run(() => [[1, null, 1]])).rejects.toMatchObject({ code: "FEATURES_MISSING" });
  expect((await run(() => rows)).outputs[0]).toEqual(outputs.label);
  await session.release();
});

async function openMixed() {
  const repository = await openModelRepository(ZOO);
  const [{ content, file }, manifest] = await Promise.all([
    repository.readModel("mixed-pipeline", 1),
    repository.readManifest("mixed-pipeline"),
  ]);
  const session = await openSession(readOnnxFile(content, file).bytes, file);
  const expected = readExpected("mixed-pipeline");
  const signature = compileSignature(parseManifest(manifest.content, manifest.file), session.graph, expected.columns);
  return { ...expected, session, run: session.compileRun(signature) };
}

test("a run that the runtime refuses is MODEL_FAILED with its reason", async () => {
  const session = await openSession(readBroken("baked-batch"), FILE);
  const manifest = parseManifest('{"service":"s","inputs":{"X":"f"},"outputs":{"y":"Y"}}', "m/model.json");
  const run = session.compileRun(compileSignature(manifest, session.graph, [columnOfKind("float32", "f")]));
  expect(await run(() => [[1]])).toEqual({ outputs: [[1]] });
  await expect(run(() => [[1], [2]])).rejects.toMatchObject({
    code: "MODEL_FAILED",
    message: expect.stringMatching(/\[1, 2\] for 2 rows/),
  });
  await session.release();
});
