import { readFileSync } from "node:fs";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { describe, expect, test } from "vitest";
import { readBroken, ZOO } from "./fixtures/zoo.ts";
import { AttributeProtoSchema, ModelProtoSchema, NodeProtoSchema } from "./onnx_pb.ts";
import { withoutZipMap } from "./zipmap.ts";

const zoo = (name: string) => new Uint8Array(readFileSync(`${ZOO}/${name}/1/model.onnx`));

test.each([
  ["zipmap-int64", "output_probability", [0, 1]],
  ["zipmap-string", "output_probability", ["bronze", "gold", "silver"]],
  ["lightgbm", "probabilities", [0, 1]],
  ["zipmap-ml-only", "Z", [10, 20, 2n ** 60n]],
])("%s gives a tensor under the same name, and its labels", async (name, output, labels) => {
  const { bytes, classLabels } = withoutZipMap(zoo(name), name);
  expect(classLabels).toEqual({ [output]: labels });
  const session = await InferenceSession.create(bytes, { logSeverityLevel: 3 });
  const port = session.outputMetadata.find((metadata) => metadata.name === output)!;
  expect(port).toMatchObject({ isTensor: true, type: "float32" });
  // Without the operator there is nothing left to take out.
  expect(withoutZipMap(bytes, name).bytes).toBe(bytes);
});

test("a model without ZipMap is handed back as it is", () => {
  const bytes = zoo("regressor");
  expect(withoutZipMap(bytes, "m")).toEqual({ bytes });
  expect(withoutZipMap(bytes, "m").bytes).toBe(bytes);
});

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

test("a graph of many ZipMaps loses all of them", () => {
  const model = fromBinary(ModelProtoSchema, zoo("zipmap-int64"));
  const strings = [new TextEncoder().encode("nein"), new TextEncoder().encode("já")];
  model.graph!.node.push(
    create(NodeProtoSchema, {
      opType: "ZipMap",
      domain: "ai.onnx.ml",
      input: ["probabilities"],
      output: ["second"],
      attribute: [
        toBinary(AttributeProtoSchema, create(AttributeProtoSchema, { name: "classlabels_strings", strings })),
      ],
    }),
  );
  model.graph!.output.push({ ...model.graph!.output[1]!, name: "second" });
  const { classLabels } = withoutZipMap(toBinary(ModelProtoSchema, model), "m");
  expect(classLabels).toEqual({ output_probability: [0, 1], second: ["nein", "já"] });
});

describe("refused as MODEL_FILE_INVALID", () => {
  test.each(["truncated", "empty", "text"])("%s", (name) => {
    expect(() => withoutZipMap(readBroken(name), "churn/3/model.onnx")).toThrow(
      expect.objectContaining({ code: "MODEL_FILE_INVALID", message: expect.stringContaining("churn/3/model.onnx") }),
    );
  });

  test("a file cut short anywhere, unless what is left is still a graph", () => {
    const whole = zoo("zipmap-int64");
    for (let length = 0; length < whole.length; length++) {
      try {
        withoutZipMap(whole.subarray(0, length), "m");
      } catch (thrown) {
        expect(thrown).toMatchObject({ code: "MODEL_FILE_INVALID" });
      }
    }
  });
});
