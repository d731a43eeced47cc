/**
 * What a version says of itself: the protocol's metadata, and Triton's model configuration. Inputs are the graph's, as
 * stock clients expect; by which tensors features are looked up is told beside them, in a member of its own that other
 * clients do not look at.
 */

import type { JsonValue } from "../../features/json-value.ts";
import type { ServedModel } from "../../models/lifecycle.ts";
import type { Datatype } from "./datatype.ts";
import type { InferPlan, OutputPort } from "./infer-plan.ts";

/** The version's metadata (inference_rest.md, "Model Metadata"). */
export function modelMetadata(served: ServedModel, { entityInputs, joined, outputs, rawInputs }: InferPlan): JsonValue {
  return {
    name: served.name,
    versions: readyVersions(served),
    platform: "onnx_onnxv1",
    inputs: [...rawInputs.values()].map(({ datatype, input, rowShape }) => tensor(input, datatype, rowShape)),
    outputs: [...outputs.values()].map((port) => tensor(port.name, port.datatype, rowAxes(port))),
    feature_service: joined.model.manifest.service,
    joined_inputs: [...entityInputs.values()].map(({ datatype, isJoinKey, name, type }) => ({
      ...tensor(name, datatype, type.list ? [-1] : []),
      kind: isJoinKey ? "join_key" : "request_feature",
    })),
  };
}

/** The version's configuration (extension_model_configuration.md); shapes there are without the batch. */
export function modelConfig(
  served: ServedModel,
  { joined, outputs, rawInputs }: InferPlan,
  maxRows: number,
): JsonValue {
  const { manifest, placement, version } = joined.model;
  // Triton knows no dims without an axis: one value a row is [1] to it, and reshaped.
  const port = (name: string, { configName }: Datatype, dims: readonly number[]): JsonValue => ({
    name,
    data_type: configName,
    ...(dims.length === 0 ? { dims: [1], reshape: { shape: [] } } : { dims }),
  });
  return {
    name: served.name,
    platform: "onnxruntime_onnx",
    backend: "onnxruntime",
    version_policy: { specific: { versions: [version] } },
    max_batch_size: maxRows,
    input: [...rawInputs.values()].map(({ datatype, input, rowShape }) => port(input, datatype, rowShape)),
    output: [...outputs.values()].map((output) => port(output.name, output.datatype, rowAxes(output))),
    dynamic_batching: { max_queue_delay_microseconds: manifest.maxDelayUs },
    instance_group: [{ name: served.name, kind: "KIND_CPU", count: placement === "inline" ? 1 : manifest.threads }],
    default_model_filename: "model.onnx",
  };
}

/** Ready versions, newest first. */
function readyVersions({ ready }: ServedModel): readonly string[] {
  return [...ready.keys()].sort((a, b) => b - a).map(String);
}

function tensor(name: string, { name: datatype }: Datatype, rowShape: readonly number[]) {
  return { name, datatype, shape: [-1, ...rowShape] };
}

/** As the graph declares them, after the batch; -1 for those that it leaves open. */
function rowAxes({ shape }: OutputPort): readonly number[] {
  return shape.slice(1).map((size) => (typeof size === "number" ? size : -1));
}
