import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { ScalarKind } from "../features/field.ts";
import { columnOfKind, readExpected, ZOO, ZOO_MODELS } from "./fixtures/zoo.ts";
import { parseManifest } from "./manifest.ts";
import { type ServiceColumns, skeletonOf } from "./manifest-skeleton.ts";
import { readOnnxFile } from "./onnx-file.ts";
import { openModelRepository } from "./repository.ts";
import { openSession } from "./session.ts";
import { compileSignature, type Graph, type GraphPort, type TensorType } from "./signature.ts";

type Axes = (number | string)[];
const port = (name: string, type: TensorType = "float32", shape: Axes = ["N", 1]): GraphPort => ({ name, type, shape });
const noTensor = (name: string): GraphPort => ({ name, type: undefined, shape: [] });
const graphOf = (inputs: GraphPort[], outputs = [port("y")]): Graph => ({ file: "m.onnx", inputs, outputs });
const service = (name: string, fields: Record<string, ScalarKind>, view = "v"): ServiceColumns => ({
  service: name,
  columns: Object.entries(fields).map(([field, kind]) => ({ ...columnOfKind(kind, field), view })),
});

const SHOP = service("shop", { orders_30d: "int64", aov: "float32", city: "string" });

describe("inputs", () => {
  test.each<[string, GraphPort[], Record<string, string | string[]>]>([
    [
      "by their exact names",
      [port("city", "string"), port("aov", "float32", ["N"]), port("orders_30d", "int64", [])],
      { city: "city", aov: "aov", orders_30d: "orders_30d" },
    ],
    [
      "by names that are spelt otherwise",
      [port("City", "string"), port("serving_default_AOV:0"), port("v__orders30d"), port("X", "int64", ["N", 0])].slice(
        0,
        3,
      ),
      { City: "city", "serving_default_AOV:0": "aov", v__orders30d: "orders_30d" },
    ],
    ["a matrix, by how many columns it can be fed", [port("X", "float32", ["N", 2])], { X: ["orders_30d", "aov"] }],
    ["a matrix of open width", [port("X", "float32", ["N", ""])], { X: ["orders_30d", "aov"] }],
    ["steps of columns", [port("X", "float32", ["N", 2, 1])], { X: ["orders_30d", "aov"] }],
    [
      "a matrix beside what has a name",
      [port("X", "float32", ["N", 2]), port("city", "string")],
      { X: ["orders_30d", "aov"], city: "city" },
    ],
    ["the one input of one value", [port("words", "string", ["N"])], { words: "city" }],
  ])("%s", (_, inputs, expected) => {
    expect(skeletonOf(graphOf(inputs), [SHOP])).toEqual({
      manifest: { service: "shop", inputs: expected, outputs: { prediction: "y" } },
      unmatched: [],
    });
  });

  test.each<[string, GraphPort[], RegExp]>([
    [
      "a name that there is not",
      [port("visits"), port("aov")],
      /^Input "visits" \(float32\) has the name of no feature/,
    ],
    [
      "a type that can't be fed",
      [port("city"), port("aov")],
      /^Input "city" is float32, which v:city \(string\) can't/,
    ],
    ["a matrix of another width", [port("X", "float32", ["N", 7])], /takes 7 values a row \(float32\).*has 2 left/],
    ["two matrices", [port("A", "float32", ["N", 2]), port("B", "float32", ["N", 2])], /^Input "A" takes 2 values/],
    ["what is no tensor", [noTensor("aov")], /^Input "aov" is not a tensor/],
  ])("told: %s", (_, inputs, sentence) => {
    const { manifest, unmatched } = skeletonOf(graphOf(inputs), [SHOP]);
    expect(unmatched[0]).toMatch(sentence);
    expect(manifest.inputs[inputs[0]!.name]).toEqual([]);
    expect(() => parseManifest(JSON.stringify(manifest), "m/model.json")).toThrow(/must name at least one feature/);
  });

  test("told: a field of two views, which a full name settles", () => {
    const both = { service: "s", columns: [...SHOP.columns, ...service("", { aov: "float32" }, "w").columns] };
    const { unmatched } = skeletonOf(graphOf([port("AOV"), port("city", "string")]), [both]);
    expect(unmatched).toEqual(['Input "AOV" could be v:aov and w:aov of feature service "s".']);
    expect(skeletonOf(graphOf([port("w:aov")]), [both])).toMatchObject({
      manifest: { inputs: { "w:aov": "w:aov" } },
      unmatched: [],
    });
  });
});

describe("the feature service", () => {
  const other = service("other", { orders_30d: "int64", aov: "float32", x: "float32", z: "float32" });

  test("is the one that leaves the least unmatched, then the one with the least to spare", () => {
    expect(skeletonOf(graphOf([port("X", "float32", ["N", 4])]), [SHOP, other]).manifest.service).toBe("other");
    expect(skeletonOf(graphOf([port("aov")]), [other, SHOP]).manifest.service).toBe("shop");
  });

  test("is told when another fits alike", () => {
    const twin = { ...SHOP, service: "twin" };
    const { manifest, unmatched } = skeletonOf(graphOf([port("aov")]), [SHOP, twin]);
    expect(manifest.service).toBe("shop");
    expect(unmatched).toEqual(['Feature services "shop" and "twin" fit alike; "shop" is taken.']);
  });

  test("is told when there is none", () => {
    expect(skeletonOf(graphOf([port("aov")]), [])).toEqual({
      manifest: { service: "", inputs: { aov: [] }, outputs: { prediction: "y" } },
      unmatched: [expect.stringMatching(/^There is no feature service/)],
    });
  });
});

describe("outputs", () => {
  test.each<[string[], Record<string, string>]>([
    [["output_label", "output_probability"], { label: "output_label", probabilities: "output_probability" }],
    [["label", "scores"], { label: "label", score: "scores" }],
    [["variable"], { prediction: "variable" }],
    [["Identity:0"], { prediction: "Identity:0" }],
    [["scores"], { score: "scores" }],
    [["Identity:0", "Identity_1:0"], { Identity: "Identity:0", Identity_1: "Identity_1:0" }],
    [["logits", "7", "version", "a/b"], { logits: "logits", output_7: "7", output_version: "version", a_b: "a/b" }],
    [["label", "Label", "labels"], { label: "label", label_2: "Label", label_3: "labels" }],
    [
      ["x".repeat(90), `${"x".repeat(90)}y`],
      { ["x".repeat(60)]: "x".repeat(90), [`${"x".repeat(56)}_2`]: `${"x".repeat(90)}y` },
    ],
  ])("%j", (names, outputs) => {
    const graph = graphOf(
      [port("aov")],
      names.map((name) => port(name)),
    );
    const { manifest } = skeletonOf(graph, [SHOP]);
    expect(manifest.outputs).toEqual(outputs);
    parseManifest(JSON.stringify(manifest), "m/model.json");
  });

  test("what had a ZipMap are probabilities, and what is no tensor is left out and told", () => {
    const graph = graphOf([port("aov")], [port("Z"), noTensor("maps")]);
    expect(skeletonOf(graph, [SHOP], { Z: [0, 1] })).toMatchObject({
      manifest: { outputs: { probabilities: "Z" } },
      unmatched: ['Output "maps" is not a tensor of numbers, bools or strings and can\'t be answered.'],
    });
  });
});

test("what exporters write gets a manifest that loads, mapped as its author did, or says what it lacks", async () => {
  const repository = await openModelRepository(ZOO);
  const told: Record<string, readonly string[]> = {};
  for (const name of ZOO_MODELS) {
    const { bytes, classLabels, weightFiles } = readOnnxFile((await repository.readModel(name, 1)).content, name);
    const weights = weightFiles.map((file) => ({ name: file, content: readFileSync(`${ZOO}/${name}/1/${file}`) }));
    const session = await openSession(bytes, name, weights);
    const { columns } = readExpected(name);
    const { manifest, unmatched } = skeletonOf(session.graph, [{ service: "s", columns }], classLabels);
    await session.release();
    if (unmatched.length > 0) told[name] = unmatched;
    if (Object.values(manifest.inputs).some((features) => features.length === 0)) continue;
    const skeleton = parseManifest(JSON.stringify(manifest), name);
    compileSignature(skeleton, session.graph, columns);
    const written = await repository.readManifest(name);
    const byInput = (a: { input: string }, b: { input: string }) => a.input.localeCompare(b.input);
    const inputs = parseManifest(written.content, written.file).inputs;
    expect([...skeleton.inputs].sort(byInput), name).toEqual([...inputs].sort(byInput));
  }
  // Its seven inputs are matrices of the same two features.
  expect(Object.keys(told)).toEqual(["integers"]);
});
