/** What Triton's client sends for the churn example's model by default: the rows as one binary tensor after its JSON. */

import type { DrawId } from "./statistics.ts";

/** Where it is sent. */
export const INFER_PATH = "/v2/models/churn/infer";

/** A request as autocannon takes it. */
export interface InferRequest {
  readonly body: Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

/** One request for so many rows, which differ with the ids that are drawn. */
export function inferRequest(rows: number, draw: DrawId): InferRequest {
  const values = Array.from({ length: rows }, () => {
    const id = draw();
    return [id % 40, (id % 977) / 7, (id % 101) / 101, (id % 307) / 10];
  });
  const tensor = Buffer.from(new Float32Array(values.flat()).buffer);
  const input = { name: "input", shape: [rows, 4], datatype: "FP32", parameters: { binary_data_size: tensor.length } };
  const json = Buffer.from(JSON.stringify({ inputs: [input], parameters: { binary_data_output: true } }));
  const headers = { "inference-header-content-length": String(json.length) };
  return { body: Buffer.concat([json, tensor]), headers };
}
