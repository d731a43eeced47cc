/**
 * A value in Feast's form, feast.types.Value (feast-value.proto), and ours. Scalars are met for every row and go by
 * hand, in bytes that the generated code makes too; lists and whatever else is met go by the generated code.
 *
 * Null is no bytes at all, of a timestamp −2^63 (Feast's own SDK reads a null_val as 0, so none is written). Timestamps
 * are whole seconds there, and a list of theirs can't hold a null unless it is of timestamps: feast-remainder.ts keeps
 * what this form loses. A value on the wire need not be of the declared kind; it is taken where it is exactly a value
 * of it, and refused otherwise.
 */

import { isUtf8 } from "node:buffer";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { canonicalInteger, type FeatureValue, type FieldType, REFUSED, type ScalarKind } from "../field.ts";
import { type Value, ValueSchema } from "./feast-value_pb.ts";
import { readVarint, VARINT_MAX_BYTES, writeVarint } from "./feast-varint.ts";

/** The values of one field. */
export interface FeastValues {
  /** A list that holds a null, other than of timestamps, becomes null. */
  encode(value: FeatureValue): Uint8Array;
  /** REFUSED for bytes that are no value of the field's type. */
  decode(bytes: Buffer): FeatureValue | typeof REFUSED;
}

type Scalar = Exclude<FeatureValue, null | readonly unknown[]>;
type Wire = NonNullable<Value["val"]>;

const NULL = new Uint8Array(0);
const NULL_TIMESTAMP = -(2n ** 63n);
const US_PER_SECOND = 1_000_000n;
const LEAST_SECONDS = -(2n ** 63n) / US_PER_SECOND;
const HEADS: Readonly<Record<ScalarKind, number>> = {
  bytes: 0x0a,
  string: 0x12,
  int32: 0x18,
  int64: 0x20,
  float64: 0x29,
  float32: 0x35,
  bool: 0x38,
  timestamp: 0x40,
};
const SCALAR_CASES: Readonly<Record<string, ScalarKind>> = {
  bytesVal: "bytes",
  stringVal: "string",
  int32Val: "int32",
  int64Val: "int64",
  doubleVal: "float64",
  floatVal: "float32",
  boolVal: "bool",
  unixTimestampVal: "timestamp",
};
const LIST_CASES: Readonly<Record<ScalarKind, Exclude<Wire["case"], undefined>>> = {
  bytes: "bytesListVal",
  string: "stringListVal",
  int32: "int32ListVal",
  int64: "int64ListVal",
  float64: "doubleListVal",
  float32: "floatListVal",
  bool: "boolListVal",
  timestamp: "unixTimestampListVal",
};
const LIST_KINDS = new Map(Object.entries(LIST_CASES).map(([kind, one]) => [one as string, kind as ScalarKind]));

/** Compiles the two forms of a type's values. */
export function compileFeastValues({ kind, list }: FieldType): FeastValues {
  if (list)
    return Object.freeze({ encode: (value: FeatureValue) => encodeList(kind, value), decode: listDecoder(kind) });
  const encode = scalarEncoder(kind);
  const decodeAny = genericDecoder(kind);
  const [head, quick] = [HEADS[kind], QUICK[kind]];
  const decode = (bytes: Buffer) => {
    if (bytes.length === 0) return null;
    const value = bytes[0] === head ? quick(bytes) : undefined;
    return value === undefined ? decodeAny(bytes) : value;
  };
  return Object.freeze({ encode, decode });
}

function scalarEncoder(kind: ScalarKind): (value: FeatureValue) => Uint8Array {
  const head = HEADS[kind];
  const varint = (value: number | bigint) => {
    const bytes = new Uint8Array(1 + VARINT_MAX_BYTES);
    bytes[0] = head;
    return bytes.subarray(0, writeVarint(bytes, 1, value));
  };
  const encoders: Readonly<Record<ScalarKind, (value: never) => Uint8Array>> = {
    int32: varint,
    int64: varint,
    bool: (value: boolean) => Uint8Array.of(head, value ? 1 : 0),
    timestamp: (value: number | bigint) => varint(secondsOf(value)),
    float32: (value: number) => {
      const bytes = Buffer.allocUnsafe(5);
      bytes[0] = head;
      bytes.writeFloatLE(value, 1);
      return bytes;
    },
    float64: (value: number) => {
      const bytes = Buffer.allocUnsafe(9);
      bytes[0] = head;
      bytes.writeDoubleLE(value, 1);
      return bytes;
    },
    string: (value: string) => lengthPrefixed(head, Buffer.from(value)),
    bytes: (value: Uint8Array) => lengthPrefixed(head, value),
  };
  const nothing = kind === "timestamp" ? varint(NULL_TIMESTAMP) : NULL;
  const encode = encoders[kind] as (value: FeatureValue) => Uint8Array;
  return (value) => (value === null ? nothing : encode(value));
}

function lengthPrefixed(head: number, content: Uint8Array): Uint8Array {
  const bytes = Buffer.allocUnsafe(1 + VARINT_MAX_BYTES + content.length);
  bytes[0] = head;
  const start = writeVarint(bytes, 1, content.length);
  bytes.set(content, start);
  return bytes.subarray(0, start + content.length);
}

/** Whole seconds of µs, floored; of int64's first part of a second the next one, which is its first whole. */
export function secondsOf(timestampUs: number | bigint): number | bigint {
  if (typeof timestampUs === "number") return Math.floor(timestampUs / 1e6);
  const rest = ((timestampUs % US_PER_SECOND) + US_PER_SECOND) % US_PER_SECOND;
  const seconds = (timestampUs - rest) / US_PER_SECOND;
  return seconds < LEAST_SECONDS ? LEAST_SECONDS : seconds;
}

function encodeList(kind: ScalarKind, value: FeatureValue): Uint8Array {
  if (value === null) return NULL;
  const elements = value as readonly (Scalar | null)[];
  if (kind !== "timestamp" && elements.includes(null)) return NULL;
  const val = elements.map((element) => wireElement(kind, element));
  return toBinary(ValueSchema, create(ValueSchema, { val: { case: LIST_CASES[kind], value: { val } } as never }));
}

function wireElement(kind: ScalarKind, element: Scalar | null): unknown {
  if (kind === "timestamp") return element === null ? NULL_TIMESTAMP : BigInt(secondsOf(element as number | bigint));
  return kind === "int64" ? BigInt(element as number | bigint) : element;
}

type Quick = (bytes: Buffer) => FeatureValue | typeof REFUSED | undefined;

/** A scalar of the kind, alone in the bytes behind its head; undefined for anything else. */
const QUICK: Readonly<Record<ScalarKind, Quick>> = {
  float32: (bytes) => (bytes.length === 5 ? bytes.readFloatLE(1) : undefined),
  float64: (bytes) => (bytes.length === 9 ? bytes.readDoubleLE(1) : undefined),
  int64: onlyVarint,
  int32: (bytes) => {
    const value = onlyVarint(bytes);
    return typeof value === "number" && (value | 0) === value ? value : undefined;
  },
  timestamp: (bytes) => {
    const seconds = onlyVarint(bytes);
    return seconds === undefined ? undefined : timestampOf(BigInt(seconds));
  },
  bool: (bytes) => {
    const value = onlyVarint(bytes);
    return value === 0 || value === 1 ? value === 1 : undefined;
  },
  string: (bytes) => {
    const content = onlyContent(bytes);
    if (content === undefined) return undefined;
    return isUtf8(content) ? content.toString() : REFUSED;
  },
  bytes: (bytes) => {
    const content = onlyContent(bytes);
    return content && Buffer.from(content);
  },
};

function onlyVarint(bytes: Buffer): number | bigint | undefined {
  const cursor = { offset: 1 };
  const value = readVarint(bytes, cursor);
  return cursor.offset === bytes.length ? value : undefined;
}

function onlyContent(bytes: Buffer): Buffer | undefined {
  const cursor = { offset: 1 };
  const length = readVarint(bytes, cursor);
  return length === bytes.length - cursor.offset ? bytes.subarray(cursor.offset) : undefined;
}

function genericDecoder(kind: ScalarKind): (bytes: Buffer) => FeatureValue | typeof REFUSED {
  return (bytes) => {
    const val = parsed(bytes);
    if (val?.case === "nullVal") return null;
    const from = SCALAR_CASES[val?.case ?? ""];
    return from === undefined ? REFUSED : converted(from, val!.value as Scalar, kind);
  };
}

function listDecoder(kind: ScalarKind): (bytes: Buffer) => FeatureValue | typeof REFUSED {
  return (bytes) => {
    if (bytes.length === 0) return null;
    const val = parsed(bytes);
    if (val?.case === "nullVal") return null;
    const from = LIST_KINDS.get(val?.case ?? "");
    if (from === undefined) return REFUSED;
    const list = (val!.value as { readonly val: readonly Scalar[] }).val.map((one) => converted(from, one, kind));
    return list.includes(REFUSED) ? REFUSED : (list as FeatureValue);
  };
}

/** Undefined for bytes that are no Value, or one of a kind that has no form here. */
function parsed(bytes: Buffer): Wire | undefined {
  try {
    return fromBinary(ValueSchema, bytes, { readUnknownFields: false }).val;
  } catch {
    return undefined;
  }
}

/** A value of one kind as the same value of another; REFUSED where there is none. */
function converted(from: ScalarKind, value: Scalar, to: ScalarKind): FeatureValue | typeof REFUSED {
  if (from === "timestamp" || to === "timestamp") return from === to ? timestampOf(value as bigint) : REFUSED;
  const one = typeof value === "bigint" ? canonicalInteger(value) : value;
  if (from === to) return one;
  const isInteger = from === "int32" || from === "int64";
  if (!isInteger && from !== "float32" && from !== "float64") return REFUSED;
  // An integer that no double holds is none of a float's, nor of int32's.
  if (to === "int64") return isInteger ? one : REFUSED;
  if (typeof one !== "number") return REFUSED;
  if (to === "float64") return one;
  if (to === "float32") return Object.is(Math.fround(one), one) ? one : REFUSED;
  return to === "int32" && isInteger && (one | 0) === one ? one : REFUSED;
}

/** Seconds as µs; REFUSED beyond int64. */
function timestampOf(seconds: bigint): FeatureValue | typeof REFUSED {
  if (seconds === NULL_TIMESTAMP) return null;
  const timestampUs = seconds * US_PER_SECOND;
  return BigInt.asIntN(64, timestampUs) === timestampUs ? canonicalInteger(timestampUs) : REFUSED;
}
