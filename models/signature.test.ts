import { describe, expect, test } from "vitest";
import { HeadgateError } from "../errors.ts";
import type { ScalarKind } from "../features/field.ts";
import { columnOfKind } from "./fixtures/zoo.ts";
import { parseManifest } from "./manifest.ts";
import {
  compileSignature,
  featureValueOf,
  type Graph,
  type GraphPort,
  TENSOR_TYPES,
  type TensorType,
} from "./signature.ts";

const port = (name: string, type: TensorType | undefined, shape: (number | string)[] = ["N", 1]): GraphPort => ({
  name,
  type,
  shape,
});
const graphOf = (inputs: GraphPort[], outputs = [port("y", "float32")]): Graph => ({
  file: "m/1/model.onnx",
  inputs,
  outputs,
});
const manifestOf = (inputs: object, more: object = {}) =>
  parseManifest(JSON.stringify({ service: "s", inputs, outputs: { score: "y" }, ...more }), "m/model.json");

const COLUMNS = [
  columnOfKind("int64", "orders"),
  columnOfKind("float32", "aov"),
  columnOfKind("string", "city"),
  columnOfKind("bool", "vip"),
  columnOfKind("float32", "embedding", true),
  { ...columnOfKind("float32", "aov"), view: "w" },
  columnOfKind("bytes", "raw"),
];

function refusal(compile: () => unknown): HeadgateError {
  try {
    compile();
  } catch (thrown) {
    if (thrown instanceof HeadgateError) return thrown;
    throw thrown;
  }
  throw new Error("it was taken");
}

test("inputs, order and ranks are compiled to positions", () => {
  const graph = graphOf(
    [port("X", "float32", ["", 3]), port("flag", "bool", ["N"]), port("city", "string"), port("any", "float64", [])],
    [port("y", "float32"), port("unused", undefined)],
  );
  const manifest = manifestOf(
    { any: "orders", city: "city", flag: "vip", X: ["w:aov", "orders", "v:aov"] },
    { missing: { policy: "default", defaults: { orders: 3, city: "", vip: false, "w:aov": "NaN", "v:aov": 0 } } },
  );
  const signature = compileSignature(manifest, graph, COLUMNS);
  expect(signature.inputs).toEqual([
    { input: "any", type: "float64", columns: [0], features: ["v:orders"], rowShape: [1] },
    { input: "city", type: "string", columns: [2], features: ["v:city"], rowShape: [1] },
    { input: "flag", type: "bool", columns: [3], features: ["v:vip"], rowShape: [] },
    { input: "X", type: "float32", columns: [5, 0, 1], features: ["w:aov", "v:orders", "v:aov"], rowShape: [3] },
  ]);
  expect(signature).toMatchObject({
    outputs: [{ name: "score", output: "y", type: "float32" }],
    rowsPerRun: Number.POSITIVE_INFINITY,
    columns: [0, 1, 2, 3, 5],
    defaults: [3, 0, "", false, undefined, Number.NaN, undefined],
  });
});

test.each([1, 32])("a graph with a batch axis of %i takes as many rows per run", (batch) => {
  const signature = compileSignature(manifestOf({ X: "orders" }), graphOf([port("X", "int64", [batch, 1])]), COLUMNS);
  expect(signature.rowsPerRun).toBe(batch);
});

test.each<[(number | string)[], number[]]>([
  [
    ["N", 2, 2],
    [2, 2],
  ],
  [
    ["N", "steps", 2],
    [2, 2],
  ],
  [
    [1, 1, "", 1],
    [1, 4, 1],
  ],
  [["N", "width"], [4]],
  [[], [4]],
])("four features fill a row of %j as %j", (shape, rowShape) => {
  const inputs = { X: ["orders", "v:aov", "w:aov", "vip"] };
  const signature = compileSignature(manifestOf(inputs), graphOf([port("X", "float32", shape)]), COLUMNS);
  expect(signature.inputs[0]!.rowShape).toEqual(rowShape);
});

describe("what can be fed into what", () => {
  const numeric = TENSOR_TYPES.filter((type) => type !== "bool" && type !== "string");
  const taken: Record<ScalarKind, readonly TensorType[]> = {
    int32: numeric,
    int64: numeric,
    timestamp: numeric,
    float32: ["float16", "float32", "float64"],
    float64: ["float16", "float32", "float64"],
    bool: ["bool", ...numeric],
    string: ["string"],
    bytes: [],
  };
  test.each(Object.entries(taken) as [ScalarKind, readonly TensorType[]][])("%s", (kind, types) => {
    for (const type of TENSOR_TYPES) {
      const compile = () =>
        compileSignature(manifestOf({ X: "f" }), graphOf([port("X", type)]), [columnOfKind(kind, "f")]);
      if (types.includes(type)) expect(compile().inputs[0]!.type).toBe(type);
      else expect(refusal(compile).message).toContain(`feature v:f is ${kind}, but input "X" is ${type}`);
    }
  });
});

describe("refused, with both sides named", () => {
  const X = port("X", "float32");
  test.each<[string, object, GraphPort[], RegExp]>([
    [
      "an input that is not mapped",
      { X: "orders" },
      [X, port("Z", "float32")],
      /needs "Z", which the manifest does not map; the inputs of m.1.model\.onnx are "X", "Z"/,
    ],
    ["an input that there is not", { X: "orders", Q: "vip" }, [X], /maps "Q", which the graph does not have/],
    ["both", { Q: "vip" }, [X], /needs "X".*and the manifest maps "Q"/],
    [
      "a feature that there is not",
      { X: "visits" },
      [X],
      /"visits" is not in feature service "s", which has v:orders, v:aov/,
    ],
    ["a feature of another view", { X: "x:orders" }, [X], /"x:orders" is not in/],
    ["a feature of two views", { X: "aov" }, [X], /"aov" is a field of several views.*v:aov, w:aov/],
    [
      "too many features",
      { X: ["orders", "v:aov"] },
      [X],
      /maps 2 features \(orders, v:aov\), but input "X" of m.1.model\.onnx has the shape \[N, 1\]/,
    ],
    [
      "too few features",
      { X: "orders" },
      [port("X", "float32", ["", 4])],
      /maps 1 feature \(orders\).*shape \[\?, 4\]/,
    ],
    ["a matrix for a vector", { X: ["orders", "v:aov"] }, [port("X", "float32", ["N"])], /shape \[N\]/],
    ["an image", { X: "orders" }, [port("X", "float32", ["N", 1, 28])], /shape \[N, 1, 28\]/],
    [
      "steps that the features don't fill",
      { X: ["orders", "vip"] },
      [port("X", "float32", ["N", "", 3])],
      /\[N, \?, 3\]/,
    ],
    ["two open axes", { X: ["orders", "vip"] }, [port("X", "float32", ["N", "", ""])], /\[N, \?, \?\]/],
    [
      "batches of two sizes",
      { X: "orders", Z: "vip" },
      [port("X", "float32", [32, 1]), port("Z", "float32", [1, 1])],
      /different numbers of rows.*"X" \[32, 1\], "Z" \[1, 1\]/,
    ],
    ["a batch of none", { X: "orders" }, [port("X", "float32", [0, 1])], /or to none \("X" \[0, 1\]\)/],
    ["a list", { X: "embedding" }, [X], /v:embedding is array\(float32\).*lists can't be fed/],
    ["a sequence", { X: "orders" }, [port("X", undefined)], /input "X".*is not a tensor/],
  ])("%s", (_, inputs, ports, sentence) => {
    const error = refusal(() => compileSignature(manifestOf(inputs), graphOf(ports), COLUMNS));
    expect(error.code).toBe("SIGNATURE_MISMATCH");
    expect(error.message).toMatch(/^m\/model\.json: /);
    expect(error.message).toMatch(sentence);
  });

  test("an output that there is not, and one that is no tensor", () => {
    const absent = graphOf([X], [port("label", "int64")]);
    const sequence = graphOf([X], [port("y", undefined)]);
    const manifest = manifestOf({ X: "orders" });
    expect(refusal(() => compileSignature(manifest, absent, COLUMNS)).message).toMatch(
      /does not give; its outputs are "label"/,
    );
    expect(refusal(() => compileSignature(manifest, sequence, COLUMNS)).message).toMatch(/output "y".*is not a tensor/);
  });

  test("policy null where there is no NaN", () => {
    const manifest = manifestOf({ X: "orders" }, { missing: { policy: "null" } });
    expect(compileSignature(manifest, graphOf([X]), COLUMNS).inputs).toHaveLength(1);
    for (const type of ["int64", "bool", "string"] as const) {
      const columns = [columnOfKind(type, "orders")];
      const compile = () => compileSignature(manifest, graphOf([port("X", type)]), columns);
      expect(refusal(compile).message).toMatch(new RegExp(`feeds NaN, but input "X" of .* is ${type}`));
    }
  });

  test("a default of another type", () => {
    const manifest = manifestOf({ X: "orders" }, { missing: { policy: "default", defaults: { orders: 1.5 } } });
    const error = refusal(() => compileSignature(manifest, graphOf([X]), COLUMNS));
    expect(error.code).toBe("MANIFEST_INVALID");
    expect(error.message).toMatch(/missing\.defaults\.orders is 1\.5, but v:orders is of type int64/);
  });
});

test("values are taken as the manifest writes them", () => {
  const manifest = manifestOf({ X: "orders" });
  const take = (kind: ScalarKind, written: string | number | boolean) =>
    featureValueOf(manifest, "p", columnOfKind(kind, "f"), written);
  expect(take("int64", "9007199254740993")).toBe(9007199254740993n);
  expect(take("int64", "12")).toBe(12);
  expect(take("float64", "NaN")).toBeNaN();
  expect(take("float32", 0.1)).toBe(Math.fround(0.1));
  expect(take("timestamp", "1970-01-01T00:00:01Z")).toBe(1_000_000);
  expect(take("string", "12")).toBe("12");
  for (const [kind, written] of [
    ["int64", 2 ** 53],
    ["int32", 2 ** 31],
    ["int64", "x"],
    ["float32", "1"],
    ["bool", 1],
  ] as const) {
    expect(refusal(() => take(kind, written)).code).toBe("MANIFEST_INVALID");
  }
});
