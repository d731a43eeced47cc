/**
 * The tensor datatypes of the Open Inference Protocol, beside the runtime's names for them and the arrays that hold their
 * elements. Names: kserve/open-inference-protocol, inference_rest.md, "Tensor Data Types"; those of a model's config:
 * triton-inference-server/common, model_config.proto, DataType.
 */

import { HeadgateError } from "../../errors.ts";
import type { TensorType } from "../../models/signature.ts";
import type { NumberArray } from "../../models/tensor-row.ts";

/** The array that a datatype's elements are in; texts are in a plain one. */
export type ElementArray = {
  new (length: number): NumberArray | BigInt64Array | BigUint64Array;
  new (buffer: ArrayBuffer): NumberArray | BigInt64Array | BigUint64Array;
};

/** One datatype. */
export interface Datatype {
  /** In requests and metadata: "FP32". */
  readonly name: string;
  /** In a model's config: "TYPE_FP32". */
  readonly configName: string;
  readonly type: TensorType;
  /** Of an element in a binary tensor; 0: each says its own length. */
  readonly elementBytes: number;
  /** Undefined for texts. FP16 is in its bits, BOOL in 0 and 1. */
  readonly array: ElementArray | undefined;
  /** The least and the most of an integer; undefined for what is none. */
  readonly range: readonly [least: bigint, most: bigint] | undefined;
}

const signed = (bits: bigint) => [-(2n ** (bits - 1n)), 2n ** (bits - 1n) - 1n] as const;
const unsigned = (bits: bigint) => [0n, 2n ** bits - 1n] as const;

function datatype(
  name: string,
  type: TensorType,
  array?: ElementArray & { readonly BYTES_PER_ELEMENT: number },
  range?: readonly [bigint, bigint],
): Datatype {
  const configName = `TYPE_${name === "BYTES" ? "STRING" : name}`;
  return Object.freeze({ name, configName, type, elementBytes: array?.BYTES_PER_ELEMENT ?? 0, array, range });
}

const DATATYPES: readonly Datatype[] = Object.freeze([
  datatype("BOOL", "bool", Uint8Array),
  datatype("UINT8", "uint8", Uint8Array, unsigned(8n)),
  datatype("UINT16", "uint16", Uint16Array, unsigned(16n)),
  datatype("UINT32", "uint32", Uint32Array, unsigned(32n)),
  datatype("UINT64", "uint64", BigUint64Array, unsigned(64n)),
  datatype("INT8", "int8", Int8Array, signed(8n)),
  datatype("INT16", "int16", Int16Array, signed(16n)),
  datatype("INT32", "int32", Int32Array, signed(32n)),
  datatype("INT64", "int64", BigInt64Array, signed(64n)),
  datatype("FP16", "float16", Uint16Array),
  datatype("FP32", "float32", Float32Array),
  datatype("FP64", "float64", Float64Array),
  datatype("BYTES", "string"),
]);

const BY_NAME: ReadonlyMap<unknown, Datatype> = new Map(DATATYPES.map((one) => [one.name, one]));
const BY_TYPE: ReadonlyMap<TensorType, Datatype> = new Map(DATATYPES.map((one) => [one.type, one]));

/** The datatype that a request names; undefined for what is none. */
export const datatypeNamed = (name: unknown): Datatype | undefined => BY_NAME.get(name);

/** The datatype of the runtime's tensor type. */
export const datatypeOf = (type: TensorType): Datatype => BY_TYPE.get(type)!;

/** The names of all. */
export const DATATYPE_NAMES: string = DATATYPES.map(({ name }) => name).join(", ");

/** What a client has got wrong, as an error; `sentence` names the offender and the next step. */
export const refused = (sentence: string): HeadgateError => new HeadgateError("REQUEST_INVALID", sentence);
