import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { seededRandom } from "../bench/statistics.ts";
import type { HeadgateError } from "../errors.ts";
import type { FieldType, ScalarKind, Schema } from "../features/field.ts";
import { fileSource } from "../features/source.ts";
import { openObjectStore } from "../object-store.ts";
import type { FileEncoder, FileEncoderOptions } from "./decoding-thread.ts";
import type { ViewRows } from "./file-load.ts";
import { openParquet } from "./parquet.ts";
import { canTake, type ParquetColumn } from "./parquet-type.ts";

// Node starts a thread from JavaScript only, so the encoder is the built one.
const BUILT = join(import.meta.dirname, "../dist/batch/file-encoder.js");
const FIXTURES = join(import.meta.dirname, "fixtures");
const GOLDENS = [
  "duckdb",
  "polars",
  "codec-snappy",
  "codec-zstd",
  "encodings-page-v1",
  "encodings-page-v2",
  "null-pages-v2",
  "lists-page-v2",
  "timestamp-int96-dictionary",
];
const FLIPS = 200;
const KINDS: readonly ScalarKind[] = ["int64", "float64", "string", "bytes", "bool", "timestamp"];
const PATH = "dt=2026-01-01/damaged.parquet";

let encoder: FileEncoder;
const directory = mkdtempSync(join(tmpdir(), "headgate-damage-"));
beforeAll(async () => {
  if (!existsSync(BUILT)) throw new Error("This test needs the built package: npm run build");
  const built = (await import(pathToFileURL(BUILT).href)) as {
    openFileEncoder(options: FileEncoderOptions): FileEncoder;
  };
  encoder = built.openFileEncoder({ directory, decodeTimeoutMs: 2_000 });
  mkdirSync(dirname(join(directory, PATH)), { recursive: true });
});
afterAll(async () => {
  await encoder?.close();
  rmSync(directory, { recursive: true, force: true });
});

function typeOf(column: ParquetColumn): FieldType | undefined {
  const kind = KINDS.find((one) => canTake(column, { kind: one, list: column.list }));
  return kind && { kind, list: column.list };
}

/** All columns of a golden file as fields; the time comes from the path, so that any file has one. */
async function schemaOf(content: Uint8Array): Promise<Schema> {
  const read = async (start: number, end: number) =>
    content.buffer.slice(content.byteOffset + start, content.byteOffset + end) as ArrayBuffer;
  const file = await openParquet({ path: "golden", bytes: content.length, read });
  return Object.fromEntries(file.columns.flatMap((column) => (typeOf(column) ? [[column.name, typeOf(column)!]] : [])));
}

async function rowsOf(schema: Schema): Promise<number> {
  const view = {
    name: "damaged",
    joinKeys: {},
    schema,
    ttlMs: undefined,
    source: fileSource({ path: "**/*.parquet", timestampField: "dt" }),
  };
  const version = await openObjectStore({ directory }).stat(PATH);
  const file = {
    path: PATH,
    version,
    interval: { startUs: Number.NEGATIVE_INFINITY, endUs: Number.POSITIVE_INFINITY },
  };
  await encoder.open({ ...file, view, rangeRows: 100_000 });
  const load: ViewRows = {
    ...{ view, files: [file], applied: { schemaId: 1, generation: 1 }, originId: 1, maxFutureMs: 1e15 },
    ...{ expiryGraceMs: 0, onlineStoreLayout: "packed", nowMs: Date.UTC(2026, 0, 2), rangeRows: 100_000 },
  };
  let rows = 0;
  for await (const batch of encoder.encode(load)) rows += batch.read;
  return rows;
}

test(`${FLIPS} flipped bits are rows or a refusal that names the file, never a crash, a hang or a foreign error`, async () => {
  const random = seededRandom(5);
  const outcomes = { rows: 0, refused: 0 };
  for (const golden of GOLDENS) {
    const sound = readFileSync(join(FIXTURES, `${golden}.parquet`));
    const schema = await schemaOf(sound);
    writeFileSync(join(directory, PATH), sound);
    expect(await rowsOf(schema)).toBeGreaterThan(0);
    for (let flip = 0; flip < FLIPS / GOLDENS.length; flip++) {
      const content = Uint8Array.from(sound);
      content[Math.floor(random() * content.length)]! ^= 2 ** Math.floor(random() * 8);
      writeFileSync(join(directory, PATH), content);
      try {
        await rowsOf(schema);
        outcomes.rows++;
      } catch (cause) {
        expect(cause, `${golden}: ${String(cause)}`).toHaveProperty("code");
        const { code, message } = cause as HeadgateError;
        expect(["PARQUET_INVALID", "PARQUET_COLUMN_MISSING", "PARQUET_COLUMN_TYPE"], message).toContain(code);
        expect(message).toContain(PATH);
        outcomes.refused++;
      }
    }
  }
  expect(outcomes.rows + outcomes.refused).toBeGreaterThanOrEqual(FLIPS);
  expect(outcomes.refused).toBeGreaterThan(20);
}, 120_000);
