/** A request's tensors as rows of the model: checked against the graph, copied once, and ready for the batcher. */

import { HeadgateError } from "../../errors.ts";
import { type TensorElements, type TensorRow, tensorRows } from "../../models/tensor-row.ts";
import { refused } from "./datatype.ts";
import { type InferPlan, quoted, type RawInput } from "./infer-plan.ts";
import type { InferBody, InferInput } from "./infer-request.ts";

/**
 * The rows of a request whose inputs are all the graph's. Throws REQUEST_INVALID naming the input whose datatype, shape
 * or bytes are not the graph's, and TOO_MANY_ENTITIES for more than `maxRows`.
 */
export function rawRows(
  { rawInputs }: InferPlan,
  { request: { inputs }, binary }: InferBody,
  maxRows: number,
): readonly TensorRow[] {
  if (inputs.length !== rawInputs.size) throw refused(`The model takes ${quoted(rawInputs)}; send all of them.`);
  const [first] = inputs;
  const count = first!.shape[0] ?? 0;
  const tensors = new Array<TensorElements>(rawInputs.size);
  for (const input of inputs) checkInput(input, rawInputs.get(input.name)!, first!);
  checkRows(count, maxRows);
  for (const input of inputs) tensors[rawInputs.get(input.name)!.position] = input.read(binary);
  return tensorRows(tensors, count);
}

/** Throws for no rows, and for more than one request may have. */
export function checkRows(count: number, maxRows: number): void {
  if (count === 0) throw refused("The inputs have no row; the first axis of a shape is the batch, of at least 1.");
  if (count <= maxRows) return;
  throw new HeadgateError(
    "TOO_MANY_ENTITIES",
    `The request has ${count} rows; the most is ${maxRows} (maxEntities). Send them in several requests.`,
  );
}

function checkInput({ datatype, name, shape }: InferInput, plan: RawInput, first: InferInput): void {
  const { rowShape } = plan;
  if (datatype !== plan.datatype) {
    throw refused(`Input "${name}" is ${plan.datatype.name} in the model, but the request sends ${datatype.name}.`);
  }
  let isShape = shape.length === rowShape.length + 1;
  for (let i = 0; i < rowShape.length; i++) if (shape[i + 1] !== rowShape[i]) isShape = false;
  if (!isShape) {
    throw refused(
      `Input "${name}" has the shape [${["-1", ...rowShape].join(", ")}] in the model, but the request sends [${shape.join(", ")}].`,
    );
  }
  if (shape[0] !== first.shape[0]) {
    throw refused(`Input "${name}" has ${shape[0]} rows, but input "${first.name}" has ${first.shape[0]}.`);
  }
}
