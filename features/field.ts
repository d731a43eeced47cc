/**
 * The types a field can have and the one strict rule by which a value is taken.
 *
 * In memory: int32, float32, float64 are numbers; int64 and timestamp (µs since the epoch) are numbers up to 2^53 − 1
 * and bigints beyond, so that they stay exact; bytes are Uint8Array; lists are arrays. null is "no value" and is not
 * NaN. Nothing is coerced: a text is never a number, 1.7 is never 1; only float32 rounds, to its nearest float.
 */

/** The scalar kinds. */
export type ScalarKind = "int32" | "int64" | "float32" | "float64" | "string" | "bool" | "bytes" | "timestamp";

type Scalar = number | bigint | string | boolean | Uint8Array;

/** A value of a field as it is held in memory. */
export type FeatureValue = null | Scalar | readonly (Scalar | null)[];

/** A field's type; `Value` is what a transform sees of it. */
export interface FieldType<Value = unknown> {
  readonly kind: ScalarKind;
  /** True for a list of the kind. */
  readonly list: boolean;
  /** Never set: carries `Value` for the compiler. */
  readonly value?: Value;
}

/** Fields by name, in the order they are stored and shown. */
export type Schema = Readonly<Record<string, FieldType>>;

/** What a transform sees of a row of the schema: any field can be null. */
export type RowOf<S extends Schema> = { readonly [Name in keyof S]: NonNullable<S[Name]["value"]> | null };

const scalar = <Value>(kind: ScalarKind): FieldType<Value> => Object.freeze({ kind, list: false });

/** 32-bit signed integer. */
export const int32 = (): FieldType<number> => scalar("int32");
/** 64-bit signed integer: a number up to 2^53 − 1, a bigint beyond. */
export const int64 = (): FieldType<number | bigint> => scalar("int64");
/** IEEE single; values are rounded to the nearest one. */
export const float32 = (): FieldType<number> => scalar("float32");
/** IEEE double. */
export const float64 = (): FieldType<number> => scalar("float64");
/** Unicode text. */
export const string = (): FieldType<string> => scalar("string");
/** true or false. */
export const bool = (): FieldType<boolean> => scalar("bool");
/** Raw bytes; base64 in JSON. */
export const bytes = (): FieldType<Uint8Array> => scalar("bytes");
/** µs since the epoch, as int64; RFC 3339 in JSON. */
export const timestamp = (): FieldType<number | bigint> => scalar("timestamp");

/** A list of a scalar type: `array(float32())`. */
export function array<Value>(element: FieldType<Value>): FieldType<readonly (Value | null)[]> {
  if (!isFieldType(element) || element.list) {
    throw new TypeError("array() takes a scalar type, as in array(float32()): lists of lists are not stored.");
  }
  return Object.freeze({ kind: element.kind, list: true });
}

/** True for what the functions above make. */
export function isFieldType(value: unknown): value is FieldType {
  if (typeof value !== "object" || value === null) return false;
  const { kind, list } = value as Partial<FieldType>;
  return typeof list === "boolean" && typeof kind === "string" && Object.hasOwn(ACCEPT, kind);
}

/** The type as it is written in messages and records: "int64", "array(float32)". */
export function typeName(type: FieldType): string {
  return type.list ? `array(${type.kind})` : type.kind;
}

/** A schema as plain JSON: field → type name. */
export function typeNames(schema: Schema): Record<string, string> {
  return Object.fromEntries(Object.entries(schema).map(([name, type]) => [name, typeName(type)]));
}

/** What `accept` gives back for a value that is not of the type. */
export const REFUSED: unique symbol = Symbol("refused");

/** Takes a value of the type in its canonical form, or REFUSED. null is taken as null, undefined is refused. */
export type Accept = (value: unknown) => FeatureValue | typeof REFUSED;

/** Compiles the strict check of a type. */
export function compileAccept(type: FieldType): Accept {
  const one = ACCEPT[type.kind];
  const acceptScalar: Accept = (value) => (value === null ? null : one(value));
  if (!type.list) return acceptScalar;
  return (value) => {
    if (value === null) return null;
    if (!Array.isArray(value)) return REFUSED;
    const list: (Scalar | null)[] = [];
    for (const element of value) {
      const taken = acceptScalar(element);
      if (taken === REFUSED) return REFUSED;
      list.push(taken as Scalar | null);
    }
    return list;
  };
}

const INT64_LIMIT = 2n ** 63n;

/**
 * An int64 in its canonical form: a number where that is exact, else a bigint. One test on the nearest double is enough:
 * rounding never makes an unsafe integer safe.
 */
export function canonicalInteger(value: bigint): number | bigint {
  const double = Number(value);
  return Number.isSafeInteger(double) ? double : value;
}

function acceptInt64(value: unknown): number | bigint | typeof REFUSED {
  if (typeof value === "number") return Number.isSafeInteger(value) ? value + 0 : REFUSED;
  if (typeof value === "bigint" && value >= -INT64_LIMIT && value < INT64_LIMIT) return canonicalInteger(value);
  return REFUSED;
}

const ACCEPT: Readonly<Record<ScalarKind, (value: unknown) => Scalar | typeof REFUSED>> = {
  int32: (value) => (typeof value === "number" && (value | 0) === value ? value + 0 : REFUSED),
  int64: acceptInt64,
  timestamp: acceptInt64,
  float64: (value) => (typeof value === "number" ? value : REFUSED),
  float32: (value) => {
    if (typeof value !== "number") return REFUSED;
    const single = Math.fround(value);
    return Number.isFinite(single) || !Number.isFinite(value) ? single : REFUSED;
  },
  string: (value) => (typeof value === "string" ? value : REFUSED),
  bool: (value) => (typeof value === "boolean" ? value : REFUSED),
  bytes: (value) => (value instanceof Uint8Array ? value : REFUSED),
};
