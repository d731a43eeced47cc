import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type ErrorCode, HeadgateError } from "../errors.ts";
import { canonicalInteger, compileAccept, type FieldType, REFUSED, type ScalarKind } from "../features/field.ts";
import { compileLocalToUtc } from "../features/local-time.ts";
import { openObjectStore } from "../object-store.ts";
import { columnBounds, decodedRowBytes, openParquet, type ParquetFile, planColumns, readColumns } from "./parquet.ts";

/** What fixtures/build.py writes beside a file. */
interface Golden {
  readonly file?: string;
  readonly types: Readonly<Record<string, string>>;
  readonly timezone?: string;
  readonly rowGroups?: number;
  readonly error?: ErrorCode;
  readonly rows: readonly (readonly unknown[])[];
}

const FIXTURES = join(import.meta.dirname, "fixtures");
const goldens = readdirSync(FIXTURES)
  .filter((name) => name.endsWith(".json"))
  .map((name) => name.slice(0, -".json".length));

async function open(path: string, directory = FIXTURES): Promise<ParquetFile> {
  const objects = openObjectStore({ directory });
  const { bytes, etag } = await objects.stat(path);
  return openParquet({ path, bytes, read: (start, end) => objects.read(path, start, end, etag) });
}

const plan = (file: ParquetFile, types: Readonly<Record<string, string>>, timezone = "UTC") =>
  planColumns(
    file,
    Object.entries(types).map(([column, type]) => ({ column, type: parseType(type) })),
    compileLocalToUtc(timezone),
  );

/** The rows of [start, end), each value checked and made canonical as a writer would. */
async function rowsOf(file: ParquetFile, golden: Golden, start: number, end: number): Promise<unknown[][]> {
  const columns = await readColumns(file, plan(file, golden.types, golden.timezone), start, end);
  const accepts = Object.values(golden.types).map((type) => compileAccept(parseType(type)));
  return Array.from({ length: end - start }, (_, row) =>
    columns.map((column, i) => {
      const value = accepts[i]!(column[row]);
      expect(value, `column ${i}, row ${start + row}: ${String(column[row])}`).not.toBe(REFUSED);
      return value;
    }),
  );
}

test.each(goldens)("%s", async (name) => {
  const golden = JSON.parse(readFileSync(join(FIXTURES, `${name}.json`), "utf8")) as Golden;
  const path = golden.file ?? `${name}.parquet`;
  if (golden.error !== undefined) {
    const read = async () => {
      const file = await open(path);
      await readColumns(file, plan(file, golden.types), 0, file.rows);
    };
    const thrown = await read().catch((cause: unknown) => cause);
    expect(thrown).toBeInstanceOf(HeadgateError);
    expect(thrown).toMatchObject({ code: golden.error, message: expect.stringContaining(path) });
    return;
  }
  const file = await open(path);
  const types = Object.values(golden.types).map(parseType);
  const rows = golden.rows.map((row) => row.map((value, i) => parseGolden(types[i]!, value)));
  expect(file.rows).toBe(rows.length);
  if (golden.rowGroups !== undefined) expect(file.rowGroups.length).toBe(golden.rowGroups);
  if (rows.length === 0) return;
  expect(await rowsOf(file, golden, 0, file.rows)).toStrictEqual(rows);
  // Any range is that part of the whole: pages beyond it are cut off.
  const third = Math.floor(rows.length / 3);
  expect(await rowsOf(file, golden, third, rows.length - third)).toStrictEqual(rows.slice(third, rows.length - third));
  expect(await rowsOf(file, golden, rows.length - 1, rows.length)).toStrictEqual(rows.slice(-1));
});

test("only the wanted columns' bytes are read", async () => {
  const path = "encodings-page-v1.parquet";
  const content = await readFile(join(FIXTURES, path));
  let bytesRead = 0;
  const file = await openParquet({
    path,
    bytes: content.length,
    read: async (start, end) => {
      bytesRead += end - start;
      return content.buffer.slice(content.byteOffset + start, content.byteOffset + end);
    },
  });
  bytesRead = 0;
  await readColumns(file, plan(file, { dict: "string" }), 0, file.rows);
  expect(bytesRead).toBeGreaterThan(0);
  expect(bytesRead).toBeLessThan(content.length / 10);
});

test("a row group's bounds come from its statistics, converted", async () => {
  const file = await open("codec-snappy.parquet");
  const [at] = plan(file, { at: "timestamp" });
  expect(columnBounds(file, 1, at!)).toStrictEqual({
    least: 1_767_225_600_000_000 + 128 * 1_000_001,
    greatest: 1_767_225_600_000_000 + 255 * 1_000_001,
  });
});

test("bounds are not told where a null or INT96 makes them unsure", async () => {
  const withNulls = await open("timestamp-us.parquet");
  expect(columnBounds(withNulls, 0, plan(withNulls, { utc: "timestamp" })[0]!)).toBeUndefined();
  const int96 = await open("timestamp-int96.parquet");
  expect(columnBounds(int96, 0, plan(int96, { at: "timestamp" })[0]!)).toBeUndefined();
});

test("bounds are not told where nulls are not counted and may be", async () => {
  const file = await open("codec-snappy.parquet");
  const footer = structuredClone(file.footer);
  for (const { meta_data } of footer.row_groups.flatMap((group) => group.columns))
    delete meta_data?.statistics?.null_count;
  const [at] = plan(file, { at: "timestamp" });
  expect(columnBounds({ ...file, footer }, 1, at!)).toBeUndefined();
  const leaf = { ...at!.column.leaf, repetition_type: "REQUIRED" as const };
  expect(columnBounds({ ...file, footer }, 1, { ...at!, column: { ...at!.column, leaf } })).toBeDefined();
});

test("a timestamp's column that is missing is to be named elsewhere than a field's", async () => {
  const file = await open("codec-snappy.parquet");
  const wanted = { column: "when", type: parseType("timestamp") };
  const toUtc = compileLocalToUtc("UTC");
  expect(() => planColumns(file, [wanted], toUtc)).toThrow(/Map another name to it with fileSource's columns\.$/);
  expect(() => planColumns(file, [{ ...wanted, isDeclared: false }], toUtc)).toThrow(
    /Name another one as fileSource's timestampField or createdField\.$/,
  );
});

test("what rows take is estimated by the footer, of the wanted columns", async () => {
  const file = await open("codec-snappy.parquet");
  const [at] = plan(file, { at: "timestamp" });
  // A column of 8 bytes a value takes more as an array's.
  expect(decodedRowBytes(file, 0, [at!])).toBe(16);
  expect(decodedRowBytes(file, 0, [])).toBe(0);
});

test("a column can be wanted twice, as two types", async () => {
  const file = await open("bytes.parquet");
  const wanted = ["bytes", "string"].map((type) => ({ column: "as_text", type: parseType(type) }));
  const columns = await readColumns(file, planColumns(file, wanted, compileLocalToUtc("UTC")), 0, 1);
  expect(columns).toStrictEqual([[new Uint8Array(Buffer.from("café"))], ["café"]]);
});

test("bytes that are not UTF-8 are not taken for a text", async () => {
  const file = await open("bytes.parquet");
  const [[blob] = []] = await readColumns(file, plan(file, { blob: "string" }), 0, 1);
  expect(compileAccept(parseType("string"))(blob)).toBe(REFUSED);
});

test("a missing column is refused with the columns there are", async () => {
  const file = await open("misfits.parquet");
  expect(() => plan(file, { event_ts: "timestamp" })).toThrow(
    /^misfits\.parquet has no column "event_ts"; it has id, f64, i64, /,
  );
});

test.each([
  ["f64", "float32", /column "f64" is DOUBLE, which float32 can't take without loss; declare float64\(\), or cast/],
  ["i64", "int32", /is INT64, which int32 can't take .* declare int64\(\), or cast the column to INT32/],
  ["u64", "int64", /is UINT64, .* cast the column to INT64/],
  ["text", "int64", /is STRING, .* declare string\(\), or cast/],
  ["nested", "array(int64)", /is nested LIST, .* cast the column to INT64 lists/],
])("a %s column for a field of %s is refused with the way out", async (column, type, sentence) => {
  const file = await open("misfits.parquet");
  expect(() => plan(file, { [column]: type })).toThrow(sentence);
});

test("damage at any byte is refused or read, and never crashes", async () => {
  const directory = await mkdtemp(join(tmpdir(), "headgate-parquet-"));
  const sound = await readFile(join(FIXTURES, "duckdb.parquet"));
  const types = { id: "int64", text: "string", at: "timestamp", ints: "array(int64)", dec: "float64" };
  for (let offset = 3; offset < sound.length; offset += 11) {
    const damaged = Uint8Array.from(sound);
    damaged[offset]! ^= 0x55;
    await writeFile(join(directory, "damaged.parquet"), damaged);
    try {
      const file = await open("damaged.parquet", directory);
      await readColumns(file, plan(file, types), 0, file.rows);
    } catch (cause) {
      expect(cause).toBeInstanceOf(HeadgateError);
    }
  }
  await rm(directory, { recursive: true });
});

function parseType(name: string): FieldType {
  const list = /^array\((.+)\)$/.exec(name)?.[1];
  return { kind: (list ?? name) as ScalarKind, list: list !== undefined };
}

function parseGolden(type: FieldType, value: unknown): unknown {
  if (value === null) return null;
  if (Array.isArray(value)) return value.map((one) => parseGolden(type, one));
  if (type.kind === "bytes") return new Uint8Array(Buffer.from(value as string, "base64"));
  if (type.kind === "float32" || type.kind === "float64") return parseFloatText(value as string);
  return type.kind === "string" || type.kind === "bool" ? value : canonicalInteger(BigInt(value as string));
}

/** Python's words for the numbers that JSON has none for. */
function parseFloatText(text: string): number {
  return Number(text.replace("inf", "Infinity").replace("nan", "NaN"));
}
