/**
 * A version as infer sees it, compiled once: its tensors by name (the graph's inputs, and the join keys and request
 * features of its service) and its outputs, so that a request is told apart and checked by looking up its inputs.
 */

import { excerpt } from "../../errors.ts";
import type { FieldType, ScalarKind } from "../../features/field.ts";
import type { InputPlan, OutputPlan, TensorType } from "../../models/signature.ts";
import type { JoinedModel } from "../joined-model.ts";
import { type Datatype, datatypeOf, refused } from "./datatype.ts";
import type { InferInput } from "./infer-request.ts";
import { InferStatistics } from "./infer-statistics.ts";

/** An input of the graph. */
export interface RawInput extends InputPlan {
  readonly datatype: Datatype;
  /** Where it is in the signature. */
  readonly position: number;
}

/** A join key or a request feature of the version's service. */
export interface EntityInput {
  readonly name: string;
  readonly type: FieldType;
  readonly isJoinKey: boolean;
  /** As metadata tells it; other datatypes that hold the same values are taken as well. */
  readonly datatype: Datatype;
}

/** An output of the graph that the manifest maps. */
export interface OutputPort {
  readonly name: string;
  /** What the manifest maps it to. */
  readonly member: string;
  /** Where it is among the answers of a run. */
  readonly position: number;
  readonly datatype: Datatype;
  /** As the graph declares it, or as its classes are many, the batch first; empty where neither says anything. */
  readonly shape: readonly (number | string)[];
  /** Its name and datatype, as an answer's JSON begins with them. */
  readonly head: string;
}

/** A compiled version. */
export interface InferPlan {
  readonly joined: JoinedModel;
  readonly rawInputs: ReadonlyMap<string, RawInput>;
  readonly entityInputs: ReadonlyMap<string, EntityInput>;
  /** By ONNX name, in the manifest's order. */
  readonly outputs: ReadonlyMap<string, OutputPort>;
  /** The same by what the manifest calls them, which versions share. */
  readonly members: ReadonlyMap<string, OutputPort>;
  readonly statistics: InferStatistics;
}

/** Compiles versions, each once. */
export function createInferPlans(): (joined: JoinedModel) => InferPlan {
  const plans = new WeakMap<JoinedModel, InferPlan>();
  return (joined) => {
    let plan = plans.get(joined);
    if (plan === undefined) {
      plan = compilePlan(joined);
      plans.set(joined, plan);
    }
    return plan;
  };
}

function compilePlan(joined: JoinedModel): InferPlan {
  const { classLabels, graph, signature } = joined.model;
  const { joinKeys, requestFields } = joined.reader.plan;
  const entityInput = (name: string, type: FieldType, isJoinKey: boolean): [string, EntityInput] => [
    name,
    { name, type, isJoinKey, datatype: entityDatatype(type) },
  ];
  const shapes = new Map(graph.outputs.map(({ name, shape }) => [name, shape]));
  const shapeOf = ({ name, output }: OutputPlan) => {
    const labels = classLabels[name]?.length;
    const declared = shapes.get(output) ?? [];
    return declared.length === 0 && labels !== undefined ? [-1, labels] : declared;
  };
  const outputPort = (plan: OutputPlan, position: number): OutputPort => {
    const datatype = datatypeOf(plan.type);
    const head = `{"name":${JSON.stringify(plan.output)},"datatype":"${datatype.name}","shape":[`;
    return { name: plan.output, member: plan.name, position, datatype, shape: shapeOf(plan), head };
  };
  const ports = signature.outputs.map(outputPort);
  return Object.freeze({
    joined,
    rawInputs: new Map(
      signature.inputs.map((input, position) => [
        input.input,
        { ...input, position, datatype: datatypeOf(input.type) },
      ]),
    ),
    entityInputs: new Map([
      ...requestFields.map(({ name, type }) => entityInput(name, type, false)),
      ...Object.entries(joinKeys).map(([name, type]) => entityInput(name, type, true)),
    ]),
    outputs: new Map(ports.map((port) => [port.name, port])),
    members: new Map(ports.map((port) => [port.member, port])),
    statistics: new InferStatistics(),
  });
}

/** The datatype that a join key or a request feature is told to have. */
export const entityDatatype = ({ kind }: FieldType): Datatype => datatypeOf(TENSOR_OF[kind]);

/** Bytes are base64 and timestamps RFC 3339 in a text, as in JSON. */
const TENSOR_OF: Readonly<Record<ScalarKind, TensorType>> = {
  int32: "int32",
  int64: "int64",
  float32: "float32",
  float64: "float64",
  string: "string",
  bool: "bool",
  bytes: "string",
  timestamp: "string",
};

/**
 * Whether the inputs are the graph's tensors; else they are entities. A name that is both is the graph's, unless others
 * are with it that are not. Throws REQUEST_INVALID for an input that is neither, and for some of each.
 */
export function isOfTensors({ entityInputs, joined, rawInputs }: InferPlan, inputs: readonly InferInput[]): boolean {
  let raw = 0;
  let entity = 0;
  for (const { name } of inputs) {
    const [isRaw, isEntity] = [rawInputs.has(name), entityInputs.has(name)];
    if (!isRaw && !isEntity) throw unknownInput(joined, name, rawInputs, entityInputs);
    if (isRaw) raw++;
    if (isEntity) entity++;
  }
  if (raw === inputs.length) return true;
  if (entity === inputs.length) return false;
  throw refused(
    `The inputs are of two kinds: ${quoted(rawInputs)} are the graph's tensors, ${quoted(entityInputs)} are what features are looked up by; send all of one kind.`,
  );
}

function unknownInput(
  { model, reader }: JoinedModel,
  name: string,
  rawInputs: ReadonlyMap<string, unknown>,
  entityInputs: ReadonlyMap<string, unknown>,
) {
  const joins =
    entityInputs.size === 0 ? "" : `, or ${quoted(entityInputs)} of feature service "${reader.plan.service}"`;
  return refused(
    `Model "${model.name}" has no input "${excerpt(name)}"; send its tensors ${quoted(rawInputs)}${joins}.`,
  );
}

/** Names for a sentence. */
export const quoted = (named: ReadonlyMap<string, unknown>): string =>
  [...named.keys()].map((name) => `"${name}"`).join(", ");
