import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Worker } from "node:worker_threads";
import { afterAll, beforeAll, expect, test } from "vitest";
import { float32, float64, int64 } from "../features/field.ts";
import { openMemoryStore } from "../features/store/memory.ts";
import { openObjectStore } from "../object-store.ts";
import type { FileEncoder, FileEncoderOptions } from "./decoding-thread.ts";
import { inlineEncoder } from "./file-encoder.ts";
import type { ViewRows } from "./file-load.ts";
import { HOUR, NOW_MS, openScoreProject, type ScoreProject, scoreView, T0 } from "./fixtures/score-project.ts";
import type { RowBatch } from "./row-batch.ts";

// Node starts a thread from JavaScript only, so the encoder is the built one.
const BUILT = join(import.meta.dirname, "../dist/batch/file-encoder.js");

let project: ScoreProject;
let built: { openFileEncoder(options: FileEncoderOptions): FileEncoder };
let encoder: FileEncoder;
beforeAll(async () => {
  if (!existsSync(BUILT)) throw new Error("This test needs the built package: npm run build");
  built = await import(pathToFileURL(BUILT).href);
  project = await openScoreProject(() => openMemoryStore());
  encoder = openThread();
});
afterAll(async () => {
  await encoder?.close();
  await project?.close();
});

function openThread(decodeTimeoutMs = 60_000, signal?: AbortSignal): FileEncoder {
  return built.openFileEncoder({ directory: project.directory, decodeTimeoutMs, signal });
}

async function load(...paths: readonly string[]): Promise<ViewRows> {
  const objects = openObjectStore({ directory: project.directory });
  const interval = { startUs: T0, endUs: T0 + 50 * HOUR };
  return {
    view: {
      name: "scores",
      joinKeys: { customer_id: int64() },
      schema: { score: float32() },
      ttlMs: undefined,
      source: scoreView("scores", "data/*.parquet").source!,
    },
    applied: { schemaId: 1, generation: 1 },
    files: await Promise.all(paths.map(async (path) => ({ path, version: await objects.stat(path), interval }))),
    originId: 1,
    maxFutureMs: 300_000,
    expiryGraceMs: 0,
    onlineStoreLayout: "packed",
    nowMs: NOW_MS,
    rangeRows: 100,
  };
}

async function batchesOf(encoded: AsyncIterable<RowBatch>): Promise<RowBatch[]> {
  const batches: RowBatch[] = [];
  for await (const batch of encoded) batches.push(batch);
  return batches;
}

test("a thread gives the very batches that this thread would, file after file", async () => {
  const rows = Array.from({ length: 900 }, (_, i) => ({
    id: i % 7 === 3 ? null : i % 250,
    at: T0 + (i % 60) * HOUR,
    score: i,
  }));
  project.write("data/a.parquet", rows, 200);
  project.write("data/b.parquet", rows.slice(0, 10));
  for (const path of ["data/a.parquet", "data/b.parquet"]) {
    const inline = await batchesOf(inlineEncoder(project.directory).encode(await load(path)));
    expect(inline.length).toBe(path === "data/a.parquet" ? 9 : 1);
    expect(await batchesOf(encoder.encode(await load(path)))).toEqual(inline);
  }
});

test("what goes wrong on the thread is told with its code, and the next file is read", async () => {
  writeFileSync(join(project.directory, "data/bad.parquet"), "not Parquet at all");
  await expect(batchesOf(encoder.encode(await load("data/bad.parquet")))).rejects.toMatchObject({
    code: "PARQUET_INVALID",
    message: expect.stringContaining("data/bad.parquet"),
  });
  project.write("data/good.parquet", [{ id: 1, at: T0, score: 1 }]);
  expect((await batchesOf(encoder.encode(await load("data/good.parquet")))).length).toBe(1);
});

test("a thread that fails between two files harms nobody, and the next file gets a new one", async () => {
  const own = openThread();
  const started: Worker[] = [];
  const keep = (worker: Worker) => started.push(worker);
  process.on("worker", keep);
  project.write("data/between.parquet", [{ id: 1, at: T0, score: 1 }]);
  try {
    await batchesOf(own.encode(await load("data/between.parquet")));
    const ended = new Promise((resolve) => started[0]!.once("exit", resolve));
    // Not a message that it knows: its handler throws.
    started[0]!.postMessage(null);
    await ended;
    expect((await batchesOf(own.encode(await load("data/between.parquet")))).length).toBe(1);
    expect(started.length).toBe(2);
  } finally {
    process.off("worker", keep);
    await own.close();
  }
});

test("a consumer that leaves early stops the thread, and the next file gets a new one", async () => {
  project.write(
    "data/long.parquet",
    Array.from({ length: 5_000 }, (_, id) => ({ id, at: T0, score: 1 })),
  );
  for await (const batch of encoder.encode(await load("data/long.parquet"))) if (batch.read > 0) break;
  expect((await batchesOf(encoder.encode(await load("data/long.parquet")))).length).toBe(50);
});

/** A loop that damaged pages send the decoder into; found by flipping bits. Its rows' time is in the path. */
async function endless(): Promise<ViewRows> {
  const content = readFileSync(join(import.meta.dirname, "fixtures/null-pages-v2.parquet"));
  content[227]! ^= 128;
  content[2_395]! ^= 1;
  const path = "endless/dt=2026-01-01/a.parquet";
  mkdirSync(dirname(join(project.directory, path)), { recursive: true });
  writeFileSync(join(project.directory, path), content);
  const { view, ...more } = await load(path);
  const source = scoreView("scores", path, { timestampField: "dt" }).source!;
  const schema = { dict: int64(), none: float64() };
  return {
    ...more,
    rangeRows: 1_000,
    view: { ...view, joinKeys: { plain: int64() }, schema, source: { ...source, createdField: undefined } },
  };
}

test("a decoder that never comes back is ended, the file and its place named, and the next file gets a new thread", async () => {
  const own = openThread(1_000);
  try {
    await expect(batchesOf(own.encode(await endless()))).rejects.toMatchObject({
      code: "PARQUET_INVALID",
      message: expect.stringMatching(/^endless\/dt=2026-01-01\/a\.parquet, from row 0 on, can't be decoded within 1 s/),
    });
    project.write("data/after.parquet", [{ id: 1, at: T0, score: 1 }]);
    expect((await batchesOf(own.encode(await load("data/after.parquet")))).length).toBe(1);
  } finally {
    await own.close();
  }
});

test("an abort ends even that, with its reason", async () => {
  const controller = new AbortController();
  const own = openThread(60_000, controller.signal);
  try {
    const ended = batchesOf(own.encode(await endless()));
    controller.abort(new Error("stopped"));
    await expect(ended).rejects.toThrow("stopped");
  } finally {
    await own.close();
  }
});

test("many files are one load, each batch told by its file", async () => {
  const paths = Array.from({ length: 40 }, (_, i) => `many/${i}.parquet`);
  for (const [i, path] of paths.entries()) project.write(path, [{ id: i, at: T0 + i, score: i }]);
  const batches = await batchesOf(encoder.encode(await load(...paths)));
  expect(batches.map(({ file, firstEventUs }) => [file, firstEventUs])).toEqual(paths.map((_, i) => [i, T0 + i]));
});

test("a file is opened on the thread, and what is kept of it is not read again", async () => {
  project.write("data/look.parquet", [{ id: 1, at: T0, score: 1 }]);
  const rows = await load("data/look.parquet");
  const summary = await encoder.open({ ...rows.files[0]!, view: rows.view, rangeRows: 100 });
  expect(summary).toMatchObject({ rows: 1, rowsToRead: 1, bytesRead: rows.files[0]!.version.bytes });
  expect((await batchesOf(encoder.encode(rows)))[0]).toMatchObject({ read: 1, bytesRead: 0 });
});
