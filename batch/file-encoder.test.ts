import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Worker } from "node:worker_threads";
import { afterAll, beforeAll, expect, test } from "vitest";
import { float32, int64 } from "../features/field.ts";
import { openMemoryStore } from "../features/store/memory.ts";
import { openObjectStore } from "../object-store.ts";
import type { FileEncoder } from "./file-encoder.ts";
import type { FileLoad } from "./file-load.ts";
import { HOUR, NOW_MS, openScoreProject, type ScoreProject, scoreView, T0 } from "./fixtures/score-project.ts";
import type { RowBatch } from "./row-batch.ts";

// Node starts a thread from JavaScript only, so both encoders are the built ones.
const BUILT = join(import.meta.dirname, "../dist/batch/file-encoder.js");

let project: ScoreProject;
let built: { inlineEncoder(directory: string): FileEncoder; threadEncoder(directory: string): FileEncoder };
let encoder: FileEncoder;
beforeAll(async () => {
  if (!existsSync(BUILT)) throw new Error("This test needs the built package: npm run build");
  built = await import(pathToFileURL(BUILT).href);
  project = await openScoreProject(() => openMemoryStore());
  encoder = built.threadEncoder(project.directory);
});
afterAll(async () => {
  await encoder?.close();
  await project?.close();
});

async function load(path: string): Promise<FileLoad> {
  return {
    view: {
      name: "scores",
      joinKeys: { customer_id: int64() },
      schema: { score: float32() },
      ttlMs: undefined,
      source: scoreView("scores", path).source!,
    },
    applied: { schemaId: 1, generation: 1 },
    path,
    version: await openObjectStore({ directory: project.directory }).stat(path),
    interval: { startUs: T0, endUs: T0 + 50 * HOUR },
    originId: 1,
    maxFutureMs: 300_000,
    expiryGraceMs: 0,
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
    const inline = await batchesOf(built.inlineEncoder(project.directory).encode(await load(path)));
    expect(inline.length).toBe(path === "data/a.parquet" ? 10 : 2);
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
  expect((await batchesOf(encoder.encode(await load("data/good.parquet")))).length).toBe(2);
});

test("a thread that fails between two files harms nobody, and the next file gets a new one", async () => {
  const own = built.threadEncoder(project.directory);
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
    expect((await batchesOf(own.encode(await load("data/between.parquet")))).length).toBe(2);
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
  expect((await batchesOf(encoder.encode(await load("data/long.parquet")))).length).toBe(51);
});
