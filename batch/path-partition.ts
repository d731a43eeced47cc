/**
 * Columns that are not in a file but in its path: the folders `name=value` that Spark, Hive and DuckDB write when they
 * partition a table. A value is a text there; it is taken for a field only when it is plainly one of the field's type.
 *
 * Layout: https://spark.apache.org/docs/latest/sql-data-sources-parquet.html#partition-discovery (values are
 * percent-encoded, null is `__HIVE_DEFAULT_PARTITION__`).
 */

import { HeadgateError } from "../errors.ts";
import { canonicalInteger, compileAccept, type FieldType, REFUSED, typeName } from "../features/field.ts";
import type { LocalToUtc } from "../features/local-time.ts";
import { parseTimestampValueUs } from "../features/timestamp.ts";

const NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__";

/** The partitions that a file's folders name; of two of one name the inner. A null is null. */
export function pathPartitions(path: string): ReadonlyMap<string, string | null> {
  const folders = path.split("/").slice(0, -1);
  return new Map(
    folders.flatMap((folder) => {
      const at = folder.indexOf("=");
      if (at <= 0) return [];
      const value = decoded(folder.slice(at + 1));
      return [[decoded(folder.slice(0, at)), value === NULL_PARTITION ? null : value] as const];
    }),
  );
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A "%" that begins no code stands for itself.
    return text;
  }
}

/** A partition's value as one of the type. Throws PARQUET_COLUMN_TYPE naming the path, the value and the type. */
export function partitionValue(
  path: string,
  [name, text]: readonly [name: string, text: string | null],
  type: FieldType,
  toUtc: LocalToUtc,
): unknown {
  if (text === null) return null;
  const value = type.list ? undefined : (PARSE[type.kind]?.(text, toUtc) ?? undefined);
  if (value !== undefined && compileAccept(type)(value) !== REFUSED) return value;
  throw new HeadgateError(
    "PARQUET_COLUMN_TYPE",
    `${path}: the folder gives ${JSON.stringify(name)} the value ${JSON.stringify(text)}, which ${typeName(type)} can't take; declare string(), or write the column into the files.`,
  );
}

/** Decimal numbers and bytes have no one way to be written in a path, so they are not taken from it. */
const PARSE: Readonly<Partial<Record<FieldType["kind"], (text: string, toUtc: LocalToUtc) => unknown>>> = {
  int32: parseInteger,
  int64: parseInteger,
  string: (text) => text,
  bool: (text) => ({ true: true, false: false })[text],
  timestamp: (text, toUtc) => {
    const us = parseTimestampValueUs(text);
    const saysZone = /[Zz]$|[+-]\d\d:\d\d$/.test(text.slice("2026-11-22".length));
    return typeof us === "number" && !saysZone ? toUtc(us) : us;
  },
};

function parseInteger(text: string): number | bigint | undefined {
  return /^-?\d{1,20}$/.test(text) ? canonicalInteger(BigInt(text)) : undefined;
}
