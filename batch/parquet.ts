/**
 * Reading Parquet: footer first, then only the columns that are wanted, one range of rows at a time.
 *
 * hyparquet decodes pages to what they physically hold. Its own conversions lose what must not be lost (times become
 * millisecond Dates, decimals products of floats, 64-bit integers stay bigints), so the schema it is given has the
 * annotations of the wanted columns removed and parquet-value.ts converts. Texts alone are left to it: it converts a
 * dictionary's texts once, not once a row.
 *
 * Memory is bounded by the range asked for, not by the file: pages beyond it are cut off, for hyparquet hands out
 * whole ones.
 */

import {
  type AsyncBuffer,
  type FileMetaData,
  parquetMetadataAsync,
  parquetRead,
  parquetSchema,
  type SchemaElement,
  type SchemaTree,
} from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { HeadgateError } from "../errors.ts";
import { type FieldType, typeName } from "../features/field.ts";
import type { LocalToUtc } from "../features/local-time.ts";
import { checkMagic, type ParquetSource, readable } from "./parquet-source.ts";
import {
  canTake,
  columnTypeName,
  describeColumn,
  nextStep,
  type ParquetColumn,
  type ParquetElement,
} from "./parquet-type.ts";
import { type ConvertValue, compileConvert, decodeText } from "./parquet-value.ts";

/** Rows that were written together, [start, end) by row number in the file. */
export interface RowGroup {
  readonly start: number;
  readonly end: number;
}

/** A file whose footer has been read. */
export interface ParquetFile {
  readonly source: ParquetSource;
  readonly rows: number;
  readonly rowGroups: readonly RowGroup[];
  readonly columns: readonly ParquetColumn[];
  /** hyparquet's form of the footer; for this file's functions alone. */
  readonly footer: FileMetaData;
}

/** A column that is wanted, and as what. */
export interface WantedColumn {
  readonly column: string;
  readonly type: FieldType;
  /** False where the type is not the project's to declare. Default true. */
  readonly isDeclared?: boolean;
}

/** A wanted column that the file has and that fits. */
export interface PlannedColumn {
  readonly column: ParquetColumn;
  readonly convert: ConvertValue;
}

/** Stored numbers instead of Dates; the texts that hyparquet is left to convert. */
const PARSERS = {
  timestampFromMilliseconds: (milliseconds: bigint) => milliseconds,
  timestampFromMicroseconds: (microseconds: bigint) => microseconds,
  timestampFromNanoseconds: (nanoseconds: bigint) => nanoseconds,
  dateFromDays: (days: number) => days,
  stringFromBytes: (bytes: Uint8Array | undefined) => bytes && decodeText(bytes),
  jsonFromBytes: (bytes: Uint8Array | undefined) => bytes && decodeText(bytes),
};

/** How much of a file's end is read for its footer at first, bytes: enough for some hundred columns in a few groups. */
export const FOOTER_BYTES = 65_536;

/** Reads the footer. Throws PARQUET_INVALID naming the file. */
export async function openParquet(source: ParquetSource): Promise<ParquetFile> {
  await checkMagic(source);
  const footer = await readable(source, () =>
    parquetMetadataAsync(asyncBuffer(source), { parsers: PARSERS, geoparquet: false, initialFetchSize: FOOTER_BYTES }),
  );
  return readable(source, async () => {
    const tree = parquetSchema(footer);
    checkChunks(footer, leafPaths(tree));
    const rowGroups: RowGroup[] = [];
    let start = 0;
    for (const group of footer.row_groups) {
      const end = start + Number(group.num_rows);
      rowGroups.push({ start, end });
      start = end;
    }
    if (start !== Number(footer.num_rows)) throw new Error(`its row groups hold ${start} of ${footer.num_rows} rows`);
    return Object.freeze({ source, rows: start, rowGroups, columns: tree.children.map(describeColumn), footer });
  });
}

function leafPaths({ path, children }: SchemaTree): readonly string[] {
  return children.length === 0 ? [path.join(".")] : children.flatMap(leafPaths);
}

/** hyparquet would find this out half way, with reads under way whose failure nobody awaits: the process would die. */
function checkChunks(footer: FileMetaData, leaves: readonly string[]): void {
  const known = new Set(leaves);
  for (const chunk of footer.row_groups.flatMap((group) => group.columns)) {
    const path = chunk.meta_data?.path_in_schema.join(".");
    if (path === undefined || !known.has(path))
      throw new Error(`its footer places a column "${path}" that its schema lacks`);
  }
}

/**
 * Finds wanted columns in a file and compiles their conversion. Throws PARQUET_COLUMN_MISSING, listing the columns
 * there are, and PARQUET_COLUMN_TYPE with both types.
 */
export function planColumns(
  file: ParquetFile,
  wanted: readonly WantedColumn[],
  toUtc: LocalToUtc,
): readonly PlannedColumn[] {
  const byName = new Map(file.columns.map((column) => [column.name, column]));
  return wanted.map(({ column: name, type, isDeclared }) => {
    const column = byName.get(name);
    if (column === undefined) {
      // The timestamps' columns are named by the source itself.
      const next =
        isDeclared === false
          ? "Name another one as fileSource's timestampField or createdField."
          : "Map another name to it with fileSource's columns.";
      throw new HeadgateError(
        "PARQUET_COLUMN_MISSING",
        `${file.source.path} has no column "${name}"; it has ${[...byName.keys()].join(", ") || "none"}. ${next}`,
      );
    }
    if (!canTake(column, type)) {
      throw new HeadgateError(
        "PARQUET_COLUMN_TYPE",
        `${file.source.path}: column "${name}" is ${columnTypeName(column)}, which ${typeName(type)} can't take without loss; ${nextStep(column, type, isDeclared)}.`,
      );
    }
    return { column, convert: compileConvert(column, type, toUtc) };
  });
}

/** The least and the greatest value of a flat column in a row group, converted, by its statistics; undefined when they don't tell. */
export function columnBounds(
  file: ParquetFile,
  group: number,
  { column, convert }: PlannedColumn,
): { readonly least: unknown; readonly greatest: unknown } | undefined {
  const chunk = file.footer.row_groups[group]?.columns.find((one) => one.meta_data?.path_in_schema[0] === column.name);
  const statistics = chunk?.meta_data?.statistics;
  // A null is a bad row and has to be seen, and one that is not counted may be there; INT96 has no defined order.
  const nulls = column.leaf.repetition_type === "REQUIRED" ? 0n : statistics?.null_count;
  if (statistics === undefined || nulls !== 0n || column.leaf.type === "INT96") return undefined;
  const least = statistics.min_value ?? statistics.min;
  const greatest = statistics.max_value ?? statistics.max;
  return least === undefined || greatest === undefined
    ? undefined
    : { least: convert(least), greatest: convert(greatest) };
}

/** The least that a value takes while it is decoded and converted: a place in either array, bytes. */
const VALUE_BYTES = 16;

/** What a row group's planned columns are estimated to take per row when they are decoded, bytes. */
export function decodedRowBytes(file: ParquetFile, group: number, planned: readonly PlannedColumn[]): number {
  const names = new Set(planned.map(({ column }) => column.name));
  let bytes = 0;
  for (const { meta_data: chunk } of file.footer.row_groups[group]?.columns ?? []) {
    if (chunk === undefined || !names.has(chunk.path_in_schema[0]!)) continue;
    const texts = chunk.size_statistics?.unencoded_byte_array_data_bytes ?? 0n;
    bytes += Math.max(Number(chunk.total_uncompressed_size), Number(texts), Number(chunk.num_values) * VALUE_BYTES);
  }
  const { start, end } = file.rowGroups[group]!;
  return end > start ? bytes / (end - start) : 0;
}

/**
 * The values of the planned columns in rows [start, end), one array each. `onDecode` is called at the start of
 * each piece of decoding, between which other files' pieces may run. Throws PARQUET_INVALID.
 */
export async function readColumns(
  file: ParquetFile,
  planned: readonly PlannedColumn[],
  start: number,
  end: number,
  onDecode: () => void = () => {},
): Promise<unknown[][]> {
  if (planned.length === 0) return [];
  const pages = new Map<string, Page[]>(planned.map(({ column }) => [column.name, []]));
  await readable(file.source, () =>
    parquetRead({
      file: asyncBuffer(file.source, onDecode),
      metadata: physicalFooter(file, planned),
      columns: [...pages.keys()],
      rowStart: start,
      rowEnd: end,
      compressors: notedCompressors(onDecode),
      parsers: PARSERS,
      utf8: false,
      geoparquet: false,
      useOffsetIndex: true,
      onChunk: ({ columnName, columnData, rowStart }) => {
        pages.get(columnName)?.push({ start: rowStart, values: columnData as ArrayLike<unknown> });
      },
    }),
  );
  // Of a damaged page the decoder may give values of another kind than the column's.
  return readable(file.source, async () =>
    planned.map(({ column, convert }) => {
      onDecode();
      const values = convertPages(pages.get(column.name)!, convert, start, end);
      if (values !== undefined) return values;
      throw new Error(`column "${column.name}" does not hold rows ${start} to ${end}`);
    }),
  );
}

interface Page {
  readonly start: number;
  readonly values: ArrayLike<unknown>;
}

function convertPages(
  pages: readonly Page[],
  convert: ConvertValue,
  start: number,
  end: number,
): unknown[] | undefined {
  const converted = new Array<unknown>(end - start);
  let filled = 0;
  for (const page of pages) {
    const first = Math.max(start, page.start);
    const last = Math.min(end, page.start + page.values.length);
    for (let row = first; row < last; row++) converted[row - start] = convert(page.values[row - page.start]);
    filled += Math.max(0, last - first);
  }
  return filled === end - start ? converted : undefined;
}

/** The footer with the wanted columns' annotations taken off, so that hyparquet gives what the pages hold. */
function physicalFooter(file: ParquetFile, planned: readonly PlannedColumn[]): FileMetaData {
  const replaced = new Map<unknown, ParquetElement>();
  for (const { column } of planned) {
    const { converted_type: _, logical_type: logical, ...bare } = column.leaf;
    if (column.value.is === "text") replaced.set(column.leaf, { ...bare, converted_type: "UTF8" });
    else if (logical?.type !== "FLOAT16" && logical?.type !== "UUID") replaced.set(column.leaf, bare);
  }
  const schema = file.footer.schema.map((element) => {
    // hyparquet knows a list by its older annotation only.
    if (element.logical_type?.type === "LIST") return { ...element, converted_type: "LIST" as const };
    return (replaced.get(element) ?? element) as SchemaElement;
  });
  return { ...file.footer, schema };
}

function notedCompressors(onDecode: () => void): typeof compressors {
  const noted = Object.entries(compressors).map(([codec, decompress]) => [
    codec,
    (...page: Parameters<typeof decompress>) => {
      onDecode();
      return decompress(...page);
    },
  ]);
  return Object.fromEntries(noted) as typeof compressors;
}

function asyncBuffer({ bytes, read }: ParquetSource, onDecode: () => void = () => {}): AsyncBuffer {
  return {
    byteLength: bytes,
    slice: (start, end = bytes) => {
      const range = read(start, Math.min(end, bytes)).then((content) => {
        onDecode();
        return content;
      });
      // hyparquet fetches ahead and, when a page turns out bad, never looks at what it has fetched.
      range.catch(() => {});
      return range;
    },
  };
}
