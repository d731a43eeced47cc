/**
 * Schemas of the OpenAPI document: the protocol's answers (kserve/open-inference-protocol, inference_rest.md) with what
 * Triton's extensions add to them.
 */

import { COUNT, FLAG, type JsonObject, list, ref, TEXT, TEXTS, VERSION, whole } from "../openapi/json-schema.ts";

const SHAPE: JsonObject = { ...list({ type: "integer" }), description: "The batch first; -1: any size." };
const TENSOR_MEMBERS: JsonObject = { name: TEXT, datatype: TEXT, shape: SHAPE };
const TENSOR: JsonObject = whole(TENSOR_MEMBERS);

const PORT: JsonObject = whole(
  { name: TEXT, data_type: TEXT, dims: SHAPE },
  { reshape: whole({ shape: list({ type: "integer" }) }) },
);

const MODEL_CONFIG: JsonObject = whole({
  name: TEXT,
  platform: TEXT,
  backend: TEXT,
  version_policy: whole({ specific: whole({ versions: list(VERSION) }) }),
  max_batch_size: COUNT,
  input: list(PORT),
  output: list(PORT),
  dynamic_batching: whole({ max_queue_delay_microseconds: COUNT }),
  instance_group: list(whole({ name: TEXT, kind: TEXT, count: COUNT })),
  default_model_filename: TEXT,
});

const DURATION = ref("InferDuration");

const MODEL_STATISTICS: JsonObject = whole({
  model_stats: list(
    whole({
      name: TEXT,
      version: TEXT,
      last_inference: { ...COUNT, description: "Epoch ms; 0: none yet." },
      inference_count: { ...COUNT, description: "Rows." },
      execution_count: { ...COUNT, description: "Runs." },
      inference_stats: whole({
        success: DURATION,
        fail: DURATION,
        queue: DURATION,
        compute_input: DURATION,
        compute_infer: DURATION,
        compute_output: DURATION,
        cache_hit: DURATION,
        cache_miss: DURATION,
      }),
      batch_stats: list({}),
    }),
  ),
});

const INFER_RESPONSE: JsonObject = whole(
  {
    model_name: TEXT,
    model_version: TEXT,
    outputs: list(
      whole(TENSOR_MEMBERS, {
        data: { ...list({}), description: "Its elements, flat." },
        parameters: whole({ binary_data_size: COUNT }),
      }),
    ),
  },
  {
    id: TEXT,
    parameters: {
      ...whole({ model_versions: TEXT }),
      description: "The version of each row, where a canary answered some.",
    },
  },
);

/** By name in the document's components. */
export const INFERENCE_SCHEMAS: JsonObject = {
  ServerMetadata: whole({ name: TEXT, version: TEXT, extensions: TEXTS }),
  ServerLive: whole({ live: FLAG }),
  ServerReady: whole({ ready: FLAG }, { error: TEXT }),
  ModelNames: whole({ models: TEXTS }),
  ModelMetadata: whole({
    name: TEXT,
    versions: TEXTS,
    platform: TEXT,
    inputs: list(TENSOR),
    outputs: list(TENSOR),
    feature_service: TEXT,
    joined_inputs: {
      ...list(whole({ ...TENSOR_MEMBERS, kind: { enum: ["join_key", "request_feature"] } })),
      description: "By what its features are looked up.",
    },
  }),
  ModelReady: whole({ name: TEXT, ready: FLAG }),
  ModelConfig: MODEL_CONFIG,
  InferDuration: whole({ count: COUNT, ns: COUNT }),
  ModelStatistics: MODEL_STATISTICS,
  InferResponse: INFER_RESPONSE,
  RepositoryIndex: list(whole({ name: TEXT, state: ref("ModelState"), reason: TEXT }, { version: TEXT })),
  ModelLoaded: whole({ name: TEXT, load: { const: true } }),
  InferRefusal: whole({ error: { ...TEXT, description: "What is wrong, in a sentence." } }),
};
