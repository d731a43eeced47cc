/**
 * Takes ZipMap out of a graph. skl2onnx, onnxmltools and CatBoost end a classifier with this operator by default: it
 * turns the probabilities tensor [N, classes] into a sequence of N maps from class label to probability, which the
 * runtime's Node binding can't return. It computes nothing, so each ZipMap node becomes an Identity under the same
 * output name, and the class labels, which it alone would have shown, are handed back. Nothing but an output of the
 * graph can take its maps: no operator of ONNX reads a sequence of maps.
 */

import { create, fromBinary } from "@bufbuild/protobuf";
import { canonicalInteger } from "../features/field.ts";
import {
  AttributeProtoSchema,
  type GraphProto,
  type NodeProto,
  TypeProto_TensorSchema,
  TypeProtoSchema,
} from "./onnx_pb.ts";

/** The labels of a classifier's columns, in order. */
export type ClassLabels = readonly (number | bigint | string)[];

/** TensorProto.DataType.FLOAT: the one type that ZipMap takes (onnx, docs/Operators-ml.md). */
const FLOAT = 1;

/**
 * Makes every ZipMap of a graph an Identity, and the outputs that were its maps the probabilities tensor under the
 * same name. Returns the class labels by ONNX output, or undefined when the graph has no ZipMap and is as it was.
 */
export function replaceZipMaps(graph: GraphProto): Record<string, ClassLabels> | undefined {
  if (!graph.node.some(isZipMap)) return undefined;
  const labelsOf = labelsByOutput(graph);
  const classLabels: Record<string, ClassLabels> = {};
  for (const output of graph.output) {
    const labels = labelsOf.get(output.name ?? "");
    if (labels === undefined) continue;
    output.type = floatTensor();
    classLabels[output.name!] = labels;
  }
  return classLabels;
}

/** Makes every ZipMap an Identity; returns the labels by the name of its output. */
function labelsByOutput(graph: GraphProto): Map<string, ClassLabels> {
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
