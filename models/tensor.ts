/**
 * Feature rows into tensors and tensors into answers, by the plans of signature.ts. This is the hot path: each plan is
 * turned into a loop over one typed array when the model is loaded, and a batch only runs the loops.
 *
 * A null becomes NaN in a float tensor. Whether it may is the manifest's missing policy, applied by the caller before
 * the row comes here; other tensors have no room for it and refuse.
 *
 * What a row's answer looks like: one value for [N] and [N, 1], a list for [N, k], nested lists beyond. A float32 is
 * its exact double, an int64 a number up to 2^53 − 1 and a bigint beyond; NaN and infinities stay numbers, and how
 * they are written is for whoever writes JSON.
 */

import { Tensor } from "onnxruntime-node";
import { HeadgateError } from "../errors.ts";
import { canonicalInteger, type FeatureValue } from "../features/field.ts";
import { decodeFloat16, encodeFloat16 } from "./float16.ts";
import type { InputPlan, OutputPlan, TensorType } from "./signature.ts";
import { type NumberArray, type TensorElements, TensorRow } from "./tensor-row.ts";

/** The features of one entity in the service's order; what follows them is not looked at. */
export type FeatureRow = readonly FeatureValue[];

/** A row that a run is fed: features, or what a client has laid out as tensors itself (tensor-row.ts). */
export type FedRow = FeatureRow | TensorRow;

/** What one output answers for one row. */
export type OutputValue = number | bigint | string | boolean | readonly OutputValue[];

/** The answers of a run: `outputs[i][row]`, outputs in the manifest's order. */
export interface RunResult {
  readonly outputs: readonly (readonly OutputValue[])[];
  /** How long the run itself took, ms, where it was elsewhere; undefined: as long as its caller waited after its rows were taken. */
  readonly runMs?: number;
}

/** What a run is fed, by ONNX input. */
export type Feeds = Record<string, Tensor>;

/** A tensor's parts, as they go to another process and come back. */
export type TensorParts = Pick<Tensor, "type" | "dims" | "data">;

/** Compiles the filling of all inputs. The result throws FEATURES_MISSING or SIGNATURE_MISMATCH naming the feature. */
export function compileFeeds(inputs: readonly InputPlan[]): (rows: readonly FedRow[]) => Feeds {
  const fillers = inputs.map((plan, i) => ({ plan, fill: compileFill(plan), fillMixed: compileMixedFill(plan, i) }));
  return (rows) => {
    const feeds: Feeds = {};
    const areFeatures = hasFeaturesOnly(rows);
    for (const { fill, fillMixed, plan } of fillers) {
      const elements = areFeatures ? fill(rows) : fillMixed(rows);
      feeds[plan.input] = tensorOf(plan.type, elements, [rows.length, ...plan.rowShape]);
    }
    return feeds;
  };
}

function hasFeaturesOnly(rows: readonly FedRow[]): rows is readonly FeatureRow[] {
  for (let i = 0; i < rows.length; i++) if (!Array.isArray(rows[i])) return false;
  return true;
}

/** The tensor of these elements. */
export function tensorOf(type: Tensor["type"], elements: TensorData, dims: readonly number[]): Tensor {
  if (type !== "float16") return new Tensor(type, elements, dims);
  // From Node 24 on Tensor makes a Float16Array of the bits, and the native side of 1.30 then reads no element at all.
  return Object.assign(new Tensor("uint16", elements as Uint16Array, dims), { type });
}

/**
 * Reads an output of a run over `rowCount` rows: one value per row, by the shape that came, for declared ones lie.
 * Throws MODEL_FAILED when its first axis is not the rows.
 */
export function readOutput(
  plan: OutputPlan,
  tensor: Omit<TensorParts, "type">,
  rowCount: number,
): readonly OutputValue[] {
  const axes = axesOfRow(plan, tensor.dims, rowCount);
  const values = compileElements(plan.type, tensor.data as Elements);
  if (axes.length === 0 || (axes.length === 1 && axes[0] === 1)) return take(values, 0, rowCount);
  const rowLength = axes.reduce((product, size) => product * size, 1);
  return Array.from({ length: rowCount }, (_, row) => nest(values, row * rowLength, axes));
}

function axesOfRow(plan: OutputPlan, dims: readonly number[], rowCount: number): readonly number[] {
  if (dims[0] === rowCount) return dims.slice(1);
  // A graph may squeeze the batch axis out of the one row that it was run on; what it gives is that row's then.
  if (rowCount === 1) return dims;
  throw new HeadgateError(
    "MODEL_FAILED",
    `Output "${plan.output}" has the shape [${dims.join(", ")}] for ${rowCount} rows; its first axis must be the batch, so export the model with a symbolic batch axis.`,
  );
}

type Elements = ArrayLike<number | bigint | string>;
type ElementAt = (index: number) => number | bigint | string | boolean;
type TensorData = Tensor["data"];
/** Lays the values of some rows out as a tensor does: row by row, column by column. */
type Fill = (rows: readonly FeatureRow[]) => TensorData;

function compileFill(plan: InputPlan): Fill {
  switch (plan.type) {
    case "float32":
      return fillFloats(plan, Float32Array);
    case "float64":
      return fillFloats(plan, Float64Array);
    case "float16":
      return fillHalves(plan);
    case "int64":
      return fillBigIntegers(plan, BigInt64Array, -(2n ** 63n), 2n ** 63n - 1n);
    case "uint64":
      return fillBigIntegers(plan, BigUint64Array, 0n, 2n ** 64n - 1n);
    case "bool":
      return fillIntegers(plan, Uint8Array, 0, 1);
    case "string":
      return fillTexts(plan);
    default:
      return fillIntegers(plan, ...INTEGERS[plan.type]);
  }
}

type IntegerRange = readonly [array: new (length: number) => NumberArray, least: number, most: number];

const INTEGERS: Readonly<Record<"int8" | "int16" | "int32" | "uint8" | "uint16" | "uint32", IntegerRange>> = {
  int8: [Int8Array, -128, 127],
  int16: [Int16Array, -32_768, 32_767],
  int32: [Int32Array, -(2 ** 31), 2 ** 31 - 1],
  uint8: [Uint8Array, 0, 255],
  uint16: [Uint16Array, 0, 65_535],
  uint32: [Uint32Array, 0, 2 ** 32 - 1],
};

/** Fills an input for rows of both kinds; `position` is the input's among the model's. */
function compileMixedFill(plan: InputPlan, position: number): (rows: readonly FedRow[]) => TensorData {
  const fill = compileFill(plan);
  const array = fill([]).constructor as new (length: number) => TensorElements;
  const length = plan.columns.length;
  return (rows) => {
    const into = new array(rows.length * length);
    let at = 0;
    for (const row of rows) {
      if (row instanceof TensorRow) row.copy(position, length, into, at);
      else {
        const elements = fill([row]) as TensorElements;
        for (let i = 0; i < length; i++) into[at + i] = elements[i]!;
      }
      at += length;
    }
    return into as TensorData;
  };
}

/** null is "no value", which a float tensor says as NaN. */
function asDouble(value: FeatureValue): number {
  return typeof value === "number" ? value : value === null ? Number.NaN : Number(value);
}

function fillFloats({ columns }: InputPlan, array: new (length: number) => Float32Array | Float64Array): Fill {
  return (rows) => {
    const into = new array(rows.length * columns.length);
    let at = 0;
    for (const row of rows) {
      for (const column of columns) into[at++] = asDouble(row[column]!);
    }
    return into as TensorData;
  };
}

function fillHalves({ columns }: InputPlan): Fill {
  return (rows) => {
    const into = new Uint16Array(rows.length * columns.length);
    let at = 0;
    for (const row of rows) {
      for (const column of columns) into[at++] = encodeFloat16(asDouble(row[column]!));
    }
    return into as TensorData;
  };
}

function fillIntegers(plan: InputPlan, ...[array, least, most]: IntegerRange): Fill {
  return (rows) => {
    const into = new array(rows.length * plan.columns.length);
    let at = 0;
    for (const row of rows) {
      for (let i = 0; i < plan.columns.length; i++) {
        const value = row[plan.columns[i]!]!;
        const integer = value === null ? refuseNull(plan, i) : Number(value);
        if (!(integer >= least && integer <= most)) refuseValue(plan, i, value);
        into[at++] = integer;
      }
    }
    return into as TensorData;
  };
}

function fillBigIntegers(
  plan: InputPlan,
  array: new (length: number) => BigInt64Array | BigUint64Array,
  least: bigint,
  most: bigint,
): Fill {
  return (rows) => {
    const into = new array(rows.length * plan.columns.length);
    let at = 0;
    for (const row of rows) {
      for (let i = 0; i < plan.columns.length; i++) {
        const value = row[plan.columns[i]!]!;
        const integer = value === null ? refuseNull(plan, i) : BigInt(value as number | bigint | boolean);
        if (integer < least || integer > most) refuseValue(plan, i, value);
        into[at++] = integer;
      }
    }
    return into as TensorData;
  };
}

function fillTexts(plan: InputPlan): Fill {
  return (rows) =>
    rows.flatMap((row) => plan.columns.map((column, i) => (row[column] ?? refuseNull(plan, i)) as string));
}

function refuseNull(plan: InputPlan, i: number): never {
  throw new HeadgateError(
    "FEATURES_MISSING",
    `Feature ${plan.features[i]} has no value, and input "${plan.input}" (${plan.type}) can't be fed without one; give the manifest's missing.policy "default" a value for it.`,
  );
}

function refuseValue(plan: InputPlan, i: number, value: FeatureValue): never {
  throw new HeadgateError(
    "SIGNATURE_MISMATCH",
    `Feature ${plan.features[i]} is ${String(value)}, which input "${plan.input}" (${plan.type}) can't hold; export the model with a wider input.`,
  );
}

function compileElements(type: TensorType, data: Elements): ElementAt {
  switch (type) {
    case "bool":
      return (i) => data[i] !== 0;
    case "int64":
    case "uint64":
      return (i) => canonicalInteger(data[i] as bigint);
    case "float16":
      // From Node 24 on the runtime hands over a Float16Array, whose elements are numbers already.
      return data instanceof Uint16Array ? (i) => decodeFloat16(data[i]!) : (i) => data[i]!;
    default:
      return (i) => data[i]!;
  }
}

function take(values: ElementAt, start: number, count: number): OutputValue[] {
  const taken: OutputValue[] = new Array(count);
  for (let i = 0; i < count; i++) taken[i] = values(start + i);
  return taken;
}

function nest(values: ElementAt, start: number, [size, ...inner]: readonly number[]): OutputValue {
  if (inner.length === 0) return take(values, start, size!);
  const step = inner.reduce((product, axis) => product * axis, 1);
  return Array.from({ length: size! }, (_, i) => nest(values, start + i * step, inner));
}
