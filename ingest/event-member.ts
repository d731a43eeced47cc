/**
 * A member of an event: where it is and how it becomes a value of its field. A name is first taken as it is, and where
 * there is no such member and it has dots, as a path.
 */

import { canonicalInteger, type FieldType, REFUSED, typeName } from "../features/field.ts";
import { compileFromJson } from "../features/json-value.ts";
import { shown } from "../features/shown.ts";
import type { KafkaSource } from "../features/source.ts";
import { compileReadTime } from "./event-time.ts";
import { Decimal, EventTime } from "./logical-type.ts";

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
  const what =
    value instanceof EventTime ? "a timestamp" : value instanceof Decimal ? `the decimal ${value}` : shown(value);
  return `"${name}"${renamed} is ${what}, not ${typeName(type!)}`;
}

function compileGet(column: string): (object: object) => unknown {
  const isInherited = column in Object.prototype;
  const own = (object: object): unknown =>
    isInherited && !Object.hasOwn(object, column) ? undefined : (object as Record<string, unknown>)[column];
  if (!column.includes(".")) return own;
  const steps = column.split(".");
  return (object) => own(object) ?? walk(object, steps);
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
    case "float32":
    case "bytes": {
      const take = source.format === "avro" ? (value: unknown) => value : compileFromJson({ kind, list: false });
      if (kind !== "float64") return (value) => (isLogical(value) ? REFUSED : take(value));
      return (value) => (value instanceof Decimal ? value.toNumber() : isLogical(value) ? REFUSED : take(value));
    }
    default:
      return (value) => (isLogical(value) ? REFUSED : value);
  }
}

/** True for what keeps a schema's meaning. */
export function isLogical(value: unknown): value is EventTime | Decimal {
  return value instanceof EventTime || value instanceof Decimal;
}

/** A decimal without a fraction is an integer, as it is in a file. */
function integerOf(value: unknown): unknown {
  if (value instanceof Decimal && value.scale === 0) return canonicalInteger(value.unscaled);
  return isLogical(value) ? REFUSED : value;
}
