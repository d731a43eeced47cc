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
import { HeadgateError, reasonOf } from "../errors.ts";
import { type FieldType, typeName } from "../features/field.ts";
import type { LocalToUtc } from "../features/local-time.ts";
import {
  canTake,
  columnTypeName,
  describeColumn,
  nextStep,
  type ParquetColumn,
  type ParquetElement,
} from "./parquet-type.ts";
import { type ConvertValue, compileConvert, decodeText } from "./parquet-value.ts";

/** One version of a file, to be read from by ranges of bytes. */
export interface ParquetSource {
  /** For messages. */
  readonly path: string;
  readonly bytes: number;
  /** Bytes [start, end). */
  read(start: number, end: number): Promise<ArrayBuffer>;
}

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
      throw new HeadgateError(
        "PARQUET_COLUMN_MISSING",
        `${file.source.path} has no column "${name}"; it has ${[...byName.keys()].join(", ") || "none"}. Map another name to it with fileSource's columns.`,
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
  // A null is a bad row and has to be seen; INT96 has no defined order.
  if (statistics === undefined || (statistics.null_count ?? 0n) > 0n || column.leaf.type === "INT96") return undefined;
  const least = statistics.min_value ?? statistics.min;
  const greatest = statistics.max_value ?? statistics.max;
  return least === undefined || greatest === undefined
    ? undefined
    : { least: convert(least), greatest: convert(greatest) };
}

/**
 * The values of the planned columns in rows [start, end), one array each. `onBytes` is called whenever bytes have
 * arrived, just before they are decoded. Throws PARQUET_INVALID.
 */
export async function readColumns(
  file: ParquetFile,
  planned: readonly PlannedColumn[],
  start: number,
  end: number,
  onBytes?: () => void,
): Promise<unknown[][]> {
  if (planned.length === 0) return [];
  const pages = new Map<string, Page[]>(planned.map(({ column }) => [column.name, []]));
  await readable(file.source, () =>
    parquetRead({
      file: asyncBuffer(file.source, onBytes),
      metadata: physicalFooter(file, planned),
      columns: [...pages.keys()],
      rowStart: start,
      rowEnd: end,
      compressors,
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

function asyncBuffer({ bytes, read }: ParquetSource, onBytes?: () => void): AsyncBuffer {
  return {
    byteLength: bytes,
    slice: (start, end = bytes) => {
      const range = read(start, Math.min(end, bytes)).then((content) => {
        onBytes?.();
        return content;
      });
      // hyparquet fetches ahead and, when a page turns out bad, never looks at what it has fetched.
      range.catch(() => {});
      return range;
    },
  };
}

const MAGIC = "PAR1";

async function checkMagic(source: ParquetSource): Promise<void> {
  if (source.bytes === 0) throw invalid(source, "it is empty");
  if (source.bytes < 3 * MAGIC.length) throw invalid(source, `it has only ${source.bytes} bytes`);
  const [head, tail] = await Promise.all([
    source.read(0, MAGIC.length),
    source.read(source.bytes - MAGIC.length, source.bytes),
  ]);
  const [first, last] = [head, tail].map((bytes) => Buffer.from(bytes).toString("latin1"));
  if (last === "PARE") throw invalid(source, "its footer is encrypted, which is not supported");
  if (first !== MAGIC) throw invalid(source, `it does not begin with "${MAGIC}"`);
  if (last !== MAGIC)
    throw invalid(source, `it does not end with "${MAGIC}", so it was cut short or is still being written`);
}

/** What the decoder throws is about the file, not about us. */
async function readable<T>(source: ParquetSource, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof HeadgateError) throw cause;
    throw invalid(source, reasonOf(cause), cause);
  }
}

function invalid(source: ParquetSource, why: string, cause?: unknown): HeadgateError {
  return new HeadgateError(
    "PARQUET_INVALID",
    `${source.path} can't be read as Parquet: ${why}. Write the file again, or take it out of the source's path.`,
    cause,
  );
}
