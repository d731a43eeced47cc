/**
 * The answer of an infer: a model's outputs under their ONNX names, as JSON or as bytes after it, each as the client asks.
 * A row's value says the axes after the batch itself; only whether one number a row is [N] or [N, 1] is the graph's to say.
 */

import { excerpt, HeadgateError } from "../../errors.ts";
import { encodeFloat16 } from "../../models/float16.ts";
import type { OutputValue } from "../../models/tensor.ts";
import type { TensorElements } from "../../models/tensor-row.ts";
import type { HttpAnswer } from "../http-answer.ts";
import { writeBinary } from "./binary-tensor.ts";
import { type Datatype, refused } from "./datatype.ts";
import { type InferPlan, type OutputPort, quoted } from "./infer-plan.ts";
import type { InferRequest } from "./infer-request.ts";
import { writeJsonTensor } from "./json-tensor.ts";

/** An output that is to be answered, and how. */
export interface AnsweredOutput {
  readonly port: OutputPort;
  readonly isBinary: boolean;
}

/** What the outputs of a request are, row by row. */
export interface Answered {
  readonly model: string;
  readonly version: number;
  /** The version of each row, where they are not the same. */
  readonly versions: readonly number[] | undefined;
  readonly rows: number;
  /** The value of an output for a row. */
  readonly outputAt: (port: OutputPort, row: number) => OutputValue;
}

/** The outputs that a request asks for, or all. Throws REQUEST_INVALID for one that the model does not have. */
export function wantedOutputs({ joined, outputs }: InferPlan, request: InferRequest): readonly AnsweredOutput[] {
  if (request.outputs === undefined) {
    return [...outputs.values()].map((port) => ({ port, isBinary: request.isBinary }));
  }
  return request.outputs.map(({ isBinary, name }) => {
    const port = outputs.get(name);
    if (port !== undefined) return { port, isBinary };
    throw refused(`Model "${joined.model.name}" has no output "${excerpt(name)}"; it has ${quoted(outputs)}.`);
  });
}

/** Writes the answer. Throws MODEL_FAILED when the rows of an output are not of one shape. */
export function inferAnswer(
  answered: Answered,
  outputs: readonly AnsweredOutput[],
  id: string | undefined,
  requestId: string,
): HttpAnswer<string | Uint8Array> {
  const tensors: Uint8Array[] = [];
  let described = "";
  for (const { isBinary, port } of outputs) {
    const { elements, shape } = tensorOf(port, answered);
    const separator = described === "" ? "" : ",";
    described += `${separator}${port.head}${shape.join(",")}],`;
    if (isBinary) {
      const bytes = writeBinary(port.datatype, elements);
      tensors.push(bytes);
      described += `"parameters":{"binary_data_size":${bytes.length}}}`;
    } else described += `"data":${writeJsonTensor(port.datatype, elements)}}`;
  }
  const json = `${headOf(answered, id)}"outputs":[${described}]}`;
  if (tensors.length === 0) {
    return { status: 200, headers: ["content-type", "application/json", "x-request-id", requestId], body: json };
  }
  const head = Buffer.from(json);
  const headers = ["content-type", "application/octet-stream", "x-request-id", requestId];
  headers.push("inference-header-content-length", String(head.length));
  return { status: 200, headers, body: Buffer.concat([head, ...tensors]) };
}

function headOf({ model, version, versions }: Answered, id: string | undefined): string {
  const echo = id === undefined ? "" : `"id":${JSON.stringify(id)},`;
  const mixed = versions === undefined ? "" : `"parameters":{"model_versions":"${versions.join(",")}"},`;
  return `{"model_name":${JSON.stringify(model)},"model_version":"${version}",${echo}${mixed}`;
}

function tensorOf(port: OutputPort, { rows, outputAt }: Answered) {
  const { datatype } = port;
  const axes = axesOf(port, outputAt(port, 0));
  const count = axes.reduce((product, size) => product * size, 1);
  const elements = datatype.array === undefined ? [] : (new datatype.array(rows * count) as TensorElements);
  const put = PUT[datatype.type] ?? putAsIs;
  for (let row = 0, at = 0; row < rows; row++) {
    const end = lay(outputAt(port, row), axes, 0, elements, at, put);
    if (end !== at + count) throw wrongRow(port);
    at = end;
  }
  return { elements: elements as TensorElements, shape: [rows, ...axes] };
}

/** Of a row, after the batch. */
function axesOf({ shape }: OutputPort, value: OutputValue): readonly number[] {
  if (!Array.isArray(value)) return shape.length > 1 ? [1] : [];
  const axes: number[] = [];
  for (let inner: OutputValue | undefined = value; Array.isArray(inner); inner = inner[0]) axes.push(inner.length);
  return axes;
}

type Put = (element: OutputValue) => number | bigint | string;

const putAsIs: Put = (element) => element as number | string;
const PUT: Partial<Record<Datatype["type"], Put>> = {
  bool: Number,
  int64: (element) => BigInt(element as number | bigint),
  uint64: (element) => BigInt(element as number | bigint),
  float16: (element) => encodeFloat16(element as number),
};

/** Lays a value's elements down from `at` on; where they end, or -1 for a value that is not of the axes. */
function lay(
  value: OutputValue,
  axes: readonly number[],
  depth: number,
  into: TensorElements,
  at: number,
  put: Put,
): number {
  if (!Array.isArray(value)) {
    into[at] = put(value);
    return at + 1;
  }
  if (value.length !== axes[depth]) return -1;
  let end = at;
  for (let i = 0; i < value.length && end >= 0; i++) end = lay(value[i], axes, depth + 1, into, end, put);
  return end;
}

function wrongRow({ name }: OutputPort): HeadgateError {
  return new HeadgateError(
    "MODEL_FAILED",
    `The rows of output "${name}" are not of one shape, so they are no tensor; ask POST /predict for them.`,
  );
}
