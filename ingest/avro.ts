/**
 * Avro by the writer's schema, exactly: a long past 2^53 is a bigint, a float the double of the same value, a logical
 * type an EventTime or a Decimal, an enum its symbol, bytes and fixed are bytes. A union is the value of its branch.
 * avsc compiles a schema to a decoder; what it would round, wrap or refuse is hooked here.
 *
 * https://avro.apache.org/docs/1.12.0/specification/
 */

import avro from "avsc";
import { excerpt, reasonOf } from "../errors.ts";
import { canonicalInteger } from "../features/field.ts";
import { compileReadLogical, type ReadLogical } from "./logical-type.ts";
import type { RegistrySchema } from "./schema-registry.ts";

/** Reads one payload; never throws. */
export type AvroReader = (payload: Buffer) => { readonly event: unknown } | { readonly refused: string };

/** An Avro schema that is no name: what the hook sees of it. */
interface SchemaNode {
  readonly type?: unknown;
  readonly logicalType?: string;
  readonly "connect.name"?: string;
}

/** The most characters of avsc's complaint. */
const COMPLAINT_CHARACTERS = 160;

/** Compiles a schema and what it refers to. A schema that is no Avro makes a reader that refuses. */
export function compileAvro(schema: RegistrySchema): AvroReader {
  const { id } = schema;
  if (schema.kind !== "AVRO") {
    const refused = `has schema id ${id}, which is ${schema.kind}, not AVRO`;
    return () => ({ refused });
  }
  let type: avro.Type;
  try {
    type = typeOf(schema);
  } catch (cause) {
    const refused = `has schema id ${id}, which can't be read: ${excerpt(reasonOf(cause), COMPLAINT_CHARACTERS)}`;
    return () => ({ refused });
  }
  return (payload) => {
    try {
      return { event: type.fromBuffer(payload) };
    } catch (cause) {
      const complaint = excerpt(reasonOf(cause), COMPLAINT_CHARACTERS);
      return { refused: `does not fit its Avro schema, id ${id}: ${complaint}` };
    }
  };
}

function typeOf({ text, references }: RegistrySchema): avro.Type {
  const options = { registry: {}, typeHook: compileTypeHook(), omitRecordMethods: true };
  for (const reference of references) avro.Type.forSchema(parsedSchema(reference), options);
  return avro.Type.forSchema(parsedSchema(text), options);
}

/** A schema is JSON, but some registries write a primitive one as its bare name. */
function parsedSchema(text: string): avro.Schema {
  return /^\s*["[{]/.test(text) ? JSON.parse(text) : text.trim();
}

type TypeHook = (schema: avro.Schema, options: object) => avro.Type | undefined;

/** Each schema comes to the hook twice: once from avsc, and once more from within what the hook makes of it. */
function compileTypeHook(): TypeHook {
  const entered = new WeakSet<object>();
  return (schema, options) => {
    if (typeof schema === "string") return schema === "long" ? LONG : undefined;
    if (entered.has(schema)) return (schema as SchemaNode).type === "long" ? LONG : undefined;
    entered.add(schema);
    if (Array.isArray(schema)) return unionOf(schema, options);
    const node = schema as SchemaNode & Readonly<Record<string, unknown>>;
    const read = compileReadLogical(node["connect.name"], node) ?? compileReadLogical(node.logicalType, node);
    if (read !== undefined) return new LogicalType(schema, options, read);
    return node.type === "long" ? LONG : undefined;
  };
}

/** A schema's logical type, whose values `read` makes. */
class LogicalType extends avro.types.LogicalType {
  readonly #read: ReadLogical;

  constructor(schema: avro.Schema, options: object, read: ReadLogical) {
    super(schema, options);
    this.#read = read;
  }

  protected override _fromValue(value: unknown): unknown {
    return this.#read(value);
  }
}

/** avsc can't write a plain value to a union of two kinds of number, so it wraps what it reads of one as well. */
function unionOf(schema: readonly avro.Schema[], options: object): avro.Type {
  const isOptional = schema.length <= 2 && schema.includes("null");
  if (isOptional) return avro.Type.forSchema(schema as avro.Schema, { ...options, wrapUnions: "never" });
  return new LogicalType(schema as avro.Schema, { ...options, wrapUnions: "always" }, unwrapped);
}

const unwrapped: ReadLogical = (branch) => (branch === null ? null : Object.values(branch as object)[0]);

const unused = (): never => {
  throw new Error("Only reading is done here.");
};

/** avsc's seam for longs of one's own: their bytes as they are encoded. */
const LONG = avro.types.LongType.__with(
  { fromBuffer: readLong, toBuffer: unused, fromJSON: unused, toJSON: unused, isValid: unused, compare: unused },
  true,
);

/** The most bytes whose 7-bit groups two doubles add up exactly; and of any long. */
const EXACT_BYTES = 8;
const LONG_BYTES = 10;
const HALF_BYTES = 4;

/** A zigzag varint: 7 bits a byte, the lowest first; its lowest bit is the sign. */
function readLong(bytes: Uint8Array): number | bigint {
  if (bytes.length > EXACT_BYTES) return readBigLong(bytes);
  let low = 0;
  let high = 0;
  for (let i = bytes.length - 1; i >= HALF_BYTES; i--) high = (high << 7) | (bytes[i]! & 0x7f);
  for (let i = Math.min(bytes.length, HALF_BYTES) - 1; i >= 0; i--) low = (low << 7) | (bytes[i]! & 0x7f);
  const magnitude = high * 2 ** 27 + (low >>> 1);
  const value = (low & 1) === 0 ? magnitude : -magnitude - 1;
  return Number.isSafeInteger(value) ? value : readBigLong(bytes);
}

function readBigLong(bytes: Uint8Array): number | bigint {
  if (bytes.length > LONG_BYTES) throw new Error(`a long of ${bytes.length} bytes`);
  let zigzag = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) zigzag = (zigzag << 7n) | BigInt(bytes[i]! & 0x7f);
  return canonicalInteger(BigInt.asIntN(64, (zigzag >> 1n) ^ -(zigzag & 1n)));
}
