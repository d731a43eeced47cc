/**
 * A member of an event: where it is and how it becomes a value of its field. A name is first taken as it is, and where
 * there is no such member and it has dots, as a path.
 */

import { canonicalInteger, type FieldType, REFUSED, typeName } from "../features/field.ts";
import { compileFromJson } from "../features/json-value.ts";
import { shown } from "../features/shown.ts";
import type { KafkaSource } from "../features/source.ts";
import { compileReadTime } from "./event-time.ts";
import { Decimal, EventTime, TimeOfDay } from "./logical-type.ts";

/** Makes a value canonical, or REFUSED; what the writer's own check is enough for passes as it is. */
type Convert = (value: unknown) => unknown;

/** A join key or field of a view in the events of a source. */
export interface Member {
  readonly name: string;
  /** What it is called in the event. */
  readonly column: string;
  readonly type: FieldType | undefined;
  readonly get: (object: object) => unknown;
  /** Undefined where nothing is to be converted. */
  readonly convert: Convert | undefined;
}

/** Compiles a member; without a type it is only found. */
export function compileMember(name: string, type: FieldType | undefined, source: KafkaSource): Member {
  // What a map gives has the view's names.
  const column = (source.map === undefined && Object.hasOwn(source.columns, name) && source.columns[name]) || name;
  const convert = type === undefined ? undefined : compileConvert(type, source);
  return Object.freeze({ name, column, type, get: compileGet(column), convert });
}

/** Why a member can't be taken: a sentence for the dead letter. */
export function refusedMember({ name, column, type }: Member, value: unknown): string {
  const renamed = name === column ? "" : ` (the event's "${column}")`;
  if (value === undefined) return `"${name}"${renamed} is missing`;
  if (isUnavailable(value)) {
    return `"${name}"${renamed} is Debezium's placeholder for a value that did not change and that the database did not log; ALTER TABLE … REPLICA IDENTITY FULL makes it log whole rows`;
  }
  return `"${name}"${renamed} is ${shownLogical(value)}, not ${typeName(type!)}`;
}

function shownLogical(value: unknown): string {
  if (value instanceof EventTime) return "a timestamp";
  if (value instanceof TimeOfDay) return "a time of day";
  return value instanceof Decimal ? `the decimal ${value}` : shown(value);
}

/**
 * Debezium's unavailable.value.placeholder in place of a large value that an update left as it was. Taken for a value it
 * would overwrite the one that is there. https://debezium.io/documentation/reference/stable/connectors/postgresql.html#postgresql-toasted-values
 */
const UNAVAILABLE = "__debezium_unavailable_value";
const UNAVAILABLE_BYTES = Buffer.from(UNAVAILABLE);
const UNAVAILABLE_BASE64 = UNAVAILABLE_BYTES.toString("base64");

/** True for the placeholder, as a text, as bytes, as bytes in JSON, and as a list's only element. */
export function isUnavailable(value: unknown): boolean {
  if (typeof value === "string") return value === UNAVAILABLE || value === UNAVAILABLE_BASE64;
  if (typeof value !== "object" || value === null) return false;
  if (value instanceof Uint8Array) return UNAVAILABLE_BYTES.equals(value);
  return Array.isArray(value) && value.length === 1 && isUnavailable(value[0]);
}

function compileGet(column: string): (object: object) => unknown {
  const own = (object: object): unknown => (object as Record<string, unknown>)[column];
  if (column.includes(".")) {
    const steps = column.split(".");
    return (object) => (Object.hasOwn(object, column) ? own(object) : walk(object, steps));
  }
  // Only what every object inherits must be told apart: to ask it of all would cost.
  return column in Object.prototype ? (object) => (Object.hasOwn(object, column) ? own(object) : undefined) : own;
}

function walk(object: object, steps: readonly string[]): unknown {
  let value: unknown = object;
  for (const step of steps) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, step)) return undefined;
    value = (value as Record<string, unknown>)[step];
  }
  return value;
}

function compileConvert(type: FieldType, source: KafkaSource): Convert | undefined {
  const one = compileConvertOne(type, source);
  if (!type.list) return one;
  return (value) => {
    if (!Array.isArray(value)) return value;
    const list = value.map((element) => (element === null ? null : one(element)));
    return list.includes(REFUSED) ? REFUSED : list;
  };
}

function compileConvertOne({ kind }: FieldType, source: KafkaSource): Convert {
  switch (kind) {
    case "timestamp": {
      const readTime = compileReadTime(source);
      return (value) => readTime(value) ?? REFUSED;
    }
    case "int32":
    case "int64":
      return (value) => (typeof value === "object" ? integerOf(value) : value);
    case "float64":
    case "float32": {
      const take = compileTakeFloat(kind, source);
      return (value) => (typeof value === "object" ? take(floatOf(value, kind)) : take(value));
    }
    case "bytes": {
      const take = source.format === "avro" ? (value: unknown) => value : compileFromJson({ kind, list: false });
      return (value) => (isLogical(value) ? REFUSED : take(value));
    }
    default:
      return (value) => (isLogical(value) ? REFUSED : value);
  }
}

/** Avro has numbers for all that JSON has texts for; and what a map computes may be no number, or infinite. */
function compileTakeFloat(kind: "float64" | "float32", { format, map }: KafkaSource): Convert {
  if (format === "avro") return (value) => value;
  const fromJson = compileFromJson({ kind, list: false });
  return map === undefined ? fromJson : (value) => (typeof value === "number" ? value : fromJson(value));
}

/** True for what keeps a schema's meaning. */
export function isLogical(value: unknown): value is EventTime | TimeOfDay | Decimal {
  return value instanceof EventTime || value instanceof TimeOfDay || value instanceof Decimal;
}

/** A decimal without a fraction is an integer, as it is in a file. */
function integerOf(value: unknown): unknown {
  if (value instanceof Decimal && value.scale === 0) return canonicalInteger(value.unscaled);
  if (value instanceof TimeOfDay) return value.count;
  return isLogical(value) ? REFUSED : value;
}

/** A decimal has its nearest double, and need not have a float. */
function floatOf(value: unknown, kind: "float64" | "float32"): unknown {
  if (value instanceof Decimal && kind === "float64") return value.toNumber();
  if (value instanceof TimeOfDay) return value.count;
  return isLogical(value) ? REFUSED : value;
}
