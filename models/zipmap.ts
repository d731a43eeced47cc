/**
 * Takes ZipMap out of a graph. skl2onnx and onnxmltools end a classifier with this operator by default: it turns the
 * probabilities tensor [N, classes] into a sequence of N maps from class label to probability, which the runtime's
 * Node binding can't return. It computes nothing, so each ZipMap node becomes an Identity under the same output name,
 * and the class labels, which it alone would have shown, are handed back beside the bytes.
 *
 * The rest of the model is not understood here and survives as unknown fields (see onnx-subset.proto).
 */

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { HeadgateError, reasonOf } from "../errors.ts";
import { canonicalInteger } from "../features/field.ts";
import {
  AttributeProtoSchema,
  type GraphProto,
  type ModelProto,
  ModelProtoSchema,
  type NodeProto,
  OperatorSetIdProtoSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
} from "./onnx_pb.ts";

/** The labels of a classifier's columns, in order. */
export type ClassLabels = readonly (number | bigint | string)[];

/** A model without ZipMap. */
export interface ZipMapFree {
  /** The very bytes given when there was nothing to take out. */
  readonly bytes: Uint8Array;
  /** By ONNX output; absent when there was nothing to take out. */
  readonly classLabels?: Readonly<Record<string, ClassLabels>>;
}

/** TensorProto.DataType.FLOAT: the one type that ZipMap takes (onnx, docs/Operators-ml.md). */
const FLOAT = 1;

/** Identity is in every operator set since the first; this one is the oldest that the runtime's releases vouch for. */
const IDENTITY_OPSET = 7n;

/**
 * Rewrites a model so that outputs which were ZipMap's become the probabilities tensor under the same name.
 * Throws MODEL_FILE_INVALID when the bytes are not an ONNX model; `file` names them in the message.
 */
export function withoutZipMap(bytes: Uint8Array, file: string): ZipMapFree {
  const model = parseModel(bytes, file);
  const graph = model.graph!;
  if (!graph.node.some(isZipMap)) return { bytes };
  const labelsOf = replaceZipMaps(graph);
  const classLabels: Record<string, ClassLabels> = {};
  for (const output of graph.output) {
    const labels = labelsOf.get(output.name ?? "");
    if (labels === undefined) continue;
    output.type = floatTensor();
    classLabels[output.name!] = labels;
  }
  if (!model.opsetImport.some((opset) => (opset.domain ?? "") === "")) {
    model.opsetImport.push(create(OperatorSetIdProtoSchema, { domain: "", version: IDENTITY_OPSET }));
  }
  return { bytes: toBinary(ModelProtoSchema, model), classLabels: Object.freeze(classLabels) };
}

function parseModel(bytes: Uint8Array, file: string): ModelProto {
  let model: ModelProto;
  try {
    model = fromBinary(ModelProtoSchema, bytes);
  } catch (thrown) {
    throw new HeadgateError(
      "MODEL_FILE_INVALID",
      `${file} is not an ONNX model or is cut short (${reasonOf(thrown)}); export or upload it again.`,
      thrown,
    );
  }
  if (model.graph !== undefined) return model;
  throw new HeadgateError("MODEL_FILE_INVALID", `${file} holds no ONNX graph; export or upload it again.`);
}

/** Makes every ZipMap an Identity; returns the labels by the name of its output. */
function replaceZipMaps(graph: GraphProto): Map<string, ClassLabels> {
  const labelsOf = new Map<string, ClassLabels>();
  for (const node of graph.node) {
    if (!isZipMap(node)) continue;
    labelsOf.set(node.output[0] ?? "", labelsOfZipMap(node));
    node.opType = "Identity";
    node.domain = "";
    node.attribute = [];
  }
  return labelsOf;
}

const isZipMap = (node: NodeProto): boolean => node.opType === "ZipMap" && node.domain === "ai.onnx.ml";

function labelsOfZipMap(node: NodeProto): ClassLabels {
  const attributes = node.attribute.map((bytes) => fromBinary(AttributeProtoSchema, bytes));
  const texts = attributes.find(({ name }) => name === "classlabels_strings")?.strings ?? [];
  if (texts.length > 0) return Object.freeze(texts.map((text) => new TextDecoder().decode(text)));
  const integers = attributes.find(({ name }) => name === "classlabels_int64s")?.ints ?? [];
  return Object.freeze(integers.map(canonicalInteger));
}

/** Without a shape: exporters' declared shapes are not to be trusted, and the runtime infers it. */
function floatTensor() {
  return create(TypeProtoSchema, {
    value: { case: "tensorType", value: create(TypeProto_TensorSchema, { elemType: FLOAT }) },
  });
}
