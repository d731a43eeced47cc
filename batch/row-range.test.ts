import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parquetWriteBuffer } from "hyparquet-writer";
import { afterEach, beforeEach, expect, test } from "vitest";
import { int64, string } from "../features/field.ts";
import { openMemoryStore } from "../features/store/memory.ts";
import { openObjectStore } from "../object-store.ts";
import { threadHeapMb } from "./decoding-thread.ts";
import { inlineEncoder } from "./file-encoder.ts";
import type { ViewRows } from "./file-load.ts";
import { hours, NOW_MS, openScoreProject, scoreView, snapshot, T0 } from "./fixtures/score-project.ts";
import { createGroupBytes } from "./group-bytes.ts";
import type { RowBatch } from "./row-batch.ts";

const MIB = 1_048_576;

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "headgate-range-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** A file of one row group with a text in each row, and a load of it. */
async function textLoad(texts: readonly string[]): Promise<ViewRows> {
  const time = { name: "event_ts", type: "INT64" as const, converted_type: "TIMESTAMP_MICROS" as const };
  const content = parquetWriteBuffer({
    rowGroupSize: texts.length,
    schema: [
      { name: "root", num_children: 3 },
      { name: "customer_id", type: "INT64", repetition_type: "REQUIRED" },
      { name: "text", type: "BYTE_ARRAY", converted_type: "UTF8", repetition_type: "REQUIRED" },
      { ...time, repetition_type: "REQUIRED" },
    ],
    columnData: [
      { name: "customer_id", data: texts.map((_, i) => BigInt(i)) },
      { name: "text", data: [...texts] },
      { name: "event_ts", data: texts.map(() => BigInt(T0)) },
    ],
  });
  writeFileSync(join(directory, "a.parquet"), Buffer.from(content));
  const version = await openObjectStore({ directory }).stat("a.parquet");
  const { source } = scoreView("texts", "a.parquet");
  return {
    view: {
      ...{ name: "texts", joinKeys: { customer_id: int64() }, schema: { text: string() }, ttlMs: undefined },
      source: { ...source!, createdField: undefined },
    },
    files: [{ path: "a.parquet", version, interval: { startUs: T0, endUs: hours(1) } }],
    ...{ applied: { schemaId: 1, generation: 1 }, originId: 1, nowMs: NOW_MS },
    ...{ maxFutureMs: 0, expiryGraceMs: 0, onlineStoreLayout: "packed", rangeRows: 1_000 },
  };
}

async function batchesOf(load: ViewRows): Promise<readonly RowBatch[]> {
  const batches: RowBatch[] = [];
  for await (const batch of inlineEncoder(directory).encode(load)) batches.push(batch);
  return batches;
}

test("wide rows are read fewer at a time than narrow ones, and all of them", async () => {
  const load = await textLoad(Array.from({ length: 70 }, (_, i) => `${i}`.padEnd(MIB, "x")));
  const file = { ...load.files[0]!, view: load.view, rangeRows: load.rangeRows };
  const summary = await inlineEncoder(directory).open(file);
  expect(summary).toMatchObject({ rowsToRead: 70, largestRowGroupRows: 70, rowsAtOnce: 63 });
  const batches = await batchesOf(load);
  expect(batches.map(({ read }) => read)).toEqual([63, 7]);
});

test("rows that are wide only once a dictionary's texts are written out are handed on in pieces", async () => {
  const load = await textLoad(new Array(100).fill("x".repeat(MIB)));
  const batches = await batchesOf(load);
  expect(batches.map(({ read }) => read)).toEqual([64, 36]);
  for (const { rows } of batches) expect(rows.bytes.length).toBeLessThanOrEqual(65 * MIB);
});

test("a row group that is read in many ranges is fetched once", async () => {
  const project = await openScoreProject(() => openMemoryStore());
  project.write("data/a.parquet", snapshot(1, 20_000), 10_000);
  const { size } = statSync(join(project.directory, "data/a.parquet"));
  const report = await project.runView({ range: { startUs: hours(0), endUs: hours(100) }, rangeRows: 1_000 });
  expect(report).toMatchObject({ status: "done", rows_read: 20_000 });
  expect(report.warnings).toEqual([expect.stringMatching(/row groups of 10,000 rows\. They are read 1,000 at a time/)]);
  // The ends of files are read when they are looked at, and again what of them lies in a column's bytes.
  expect(report.bytes_read).toBeLessThan(1.5 * size);
  await project.close();
});

test("of a row group so much is kept as is allowed, and nothing once it is read", async () => {
  const reads: number[] = [];
  const source = {
    ...{ path: "a", bytes: 100 },
    read: async (start: number, end: number) => {
      reads.push(start);
      return new ArrayBuffer(end - start);
    },
  };
  const groupBytes = createGroupBytes(source, 10);
  for (let range = 0; range < 2; range++) {
    await groupBytes.of(0).read(0, 6);
    await groupBytes.of(0).read(6, 12);
  }
  expect(reads).toEqual([0, 6, 6]);
  groupBytes.forget(0);
  await groupBytes.of(0).read(0, 6);
  await groupBytes.of(1).read(0, 6);
  expect(reads).toEqual([0, 6, 6, 0, 0]);
});

test("the thread's heap is at most half of what a container may have", () => {
  expect(threadHeapMb(512 * MIB)).toBe(256);
  expect(threadHeapMb(16 * 1_024 * MIB)).toBe(1_024);
  expect(threadHeapMb(64 * MIB)).toBe(64);
  // No bound is 0, or a number that is none.
  expect([threadHeapMb(0), threadHeapMb(2 ** 64)]).toEqual([1_024, 1_024]);
});
