/**
 * Tensors as JSON: a list of elements, flat or nested as the shape is. Integers are exact at any size. Floats that are
 * not finite are the texts "NaN", "Infinity" and "-Infinity" both ways, for JSON has no other word for them.
 */

import { canonicalInteger } from "../../features/field.ts";
import { writeJson } from "../../features/json-value.ts";
import { RoundedNumber } from "../../features/rounded-number.ts";
import { decodeFloat16, encodeFloat16 } from "../../models/float16.ts";
import type { TensorElements } from "../../models/tensor-row.ts";
import { type Datatype, refused } from "./datatype.ts";

/** Where an element goes as it is, or undefined when the datatype has no such element. */
type Take = (value: unknown) => number | bigint | string | undefined;

/** Reads elements of `shape`. Throws REQUEST_INVALID naming `where` for a list that is not of it, or of other elements. */
export function readJsonTensor(
  datatype: Datatype,
  data: unknown,
  shape: readonly number[],
  where: string,
): TensorElements {
  const values: unknown[] = [];
  if (!Array.isArray(data)) throw refused(`${where} has no "data" that is a list.`);
  const isNested = data.some(Array.isArray);
  const count = shape.reduce((product, size) => product * size, 1);
  if (isNested ? !flatten(data, shape, values) : data.length !== count) {
    throw refused(`${where} has "data" that is not of its shape [${shape.join(", ")}], which holds ${count} elements.`);
  }
  const given = isNested ? values : data;
  const take = takeOf(datatype);
  const into: TensorElements = datatype.array === undefined ? [] : (new datatype.array(count) as TensorElements);
  for (let i = 0; i < count; i++) {
    const taken = take(given[i]);
    if (taken === undefined) throw refused(`${where} has "data" whose element ${i} is no ${datatype.name}.`);
    into[i] = taken;
  }
  return into;
}

/** As deep as the shape and no deeper; false for lists that are not of it. */
function flatten(list: readonly unknown[], [size, ...inner]: readonly number[], into: unknown[]): boolean {
  if (list.length !== size) return false;
  for (const one of list) {
    if (inner.length === 0) into.push(one);
    else if (!Array.isArray(one) || !flatten(one, inner, into)) return false;
  }
  return true;
}

function takeOf(datatype: Datatype): Take {
  const { array, name, range, type } = datatype;
  if (name === "BYTES") return (value) => (typeof value === "string" ? value : undefined);
  if (name === "BOOL") return (value) => (typeof value === "boolean" ? Number(value) : undefined);
  if (type === "float16") return (value) => bitsOf(takeFloat(value));
  if (type === "float32") return (value) => heldBySingle(takeFloat(value));
  if (range === undefined) return takeFloat;
  const [least, most] = range;
  const isBig = array === BigInt64Array || array === BigUint64Array;
  return (value) => {
    const isWhole = typeof value === "bigint" || (typeof value === "number" && Number.isSafeInteger(value));
    if (!isWhole || value < least || value > most) return undefined;
    return isBig ? BigInt(value) : Number(value);
  };
}

const NON_FINITE: ReadonlyMap<unknown, number> = new Map([
  ["NaN", Number.NaN],
  ["Infinity", Number.POSITIVE_INFINITY],
  ["-Infinity", Number.NEGATIVE_INFINITY],
]);

function takeFloat(value: unknown): number | undefined {
  if (typeof value === "number") return Number.isFinite(value) ? value : undefined;
  return typeof value === "bigint" || value instanceof RoundedNumber ? Number(value) : NON_FINITE.get(value);
}

/** A finite number that is past the type's largest would become infinite. */
function heldBySingle(value: number | undefined): number | undefined {
  return value !== undefined && Number.isFinite(value) && !Number.isFinite(Math.fround(value)) ? undefined : value;
}

function bitsOf(value: number | undefined): number | undefined {
  if (value === undefined) return undefined;
  const bits = encodeFloat16(value);
  return Number.isFinite(value) && !Number.isFinite(decodeFloat16(bits)) ? undefined : bits;
}

/** A flat list of the elements, as JSON's text. */
export function writeJsonTensor({ type }: Datatype, elements: TensorElements): string {
  let text = "[";
  for (let i = 0; i < elements.length; i++) text += `${i === 0 ? "" : ","}${writeElement(type, elements[i]!)}`;
  return `${text}]`;
}

function writeElement(type: Datatype["type"], element: number | bigint | string): string {
  if (type === "bool") return element === 1 ? "true" : "false";
  return writeJson(type === "float16" ? decodeFloat16(element as number) : element);
}

/** An element as a request's JSON would have it: a join key or a request feature that came as a tensor. */
export function jsonElement({ type }: Datatype, element: number | bigint | string): unknown {
  if (type === "bool") return element === 1;
  if (typeof element === "bigint") return canonicalInteger(element);
  if (typeof element === "string") return element;
  const number = type === "float16" ? decodeFloat16(element) : element;
  return Number.isFinite(number) ? number : String(number);
}
