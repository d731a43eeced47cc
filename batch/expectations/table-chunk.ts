/**
 * A table as a suite sees it: named, typed columns whose rows arrive in chunks. Numbers, booleans and timestamps are
 * brought into one Float64Array per chunk with NaN for null, which is what null is to pandas too; so every check of
 * numbers is one loop over doubles. Whatever a double can't hold (int64 past 2^53) is still there in `values`.
 */

import { canonicalInteger, type FeatureValue, type FieldType } from "../../features/field.ts";

/** A column of the table, in the table's order. */
export interface TableColumn {
  readonly name: string;
  readonly type: FieldType;
}

/** The values of a column: as features are held, or a typed array, which has no nulls but NaN. */
export type ColumnValues =
  | readonly FeatureValue[]
  | Float64Array
  | Float32Array
  | Int32Array
  | Uint32Array
  | Int16Array
  | Uint16Array
  | Int8Array
  | Uint8Array
  | BigInt64Array;

/** Some rows: `columns` in the order of the table's columns, each of at least `rowCount` values. */
export interface TableChunk {
  readonly rowCount: number;
  readonly columns: readonly ColumnValues[];
}

/** A chunk of one column, ready to be checked. */
export interface ColumnChunk {
  readonly count: number;
  /** As they came: null, numbers, bigints, texts. A NaN counts as null. */
  readonly values: ArrayLike<FeatureValue>;
  /** NaN for null; undefined for texts, bytes and lists. */
  readonly numbers: Float64Array | undefined;
  /** True when `values` has integers that `numbers` rounds. */
  readonly rounded: boolean;
}

/** The rows of a chunk that a row condition lets pass; all of them without one. */
export interface DomainChunk {
  readonly count: number;
  /** The row of the table at each place; undefined when they follow `firstRow` without a gap. */
  readonly rows: Uint32Array | undefined;
  readonly firstRow: number;
  /** The column of the table at that place. */
  column(index: number): ColumnChunk;
}

/** The row of the table at a place of the chunk, from 0. */
export function rowAt(chunk: DomainChunk, place: number): number {
  return chunk.rows === undefined ? chunk.firstRow + place : chunk.rows[place]!;
}

/** True for null and NaN. */
export function isNullAt({ numbers, values }: ColumnChunk, place: number): boolean {
  return numbers === undefined ? values[place] === null : Number.isNaN(numbers[place]);
}

/** The number at a place that is not null, exactly. */
export function exactAt(values: ArrayLike<FeatureValue>, numbers: Float64Array, place: number): number | bigint {
  const value = values[place];
  return typeof value === "bigint" ? value : numbers[place]!;
}

/** A value to keep after its chunk is gone: what could be changed under it is copied. */
export function keptValue(value: FeatureValue): FeatureValue {
  if (value instanceof Uint8Array) return value.slice();
  return Array.isArray(value) ? (value.map(keptValue) as FeatureValue) : value;
}

/** True for columns that are checked as doubles. */
export function isNumeric({ kind, list }: FieldType): boolean {
  return !list && kind !== "string" && kind !== "bytes";
}

/** A chunk whose columns are made ready when they are first asked for. */
export function domainOf(chunk: TableChunk, columns: readonly TableColumn[], firstRow: number): DomainChunk {
  const ready: (ColumnChunk | undefined)[] = [];
  const column = (index: number): ColumnChunk => {
    ready[index] ??= columnChunk(columns[index]!.type, chunk.columns[index]!, chunk.rowCount);
    return ready[index];
  };
  return { count: chunk.rowCount, rows: undefined, firstRow, column };
}

/** The rows whose mark is not 0. */
export function filtered(whole: DomainChunk, marks: Uint8Array): DomainChunk {
  const places = placesOf(marks, whole.count);
  const rows = places.map((place) => rowAt(whole, place));
  const ready: (ColumnChunk | undefined)[] = [];
  const column = (index: number): ColumnChunk => {
    ready[index] ??= gathered(whole.column(index), places);
    return ready[index];
  };
  return { count: places.length, rows, firstRow: whole.firstRow, column };
}

function placesOf(marks: Uint8Array, count: number): Uint32Array {
  const places = new Uint32Array(count);
  let found = 0;
  for (let place = 0; place < count; place++) if (marks[place] !== 0) places[found++] = place;
  return places.subarray(0, found);
}

function gathered({ values, numbers, rounded }: ColumnChunk, places: Uint32Array): ColumnChunk {
  const count = places.length;
  const some: FeatureValue[] = new Array(count);
  for (let at = 0; at < count; at++) some[at] = values[places[at]!]!;
  if (numbers === undefined) return { count, values: some, numbers, rounded };
  const doubles = new Float64Array(count);
  for (let at = 0; at < count; at++) doubles[at] = numbers[places[at]!]!;
  return { count, values: some, numbers: doubles, rounded };
}

function columnChunk(type: FieldType, given: ColumnValues, count: number): ColumnChunk {
  if (given instanceof BigInt64Array) return columnChunk(type, Array.from(given, canonicalInteger), count);
  const values = given as ArrayLike<FeatureValue>;
  if (!isNumeric(type)) return { count, values, numbers: undefined, rounded: false };
  if (given instanceof Float64Array) return { count, values, numbers: given, rounded: false };
  const numbers = new Float64Array(count);
  let rounded = false;
  for (let place = 0; place < count; place++) {
    const value = values[place];
    if (typeof value === "number") numbers[place] = value;
    else if (value === null || value === undefined) numbers[place] = Number.NaN;
    else {
      rounded ||= typeof value === "bigint";
      numbers[place] = Number(value);
    }
  }
  return { count, values, numbers, rounded };
}
