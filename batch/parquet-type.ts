/**
 * What a Parquet column holds, in words of its own, and whether a declared feature type can take it without loss.
 *
 * The rule: a column is taken when each of its values is a value of the declared type. Integers widen to wider integers
 * and to floats that hold them all; single floats to doubles. A double column for a float32 field, or an int64 column
 * for an int32 or float64 field, is refused before any row is read: the file's producer should know, not find
 * roundings later. The one rounding taken is DECIMAL to float64, to the nearest double, as a decimal literal in any
 * language is.
 *
 * Annotations: https://github.com/apache/parquet-format/blob/master/LogicalTypes.md
 */

import type { FieldType, ScalarKind } from "../features/field.ts";

/** A schema element of a Parquet footer, as far as it matters here. */
export interface ParquetElement {
  readonly name: string;
  readonly type?: string;
  readonly type_length?: number;
  readonly repetition_type?: string;
  readonly converted_type?: string;
  readonly scale?: number;
  readonly precision?: number;
  readonly logical_type?: {
    readonly type: string;
    readonly unit?: string;
    readonly isAdjustedToUTC?: boolean;
    readonly bitWidth?: number;
    readonly isSigned?: boolean;
    readonly precision?: number;
    readonly scale?: number;
  };
}

/** A schema element with what is below it. */
export interface ParquetNode {
  readonly element: ParquetElement;
  readonly children: readonly ParquetNode[];
}

/** The unit of a stored time. */
export type TimeUnit = "MILLIS" | "MICROS" | "NANOS" | "INT96";

/** What one value is. */
export type ParquetValue =
  | { readonly is: "bool" | "text" | "binary" | "uuid" | "date" }
  | { readonly is: "integer"; readonly bits: number; readonly signed: boolean }
  | { readonly is: "float"; readonly bits: 16 | 32 | 64 }
  | { readonly is: "decimal"; readonly precision: number; readonly scale: number }
  | { readonly is: "timestamp"; readonly unit: TimeUnit; readonly utc: boolean }
  | { readonly is: "other"; readonly name: string };

/** A top-level column. */
export interface ParquetColumn {
  readonly name: string;
  readonly value: ParquetValue;
  /** True for a list of such values. */
  readonly list: boolean;
  /** The element that holds the values: the column itself, or a list's element. */
  readonly leaf: ParquetElement;
}

/** Describes a top-level column of a footer's schema. */
export function describeColumn(node: ParquetNode): ParquetColumn {
  const { name } = node.element;
  if (node.children.length === 0) {
    const repeated = node.element.repetition_type === "REPEATED";
    return { name, value: describeValue(node.element), list: repeated, leaf: node.element };
  }
  const leaf = listLeaf(node);
  if (leaf !== undefined) return { name, value: describeValue(leaf), list: true, leaf };
  const group = node.element.converted_type ?? node.element.logical_type?.type;
  const what = group === "MAP" ? "MAP" : group === "LIST" ? "nested LIST" : "STRUCT";
  return { name, value: { is: "other", name: what }, list: false, leaf: node.element };
}

/** The element of a list: LIST > repeated group > element, or LIST > repeated element, as older writers have it. */
function listLeaf({ element, children }: ParquetNode): ParquetElement | undefined {
  if (element.converted_type !== "LIST" && element.logical_type?.type !== "LIST") return undefined;
  const repeated = children[0];
  if (children.length !== 1 || repeated?.element.repetition_type !== "REPEATED") return undefined;
  if (repeated.children.length === 0) return repeated.element;
  const below = repeated.children[0];
  return repeated.children.length === 1 && below?.children.length === 0 ? below.element : undefined;
}

function describeValue(element: ParquetElement): ParquetValue {
  const { type, converted_type: converted, logical_type: logical } = element;
  const annotation = converted ?? logical?.type;
  if (annotation === "TIMESTAMP" || annotation?.startsWith("TIMESTAMP_") || type === "INT96")
    return describeTime(element);
  if (annotation === "DATE") return { is: "date" };
  if (annotation === "DECIMAL") {
    const { precision = element.precision ?? 0, scale = element.scale ?? 0 } = logical ?? {};
    return { is: "decimal", precision, scale };
  }
  if (type === "BOOLEAN") return { is: "bool" };
  if (type === "FLOAT") return { is: "float", bits: 32 };
  if (type === "DOUBLE") return { is: "float", bits: 64 };
  if (type === "INT32" || type === "INT64") return describeInteger(type, converted, logical);
  if (logical?.type === "FLOAT16") return { is: "float", bits: 16 };
  if (logical?.type === "UUID") return { is: "uuid" };
  if (annotation === undefined) return { is: "binary" };
  return TEXTS.has(annotation) ? { is: "text" } : { is: "other", name: annotation };
}

const TEXTS: ReadonlySet<string> = new Set(["UTF8", "STRING", "ENUM", "JSON"]);

function describeTime({ type, converted_type: converted, logical_type: logical }: ParquetElement): ParquetValue {
  if (logical?.type === "TIMESTAMP") {
    return { is: "timestamp", unit: (logical.unit ?? "MILLIS") as TimeUnit, utc: logical.isAdjustedToUTC !== false };
  }
  // INT96 is what Spark and Impala wrote: an instant in UTC.
  if (type === "INT96") return { is: "timestamp", unit: "INT96", utc: true };
  // The older annotation says nothing of a zone; by the format's rule it means UTC.
  return { is: "timestamp", unit: converted === "TIMESTAMP_MICROS" ? "MICROS" : "MILLIS", utc: true };
}

function describeInteger(
  type: string,
  converted: string | undefined,
  logical: ParquetElement["logical_type"],
): ParquetValue {
  if (logical?.type === "INTEGER") {
    return { is: "integer", bits: logical.bitWidth ?? 64, signed: logical.isSigned !== false };
  }
  const annotated = /^(U?)INT_(\d+)$/.exec(converted ?? "");
  if (annotated !== null) return { is: "integer", bits: Number(annotated[2]), signed: annotated[1] === "" };
  const annotation = converted ?? logical?.type;
  if (annotation !== undefined) return { is: "other", name: annotation };
  return { is: "integer", bits: type === "INT32" ? 32 : 64, signed: true };
}

/** The column's type as messages show it: "DOUBLE", "list of INT64", "TIMESTAMP(MICROS, without zone)". */
export function columnTypeName({ value, list }: ParquetColumn): string {
  return list ? `list of ${valueName(value)}` : valueName(value);
}

function valueName(value: ParquetValue): string {
  switch (value.is) {
    case "integer":
      return `${value.signed ? "" : "U"}INT${value.bits}`;
    case "float":
      return value.bits === 64 ? "DOUBLE" : value.bits === 32 ? "FLOAT" : "FLOAT16";
    case "decimal":
      return `DECIMAL(${value.precision},${value.scale})`;
    case "timestamp":
      return value.unit === "INT96" ? "INT96" : `TIMESTAMP(${value.unit}, ${value.utc ? "UTC" : "without zone"})`;
    case "other":
      return value.name;
    default:
      return { bool: "BOOLEAN", text: "STRING", binary: "BYTE_ARRAY", uuid: "UUID", date: "DATE" }[value.is];
  }
}

/** True when every value of the column is a value of the type. */
export function canTake({ value, list }: ParquetColumn, type: FieldType): boolean {
  return list === type.list && TAKES[type.kind](value);
}

/**
 * What to do about a column that can't be taken: a clause that begins with a verb. `isDeclared` is false where no one
 * declares the type, as of a source's timestamps, so that another can't be declared.
 */
export function nextStep(column: ParquetColumn, type: FieldType, isDeclared = true): string {
  const kinds = (Object.keys(TAKES) as ScalarKind[]).filter((kind) => TAKES[kind](column.value));
  const declared = kinds[0] === undefined ? undefined : column.list ? `array(${kinds[0]}())` : `${kinds[0]}()`;
  const cast = `cast the column to ${CAST[type.kind]}${type.list ? " lists" : ""} where the file is written`;
  if (!isDeclared) return `${cast}, or name another column in its fileSource`;
  return declared === undefined ? cast : `declare ${declared}, or ${cast}`;
}

const CAST: Readonly<Record<ScalarKind, string>> = {
  int32: "INT32",
  int64: "INT64",
  float32: "FLOAT",
  float64: "DOUBLE",
  bytes: "BYTE_ARRAY",
  string: "STRING",
  bool: "BOOLEAN",
  timestamp: "TIMESTAMP",
};

/** The bits of magnitude that a column's values need at most; undefined when they are not whole numbers. */
function wholeBits(value: ParquetValue): number | undefined {
  if (value.is === "integer") return value.signed ? value.bits - 1 : value.bits;
  if (value.is === "decimal" && value.scale === 0) return Math.ceil(value.precision * Math.log2(10));
  return undefined;
}

const holdsWhole = (value: ParquetValue, bits: number): boolean =>
  (wholeBits(value) ?? Number.POSITIVE_INFINITY) <= bits;

/** In the order in which they are proposed. */
const TAKES: Readonly<Record<ScalarKind, (value: ParquetValue) => boolean>> = {
  int32: (value) => holdsWhole(value, 31),
  int64: (value) => holdsWhole(value, 63),
  float32: (value) => (value.is === "float" ? value.bits <= 32 : value.is === "integer" && holdsWhole(value, 24)),
  float64: (value) =>
    value.is === "float" || value.is === "decimal" || (value.is === "integer" && holdsWhole(value, 53)),
  bytes: (value) => value.is === "binary",
  // Older writers leave the annotation of texts out; one that is not UTF-8 is a bad row.
  string: (value) => value.is === "text" || value.is === "uuid" || value.is === "binary",
  bool: (value) => value.is === "bool",
  timestamp: (value) => value.is === "timestamp" || value.is === "date",
};
