/**
 * A row condition applied to a chunk: one mark per row. Compiled against the columns first, so that an unknown name or a
 * comparison of a text with a number is known before a row is seen. A null is in no order, equal to nothing and, as in
 * pandas, different from everything; but a list of texts may have it.
 */

import type { FeatureValue, FieldType } from "../../features/field.ts";
import { parseTimestampValueUs } from "../../features/timestamp.ts";
import { CONDITION_METRICS } from "./condition-tokens.ts";
import { ExpectationFault, notComparable, pythonType } from "./expectation-fault.ts";
import type { Comparator, Condition, Operand } from "./row-condition.ts";
import { type ColumnChunk, type DomainChunk, isNullAt, isNumeric, type TableColumn } from "./table-chunk.ts";
import { compareValues } from "./value-order.ts";

/** Marks the rows that pass with 1. */
export type MarkRows = (chunk: DomainChunk) => Uint8Array;

/** Compiles a condition for a table's columns. Throws ExpectationFault. */
export function compileCondition(condition: Condition, columns: readonly TableColumn[]): MarkRows {
  if ("and" in condition) return joined(condition.and, columns, (one, other) => one & other);
  if ("or" in condition) return joined(condition.or, columns, (one, other) => one | other);
  if ("not" in condition) {
    const mark = compileCondition(condition.not, columns);
    return (chunk) => mark(chunk).map((one) => 1 - one);
  }
  if ("isNull" in condition) {
    const index = indexOf(condition.isNull, columns);
    return marked((chunk) => {
      const column = chunk.column(index);
      return (place) => isNullAt(column, place);
    });
  }
  return "flag" in condition ? flagged(condition.flag, columns) : compared(condition, columns);
}

function joined(
  conditions: readonly Condition[],
  columns: readonly TableColumn[],
  join: (one: number, other: number) => number,
): MarkRows {
  const parts = conditions.map((condition) => compileCondition(condition, columns));
  return (chunk) => {
    const marks = parts.map((mark) => mark(chunk));
    return marks.reduce((all, some) => all.map((one, place) => join(one, some[place]!)));
  };
}

function marked(compile: (chunk: DomainChunk) => (place: number) => boolean): MarkRows {
  return (chunk) => {
    const passes = compile(chunk);
    const marks = new Uint8Array(chunk.count);
    for (let place = 0; place < chunk.count; place++) marks[place] = passes(place) ? 1 : 0;
    return marks;
  };
}

function indexOf(name: string, columns: readonly TableColumn[]): number {
  const index = columns.findIndex((column) => column.name === name);
  if (index < 0) throw new ExpectationFault(`name '${name}' is not defined`, CONDITION_METRICS);
  return index;
}

function flagged(name: string, columns: readonly TableColumn[]): MarkRows {
  const index = indexOf(name, columns);
  const { kind, list } = columns[index]!.type;
  if (kind !== "bool" || list) {
    const detail = `The row_condition names "${name}" alone, which is no boolean column. Compare it with a value.`;
    throw new ExpectationFault(detail, CONDITION_METRICS);
  }
  return marked((chunk) => {
    const { numbers } = chunk.column(index);
    return (place) => {
      if (Number.isNaN(numbers![place])) throw nullFlag(name);
      return numbers![place] === 1;
    };
  });
}

/** pandas can neither take a null for a yes nor for a no. */
function nullFlag(name: string): ExpectationFault {
  const detail = `The row_condition names "${name}" alone, and it has a null. Write ${name} == True.`;
  return new ExpectationFault(detail, CONDITION_METRICS);
}

type Comparison = Extract<Condition, { compare: Comparator }>;

function compared({ compare, left, right }: Comparison, columns: readonly TableColumn[]): MarkRows {
  if (!("column" in left)) return compared({ compare: MIRRORED[compare], left: right, right: left }, columns);
  const index = indexOf(left.column, columns);
  const { type } = columns[index]!;
  if ("column" in right) return columnsCompared(compare, index, indexOf(right.column, columns), columns);
  const test = compileTest(compare, type, right);
  return marked((chunk) => {
    const column = chunk.column(index);
    return (place) => test(isNullAt(column, place) ? null : column.values[place]!);
  });
}

const MIRRORED: Readonly<Record<Comparator, Comparator>> = {
  "==": "==",
  "!=": "!=",
  "<": ">",
  "<=": ">=",
  ">": "<",
  ">=": "<=",
  in: "in",
  "not in": "not in",
};

function columnsCompared(compare: Comparator, one: number, other: number, columns: readonly TableColumn[]): MarkRows {
  const [typeA, typeB] = [columns[one]!.type, columns[other]!.type];
  const canBe = kindOf(typeA) === kindOf(typeB);
  if (!canBe && compare !== "==" && compare !== "!=") throw unordered(compare, typeA, typeB);
  const test = orderTest(compare);
  return marked((chunk) => {
    const [a, b] = [chunk.column(one), chunk.column(other)];
    return (place) => test(!canBe || isNullAt(a, place) || isNullAt(b, place) ? undefined : order(a, b, place));
  });
}

const order = (a: ColumnChunk, b: ColumnChunk, place: number) => compareValues(a.values[place]!, b.values[place]!);

/** Kinds within which values are comparable. */
function kindOf({ kind, list }: FieldType): string {
  if (list) return "list";
  return kind === "string" || kind === "bytes" || kind === "timestamp" ? kind : "number";
}

/** Undefined is the order of values that have none. */
function orderTest(compare: Comparator): (order: number | undefined) => boolean {
  switch (compare) {
    case "==":
      return (order) => order === 0;
    case "!=":
      return (order) => order !== 0;
    case "<":
      return (order) => order !== undefined && order < 0;
    case "<=":
      return (order) => order !== undefined && order <= 0;
    case ">":
      return (order) => order !== undefined && order > 0;
    case ">=":
      return (order) => order !== undefined && order >= 0;
    default:
      throw new ExpectationFault(`"${compare}" is no order of two values; give a list.`, CONDITION_METRICS);
  }
}

function compileTest(compare: Comparator, type: FieldType, right: Operand): (value: FeatureValue) => boolean {
  if ("list" in right) return compileMembership(compare === "in", type, right.list);
  const literal = literalOf(type, (right as { literal: FeatureValue }).literal);
  const test = orderTest(compare);
  if (literal === undefined) {
    if (compare === "==" || compare === "!=") return () => test(undefined);
    throw unordered(compare, type, (right as { literal: FeatureValue }).literal);
  }
  const isNumber = isNumeric(type);
  return (value) => {
    if (value === null) return test(undefined);
    return test(compareValues(isNumber && typeof value === "boolean" ? Number(value) : value, literal));
  };
}

/** A null is a member among objects, which is what pandas has for texts, bytes and booleans with a null. */
function compileMembership(expected: boolean, type: FieldType, list: readonly FeatureValue[]) {
  const tests = list.map((literal) => compileTest("==", type, { literal: literal as string }));
  const hasNull = list.includes(null) && ["string", "bytes", "bool"].includes(type.kind) && !type.list;
  return (value: FeatureValue) => (value === null ? hasNull : tests.some((test) => test(value))) === expected;
}

/** A literal as the column holds values; undefined when it can't hold such a one. */
function literalOf(type: FieldType, literal: FeatureValue): FeatureValue | undefined {
  switch (kindOf(type)) {
    case "string":
      return typeof literal === "string" ? literal : undefined;
    case "timestamp":
      return typeof literal === "string" ? parseTimestampValueUs(literal) : undefined;
    case "number":
      if (typeof literal === "boolean") return Number(literal);
      return typeof literal === "string" || literal === null ? undefined : literal;
    default:
      return undefined;
  }
}

function unordered(compare: Comparator, left: FieldType, right: FieldType | FeatureValue): ExpectationFault {
  return notComparable(compare, pythonType(left), nameOf(right), CONDITION_METRICS);
}

function nameOf(right: FieldType | FeatureValue): string {
  if (typeof right === "object" && right !== null && "kind" in right) return pythonType(right);
  if (typeof right === "string") return "str";
  return right === null ? "NoneType" : Number.isInteger(Number(right)) ? "int" : "float";
}
