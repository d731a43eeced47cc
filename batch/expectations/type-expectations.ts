/**
 * expect_column_values_to_be_of_type and _in_type_list, by the dtype that pandas gives a Parquet column: integers with a
 * null are float64, texts are "str", timestamps "Timestamp", and what has no dtype of its own (bytes, lists, booleans
 * with a null) is "object", where each value is looked at instead.
 */

import type { FieldType } from "../../features/field.ts";
import { ExpectationFault } from "./expectation-fault.ts";
import {
  type CompileExpectation,
  columnIndex,
  type ExpectationContext,
  type ExpectationRun,
} from "./expectation-run.ts";
import { columnOutcome, NON_NULL } from "./map-expectations.ts";
import { aggregateOutcome, startUnexpected } from "./result-format.ts";
import { rowAt } from "./table-chunk.ts";

/** numpy's names and their aliases. */
const NUMPY_ALIASES: Readonly<Record<string, readonly string[]>> = {
  int64: ["int", "int_", "i8", "<i8", "l", "long", "p", "intp"],
  int32: ["i4", "<i4", "i", "intc"],
  int16: ["i2", "<i2", "h", "short"],
  int8: ["i1", "b", "byte"],
  uint64: ["u8", "<u8", "uint", "L", "ulong", "P", "uintp"],
  uint32: ["u4", "<u4", "I", "uintc"],
  uint16: ["u2", "<u2", "H", "ushort"],
  uint8: ["u1", "B", "ubyte"],
  longlong: ["q"],
  ulonglong: ["Q"],
  float64: ["float", "double", "f8", "<f8", "d"],
  float32: ["single", "f4", "<f4", "f"],
  float16: ["half", "f2", "<f2", "e"],
  longdouble: ["g"],
  complex128: ["complex", "c16", "cdouble", "D"],
  complex64: ["c8", "csingle", "F"],
  bool: ["bool_", "b1", "?"],
  str_: ["str", "U", "<U0"],
  bytes_: ["bytes", "S"],
  object_: ["object", "O"],
  datetime64: ["M8", "M", "<M8", "datetime64[ns]", "datetime64[us]", "datetime64[ms]", "datetime64[s]"],
  timedelta64: ["m8", "m", "<m8", "timedelta64[ns]"],
  void: ["V"],
};
const NUMPY_NAMES: ReadonlyMap<string, string> = new Map(
  Object.entries(NUMPY_ALIASES).flatMap(([name, aliases]) => [name, ...aliases].map((alias) => [alias, name] as const)),
);

/** Python's own types by the names Great Expectations knows, whatever their case. */
const NATIVE: ReadonlyMap<string, string> = new Map([
  ["none", "none"],
  ["bool", "bool"],
  ["int", "int"],
  ["long", "int"],
  ["float", "float"],
  ["bytes", "bytes"],
  ["complex", "complex"],
  ["str", "str"],
  ["string_types", "str"],
  ["list", "list"],
  ["dict", "dict"],
]);

const PANDAS_TYPES = new Set([
  ...["Timestamp", "Timedelta", "Period", "Interval", "Categorical", "StringDtype", "BooleanDtype", "CategoricalDtype"],
  ...["DatetimeTZDtype", "IntervalDtype", "PeriodDtype", "SparseDtype", "ArrowDtype", "Float32Dtype", "Float64Dtype"],
  ...["Int8Dtype", "Int16Dtype", "Int32Dtype", "Int64Dtype", "UInt8Dtype", "UInt16Dtype", "UInt32Dtype", "UInt64Dtype"],
]);

const native = (name: string) => NATIVE.get(name.toLowerCase());
const isKnown = (name: string) => NUMPY_NAMES.has(name) || PANDAS_TYPES.has(name) || native(name) !== undefined;

/** The dtype's name, as it is observed. */
function dtypeName({ kind, list }: FieldType, hasNull: boolean): string {
  if (list || kind === "bytes") return "object_";
  if (kind === "bool") return hasNull ? "object_" : "bool";
  if (kind === "string") return "str";
  if (kind === "timestamp") return "Timestamp";
  return kind.startsWith("int") && hasNull ? "float64" : kind;
}

/** True when values of an object column are of one of the types: a Python bool is an int too. */
function isInstance({ kind, list }: FieldType, names: readonly string[]): boolean {
  if (list) return false;
  return names.some((name) => native(name) === kind || (kind === "bool" && native(name) === "int"));
}

function typed(
  context: ExpectationContext,
  condition: string,
  names: readonly string[],
  isOfType: (dtype: string) => boolean,
  fault: string,
): ExpectationRun {
  const { columns, table, kwargs, format, domain } = context;
  if (!columns.some(({ name }) => name === kwargs.column)) throw new ExpectationFault("list index out of range");
  const index = columnIndex(context, kwargs.column, [condition, NON_NULL]);
  const { type } = columns[index]!;
  const inTable = table.statistics(index);
  domain.statistics(index);
  const unexpected = startUnexpected(format);
  const isExpected = isInstance(type, names);
  const mayBeObject = type.list || type.kind === "bytes" || type.kind === "bool";
  return {
    take(chunk) {
      if (isExpected || !mayBeObject) return;
      const { values, count } = chunk.column(index);
      for (let place = 0; place < count; place++) {
        const value = values[place]!;
        if (value !== null) unexpected.add([value], rowAt(chunk, place));
      }
    },
    finish() {
      const dtype = dtypeName(type, inTable.nonNull < table.rowCount);
      if (dtype !== "object_" || isOfType(dtype)) {
        return aggregateOutcome(isOfType(dtype), { observed_value: dtype }, format);
      }
      if (!names.some(isKnown)) throw new ExpectationFault(fault, [condition]);
      return columnOutcome(context, index, unexpected);
    },
  };
}

/** expect_column_values_to_be_of_type */
export const valuesOfType: CompileExpectation = (context) => {
  const name = String(context.kwargs.type_);
  const isOfType = (dtype: string) => {
    if (dtype === "str") return native(name) === "str";
    if (dtype === "Timestamp") return name === "Timestamp";
    return NUMPY_NAMES.get(name) === dtype;
  };
  const fault = `Unrecognized numpy/python type: ${name}`;
  return typed(context, "column_values.of_type.condition", [name], isOfType, fault);
};

const NATIVE_DTYPES: ReadonlyMap<string, string> = new Map([
  ["int", "int64"],
  ["float", "float64"],
  ["bool", "bool"],
]);

/** expect_column_values_to_be_in_type_list. Texts and timestamps are in no list, as there; objects are looked at. */
export const valuesInTypeList: CompileExpectation = (context) => {
  const names = context.kwargs.type_list as readonly string[];
  const isOfType = (dtype: string) =>
    dtype !== "object_" &&
    names.some((name) => NUMPY_NAMES.get(name) === dtype || NATIVE_DTYPES.get(native(name) ?? "") === dtype);
  const fault = `No recognized numpy/python type in list: [${names.map((name) => `'${name}'`).join(", ")}]`;
  return typed(context, "column_values.in_type_list.condition", names, isOfType, fault);
};
