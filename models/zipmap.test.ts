import { readFileSync } from "node:fs";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { InferenceSession } from "onnxruntime-node";
import { expect, test } from "vitest";
import { ZOO } from "./fixtures/zoo.ts";
import { AttributeProtoSchema, ModelProtoSchema, NodeProtoSchema } from "./onnx_pb.ts";
import { readOnnxFile } from "./onnx-file.ts";

const zoo = (name: string) => new Uint8Array(readFileSync(`${ZOO}/${name}/1/model.onnx`));

test.each([
  ["zipmap-int64", "output_probability", [0, 1]],
  ["zipmap-string", "output_probability", ["bronze", "gold", "silver"]],
  ["lightgbm", "probabilities", [0, 1]],
  ["zipmap-ml-only", "Z", [10, 20, 2n ** 60n]],
])("%s gives a tensor under the same name, and its labels", async (name, output, labels) => {
  const { bytes, classLabels } = readOnnxFile(zoo(name), name);
  expect(classLabels).toEqual({ [output]: labels });
  const session = await InferenceSession.create(bytes, { logSeverityLevel: 3 });
  const port = session.outputMetadata.find((metadata) => metadata.name === output)!;
  expect(port).toMatchObject({ isTensor: true, type: "float32" });
  // Without the operator there is nothing left to take out.
  expect(readOnnxFile(bytes, name).bytes).toBe(bytes);
});

test("a model without ZipMap is handed back as it is", () => {
  const bytes = zoo("regressor");
  expect(readOnnxFile(bytes, "m")).toEqual({ bytes, classLabels: {}, weightFiles: [] });
  expect(readOnnxFile(bytes, "m").bytes).toBe(bytes);
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
  const { classLabels } = readOnnxFile(toBinary(ModelProtoSchema, model), "m");
  expect(classLabels).toEqual({ output_probability: [0, 1], second: ["nein", "já"] });
});
