import { readFileSync } from "node:fs";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { describe, expect, test } from "vitest";
import { readBroken, ZOO } from "./fixtures/zoo.ts";
import {
  AttributeProtoSchema,
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  StringStringEntryProtoSchema,
  TensorProtoSchema,
} from "./onnx_pb.ts";
import { readOnnxFile, WEIGHT_FILES_MAX } from "./onnx-file.ts";

const zoo = (name: string) => new Uint8Array(readFileSync(`${ZOO}/${name}/1/model.onnx`));

test.each(["regressor", "torch-default", "catboost-regressor"])(
  "%s needs nothing and is handed back as it is",
  (name) => {
    const bytes = zoo(name);
    expect(readOnnxFile(bytes, "m").bytes).toBe(bytes);
  },
);

test("the locale of a text pipeline becomes one that a server has, unless the graph names its own", () => {
  const localesOf = (bytes: Uint8Array) =>
    fromBinary(ModelProtoSchema, bytes)
      .graph!.node.filter(({ opType }) => opType === "StringNormalizer")
      .flatMap(({ attribute }) => attribute.map((one) => fromBinary(AttributeProtoSchema, one)))
      .flatMap(({ name, s }) => (name === "locale" ? [new TextDecoder().decode(s)] : []));
  const bytes = zoo("lower-case");
  expect(localesOf(bytes)).toEqual([]);
  expect(localesOf(readOnnxFile(bytes, "m").bytes)).toEqual(process.platform === "linux" ? ["C.UTF-8"] : []);
  const locale = toBinary(
    AttributeProtoSchema,
    create(AttributeProtoSchema, { name: "locale", s: new TextEncoder().encode("tr_TR.UTF-8"), type: 3 }),
  );
  const turkish = modelOf({ node: [create(NodeProtoSchema, { opType: "StringNormalizer", attribute: [locale] })] });
  expect(readOnnxFile(turkish, "m").bytes).toBe(turkish);
});

describe("files of weights", () => {
  const kept = (...locations: string[]) =>
    modelOf({
      initializer: locations.map((value, i) =>
        create(TensorProtoSchema, {
          name: `w${i}`,
          dataLocation: 1,
          externalData: [
            create(StringStringEntryProtoSchema, { key: "offset", value: "0" }),
            create(StringStringEntryProtoSchema, { key: "location", value }),
          ],
        }),
      ),
    });

  test("are told once each, sorted", () => {
    expect(readOnnxFile(zoo("torch-default"), "m").weightFiles).toEqual(["model.onnx.data"]);
    expect(readOnnxFile(zoo("torch-legacy"), "m").weightFiles).toEqual([]);
    expect(readOnnxFile(kept("b.bin", "a.bin", "b.bin"), "m").weightFiles).toEqual(["a.bin", "b.bin"]);
  });

  test.each(["", "../secret", "/etc/passwd", "..", ".", "a/b", "a\\b", "C:x", "a\0b", ".hidden", "x".repeat(256)])(
    "never lie elsewhere: %j",
    (location) => {
      expect(() => readOnnxFile(kept(location), "m")).toThrow(
        expect.objectContaining({
          code: "MODEL_FILE_INVALID",
          message: expect.stringMatching(/keeps the weight "w0"/),
        }),
      );
    },
  );

  test("are bounded", () => {
    const many = Array.from({ length: WEIGHT_FILES_MAX + 1 }, (_, i) => `w${i}`);
    expect(readOnnxFile(kept(...many.slice(1)), "m").weightFiles).toHaveLength(WEIGHT_FILES_MAX);
    expect(() => readOnnxFile(kept(...many), "m")).toThrow(/more than the 10000 that are read/);
  });
});

function modelOf(graph: Parameters<typeof create<typeof GraphProtoSchema>>[1]): Uint8Array {
  return toBinary(ModelProtoSchema, create(ModelProtoSchema, { graph: create(GraphProtoSchema, graph) }));
}

test("what the subset of the protocol does not know survives a rewrite", async () => {
  const original = zoo("lightgbm");
  const rewritten = toBinary(ModelProtoSchema, fromBinary(ModelProtoSchema, original));
  expect(rewritten.length).toBe(original.length);
  // Weights, attributes, metadata: same fields, and the same answers where they matter.
  const bytes = zoo("double");
  const again = toBinary(ModelProtoSchema, fromBinary(ModelProtoSchema, bytes));
  const feeds = { X: new Tensor("float64", Float64Array.of(1.5, -2.25, 1e9), [1, 3]) };
  const [before, after] = await Promise.all(
    [bytes, again].map(async (model) => (await InferenceSession.create(model, { logSeverityLevel: 3 })).run(feeds)),
  );
  expect(after!.variable!.data).toEqual(before!.variable!.data);
});

describe("refused as MODEL_FILE_INVALID", () => {
  test.each(["truncated", "empty", "text"])("%s", (name) => {
    expect(() => readOnnxFile(readBroken(name), "churn/3/model.onnx")).toThrow(
      expect.objectContaining({ code: "MODEL_FILE_INVALID", message: expect.stringContaining("churn/3/model.onnx") }),
    );
  });

  test("a file cut short anywhere, unless what is left is still a graph", () => {
    const whole = zoo("zipmap-int64");
    for (let length = 0; length < whole.length; length++) {
      try {
        readOnnxFile(whole.subarray(0, length), "m");
      } catch (thrown) {
        expect(thrown).toMatchObject({ code: "MODEL_FILE_INVALID" });
      }
    }
  });
});
