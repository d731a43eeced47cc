/**
 * Takes sequences out of a graph's outputs. An estimator of several outputs (scikit-learn's MultiOutputClassifier, a
 * forest over several targets) is exported with its probabilities as a sequence of tensors, one a target, which the
 * runtime's Node binding can't return. The sequence is only put together from tensors that are there, so these become
 * outputs themselves: "probabilities" of two becomes "probabilities_0" and "probabilities_1".
 */

import { create } from "@bufbuild/protobuf";
import {
  type GraphProto,
  type NodeProto,
  NodeProtoSchema,
  type TypeProto,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from "./onnx_pb.ts";

/**
 * Replaces each output that a SequenceConstruct makes by one output for each of its elements, named by position.
 * Returns whether there was one. A sequence made otherwise, or whose elements would take another output's name, stays.
 */
export function splitSequences(graph: GraphProto): boolean {
  let split = false;
  for (const output of [...graph.output]) {
    const names = constructOf(graph, output)?.input.map((_, i) => `${output.name}_${i}`);
    if (names === undefined || !areFree(graph, names)) continue;
    splitOutput(graph, output, names);
    split = true;
  }
  return split;
}

/** The sequence itself stays where other nodes read it; unread, the runtime drops it. */
function splitOutput(graph: GraphProto, output: ValueInfoProto, names: readonly string[]): void {
  const type = elementTypeOf(output);
  const declared = names.map((name) => create(ValueInfoProtoSchema, type === undefined ? { name } : { name, type }));
  graph.output.splice(graph.output.indexOf(output), 1, ...declared);
  const elements = constructOf(graph, output)!.input;
  for (const [i, name] of names.entries()) {
    graph.node.push(create(NodeProtoSchema, { opType: "Identity", input: [elements[i]!], output: [name] }));
  }
}

function areFree(graph: GraphProto, names: readonly string[]): boolean {
  const taken = new Set([...graph.output.map(({ name }) => name), ...graph.node.flatMap(({ output }) => output)]);
  return !names.some((name) => taken.has(name));
}

function constructOf(graph: GraphProto, { name }: ValueInfoProto): NodeProto | undefined {
  return graph.node.find(
    ({ opType, domain, output }) => opType === "SequenceConstruct" && domain === "" && output[0] === name,
  );
}

/** As declared, without a shape: exporters' are not to be trusted, and the runtime infers it. */
function elementTypeOf({ type }: ValueInfoProto): TypeProto | undefined {
  return type?.value.case === "sequenceType" ? type.value.value.elemType : undefined;
}
