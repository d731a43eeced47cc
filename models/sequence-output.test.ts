import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import {
  GraphProtoSchema,
  NodeProtoSchema,
  TypeProto_SequenceSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  ValueInfoProtoSchema,
} from "./onnx_pb.ts";
import { splitSequences } from "./sequence-output.ts";

const INT64 = 7;
const tensor = create(TypeProtoSchema, {
  value: { case: "tensorType", value: create(TypeProto_TensorSchema, { elemType: INT64 }) },
});
const sequence = create(TypeProtoSchema, {
  value: { case: "sequenceType", value: create(TypeProto_SequenceSchema, { elemType: tensor }) },
});
const node = (opType: string, input: string[], output: string[]) => create(NodeProtoSchema, { opType, input, output });

function graphOf(outputs: string[], ...nodes: ReturnType<typeof node>[]) {
  const output = outputs.map((name) => create(ValueInfoProtoSchema, { name, type: sequence }));
  return create(GraphProtoSchema, { node: nodes, output });
}

test("each element becomes an output where the sequence was, of the element's type", () => {
  const graph = graphOf(["label", "all", "last"], node("SequenceConstruct", ["a", "b", "a"], ["all"]));
  expect(splitSequences(graph)).toBe(true);
  expect(graph.output.map(({ name }) => name)).toEqual(["label", "all_0", "all_1", "all_2", "last"]);
  expect(graph.output[1]!.type).toEqual(tensor);
  expect(graph.node.slice(1).map(({ opType, input, output }) => [opType, input, output])).toEqual([
    ["Identity", ["a"], ["all_0"]],
    ["Identity", ["b"], ["all_1"]],
    ["Identity", ["a"], ["all_2"]],
  ]);
});

describe("left as it is", () => {
  test.each([
    ["a sequence that nothing was put together for", graphOf(["all"], node("SplitToSequence", ["a"], ["all"]))],
    ["a sequence that is no output", graphOf(["label"], node("SequenceConstruct", ["a"], ["all"]))],
    [
      "one whose elements would take another's name",
      graphOf(["all", "all_0"], node("SequenceConstruct", ["a"], ["all"])),
    ],
  ])("%s", (_, graph) => {
    const before = structuredClone(graph.output.map(({ name }) => name));
    expect(splitSequences(graph)).toBe(false);
    expect(graph.output.map(({ name }) => name)).toEqual(before);
    expect(graph.node).toHaveLength(1);
  });
});
