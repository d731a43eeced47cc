/** Models in processes of their own: the same answers and refusals as here, and what happens when a process ends. */

import { fork } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { expectAnswers } from "./fixtures/answers.ts";
import { columnOfKind, readBroken, readExpected, ZOO, zooColumns } from "./fixtures/zoo.ts";
import type { LoadedModel, VersionToLoad } from "./loaded-model.ts";
import { parseManifest } from "./manifest.ts";
import { openModelRepository } from "./repository.ts";
import type { SessionPool } from "./session-pool.ts";
import { compileSignature } from "./signature.ts";

// Node starts a process from JavaScript only, so the modules are the built ones.
const BUILT = join(import.meta.dirname, "../dist/models");
const from = <Module>(name: string): Promise<Module> => import(pathToFileURL(join(BUILT, `${name}.js`)).href);

const SLOW = new URL("fixtures/slow/", import.meta.url);
const FEATURES = ["a", "b", "c", "d"];
const COLUMNS = FEATURES.map((field) => columnOfKind("float32", field));
const MANIFEST = { service: "s", inputs: { X: FEATURES }, outputs: { mean: "Y" } };
const now = () => performance.now();

let loading: typeof import("./loaded-model.ts");
let pooling: typeof import("./session-pool.ts");
let working: typeof import("./worker-session.ts");
let placing: typeof import("./placement.ts");
let model: LoadedModel | undefined;
let pool: SessionPool | undefined;
let folder: string;

beforeAll(async () => {
  if (!existsSync(BUILT)) throw new Error("This test needs the built package: npm run build");
  loading = await from("loaded-model");
  pooling = await from("session-pool");
  working = await from("worker-session");
  placing = await from("placement");
});

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "headgate-workers-"));
});

afterEach(async () => {
  await model?.close();
  await pool?.close();
  model = pool = undefined;
  await rm(folder, { recursive: true });
});

/** Loads a model of the zoo, or of fixtures/slow under a manifest. */
async function load(name: string, options: Partial<VersionToLoad> = {}, manifest = {}): Promise<LoadedModel> {
  const slow = new URL(`${name}.onnx`, SLOW);
  if (existsSync(slow)) {
    await mkdir(join(folder, name, "1"), { recursive: true });
    await cp(slow, join(folder, name, "1/model.onnx"));
    await writeFile(join(folder, name, "model.json"), JSON.stringify({ ...MANIFEST, ...manifest }));
  }
  const repository = await openModelRepository(existsSync(slow) ? folder : ZOO);
  const columnsOf = (service: string) => (service === "s" ? COLUMNS : zooColumns(service));
  model = await loading.loadModel({ repository, columnsOf, name, version: 1, now, ...options });
  return model;
}

/** A pool over a model of fixtures/slow, whose restarts wait for nothing unless told to. */
async function openPool(name: string, size: number, callTimeoutMs?: number, wait = async (_ms: number) => {}) {
  const bytes = new Uint8Array(readFileSync(new URL(`${name}.onnx`, SLOW)));
  const first = await working.openInWorker(name, bytes, [], callTimeoutMs);
  const signature = compileSignature(parseManifest(JSON.stringify(MANIFEST), "m/model.json"), first.graph, COLUMNS);
  pool = await pooling.openPool({ name, version: 1, file: name, bytes, weights: [], signature, size, first, wait });
  return { pool, pid: first.worker.pid! };
}

describe("answers as in Python", () => {
  const names = ["mixed-pipeline", "zipmap-string", "int64", "string", "float16", "bool", "integers"];
  test.each([...names, "torch-default", "scalar-output", "batch-of-four", "nested"])("%s", async (name) => {
    const { columns, outputs, rows } = readExpected(name);
    const aside = await load(name, { aside: true });
    expect(aside).toMatchObject({ placement: "workers", state: "READY", columns });
    await expectAnswers(aside, rows, outputs, 1e-5);
    const { classLabels, modelBytes, sha256 } = aside;
    await aside.close();
    // Proven elsewhere, opened here: the same model.
    const inline = await load(name, { isServing: true });
    expect(inline).toMatchObject({ placement: "inline", classLabels, modelBytes, sha256 });
    await expectAnswers(inline, rows, outputs, 1e-5);
  });
});

test("what can't be loaded says why", async () => {
  for (const [name, code, reason] of [
    ["truncated", "MODEL_FILE_INVALID", /cut short/],
    ["unknown-operator", "MODEL_FILE_INVALID", /com\.example:Embiggen/],
    ["baked-batch", "MODEL_FAILED", /\[1, 64\] for 64 rows/],
  ] as const) {
    await mkdir(join(folder, name, "1"), { recursive: true });
    await writeFile(join(folder, name, "1/model.onnx"), readBroken(name));
    await writeFile(join(folder, name, "model.json"), '{"service":"one","inputs":{"X":"f"},"outputs":{"y":"Y"}}');
    const repository = await openModelRepository(folder);
    const columnsOf = () => [columnOfKind("float32", "f")];
    const refused = loading.loadModel({ repository, columnsOf, name, version: 1, now, isServing: true });
    await expect(refused).rejects.toMatchObject({ code, message: expect.stringMatching(reason) });
  }
});

test("a slow model goes to workers, a bad row fails alone, and closing answers what was taken", async () => {
  const slow = await load("slow", {}, { threads: 2, max_batch: 4 });
  expect(slow).toMatchObject({ placement: "workers", state: "READY" });
  expect(slow.runMicros).toBeGreaterThan(1_000);
  const answers = [1, 2, 3, 4, 5, 6].map((value) => slow.predict([[value, value, value, value]]));
  const refused = slow.predict([[{} as never, 1, 1, 1]]).catch((thrown: unknown) => thrown);
  const closing = slow.close();
  const results = await Promise.all(answers);
  for (const [i, { offset, result }] of results.entries()) {
    expect(result.outputs[0]![offset]).toBeCloseTo(i + 1, 3);
  }
  await refused;
  await closing;
  expect(slow.state).toBe("UNAVAILABLE");
});

test("a request that could not be answered in time is refused at once, one that can is not", async () => {
  const slow = await load("slow", {}, { max_batch: 1 });
  const row = [1, 1, 1, 1];
  const runMs = slow.runMicros / 1_000;
  // Where nothing is ahead a request is taken, whatever is expected.
  await slow.predict([row], runMs / 4);
  const ahead = Array.from({ length: 12 }, () => slow.predict([row]));
  expect(slow.queuedRows).toBe(12);
  const startMs = now();
  await expect(slow.predict([row], runMs * 3)).rejects.toMatchObject({
    code: "OVERLOADED",
    message: expect.stringMatching(/12 rows wait for the model, so that this request is expected to take \d+ ms/),
  });
  expect(now() - startMs).toBeLessThan(runMs);
  await expect(slow.predict([row], 60_000)).resolves.toMatchObject({ count: 1 });
  await Promise.all(ahead);
});

describe("a worker that ends", () => {
  test("fails its run alone and is replaced", async () => {
    const { pid, pool } = await openPool("slow", 1);
    const running = pool.run(() => {
      process.kill(pid, "SIGKILL");
      return [[1, 1, 1, 1]];
    });
    await expect(running).rejects.toMatchObject({ code: "MODEL_FAILED", message: expect.stringMatching(/SIGKILL/) });
    await expect(pool.run(() => [[1, 1, 1, 1]])).rejects.toMatchObject({ code: "MODEL_UNAVAILABLE" });
    await expect
      .poll(() => pool.run(() => [[2, 2, 2, 2]]).catch(() => undefined), { timeout: 30_000 })
      .toMatchObject({ outputs: [[expect.closeTo(2, 3)]] });
    expect(pool.failure).toBeUndefined();
  });

  test("does not take the others with it", async () => {
    const { pid, pool } = await openPool("slow", 2);
    process.kill(pid, "SIGKILL");
    await expect.poll(() => isRunning(pid)).toBe(false);
    const answers = [3, 4].map((value) => pool.run(() => [[value, value, value, value]]));
    expect((await Promise.allSettled(answers)).some(({ status }) => status === "fulfilled")).toBe(true);
  });

  test("again and again makes the version fail, until one stays", async () => {
    const waits: number[] = [];
    let goOn = () => {};
    const { pool } = await openPool("slow", 1, undefined, async (ms) => {
      waits.push(ms);
      if (waits.length === 7) await new Promise<void>((resolve) => (goOn = resolve));
    });
    for (let ended = 1; ended <= 7; ended++) {
      await expect.poll(() => workersOf(process.pid).length, { timeout: 30_000 }).toBe(1);
      // One that has not been opened yet ends as well.
      process.kill(workersOf(process.pid)[0]!, "SIGKILL");
      await expect.poll(() => waits.length, { timeout: 30_000 }).toBe(ended);
    }
    expect(waits).toEqual([500, 1_500, 4_500, 13_500, 40_500, 121_500, 121_500]);
    expect(pool.failure).toMatch(/again and again: .*SIGKILL/);
    await expect(pool.run(() => [[1, 1, 1, 1]])).rejects.toMatchObject({ code: "MODEL_UNAVAILABLE" });
    goOn();
    await expect.poll(() => pool.failure, { timeout: 30_000 }).toBeUndefined();
    expect(await pool.run(() => [[2, 2, 2, 2]])).toMatchObject({ outputs: [[expect.closeTo(2, 3)]] });
  });

  test("is ended when its run does not end", async () => {
    const { pid, pool } = await openPool("endless", 1, 2_000);
    expect(await pool.run(() => [[1, 1, 1, 1]])).toMatchObject({ outputs: [[1]] });
    await expect(pool.run(() => [[2_000, 1, 1, 1]])).rejects.toMatchObject({
      code: "MODEL_FAILED",
      message: expect.stringMatching(/did not answer within 2 s/),
    });
    await expect.poll(() => isRunning(pid)).toBe(false);
  });
});

test("workers come and go", async () => {
  for (let cycle = 0; cycle < 20; cycle++) {
    const { columns, outputs, rows } = readExpected("int64");
    const aside = await load("int64", { aside: true, columnsOf: () => columns });
    const { offset, result } = await aside.predict([rows[0]!]);
    expect(String(result.outputs[0]![offset])).toBe(String(outputs.same![0]));
    await aside.close();
  }
}, 60_000);

test("a model that is quick to run and slow to open stays where it was opened", () => {
  expect(placing.belongsInline({ runMicros: 100, openMs: 49 }, false)).toBe(true);
  expect(placing.belongsInline({ runMicros: 100, openMs: 51 }, false)).toBe(false);
  expect(placing.belongsInline({ runMicros: 1_001, openMs: 0 }, false)).toBe(false);
  expect(placing.belongsInline({ runMicros: 100, openMs: 0 }, true)).toBe(false);
});

test("one that is only tried gets one worker", async () => {
  const tried = await load("slow", { aside: true, isCandidate: true }, { threads: 3 });
  expect(tried.placement).toBe("workers");
  expect(workersOf(process.pid)).toHaveLength(1);
  await tried.close();
});

describe("in the middle of a run that does not end", () => {
  const endless = { inputs: { a: 2_000, b: 1, c: 1, d: 1 }, outputs: { mean: 1 } };

  test("a worker is ended when nobody wants its model any more", async () => {
    const ending = new AbortController();
    const loading = load("endless", { aside: true, signal: ending.signal }, { examples: [endless] });
    loading.catch(() => {});
    await expect.poll(() => workersOf(process.pid).length).toBe(1);
    const [pid] = workersOf(process.pid);
    ending.abort();
    await expect(loading).rejects.toMatchObject({ code: "MODEL_FAILED" });
    await expect.poll(() => isRunning(pid!)).toBe(false);
  });

  test("a worker ends when its parent was killed", async () => {
    const parent = fork(fileURLToPath(new URL("endless-parent.mjs", SLOW)), [BUILT], { execArgv: [] });
    await new Promise((running) => parent.once("message", running));
    const [pid] = workersOf(parent.pid!);
    parent.kill("SIGKILL");
    await expect.poll(() => isRunning(pid!), { timeout: 15_000 }).toBe(false);
  });
});

/** The processes that a process has started and that still run. */
function workersOf(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").map(Number);
  return children.filter((child) => child > 0 && isRunning(child));
}

/** False as well for one that nobody has taken note of the end of. */
function isRunning(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}
