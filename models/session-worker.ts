/**
 * Inside of a worker process: takes a model's files in parts, opens it, and runs it over the tensors it is sent. It
 * knows nothing of manifests and features. It ends when its parent is done with it or is gone, also in the middle of a
 * run, and leaves the signals of a terminal, which reach it as well, to its parent: requests that the parent has taken
 * are still to be answered.
 */

import { performance } from "node:perf_hooks";
import { Worker } from "node:worker_threads";
import { HeadgateError, reasonOf } from "../errors.ts";
import { sumsOf } from "./file-sums.ts";
import { readOnnxFile } from "./onnx-file.ts";
import { type InlineSession, openSession, startRuntime, type WeightFile } from "./session.ts";
import { type Feeds, type TensorParts, tensorOf } from "./tensor.ts";
import { FILE_PART_BYTES, type FromWorker, type ToWorker } from "./worker-session.ts";

type Calls = { readonly [Name in keyof ToWorker]: (call: never) => Promise<unknown> };

const starting = startRuntime();
let content = new Uint8Array(0);
let bytes: Uint8Array = content;
let file = "";
const weights: WeightFile[] = [];
let session: InlineSession | undefined;

const CALLS: Calls = {
  file: async ({ weight, bytes: size }: ToWorker["file"]) => {
    const taken = new Uint8Array(size);
    if (weight === undefined) content = taken;
    else weights.push({ name: weight, content: taken });
  },
  part: async ({ offset, part }: ToWorker["part"]) => {
    (weights.at(-1)?.content ?? content).set(part, offset);
  },
  parse: async (call: ToWorker["parse"]) => {
    file = call.file;
    if (call.asIs) bytes = content;
    else {
      const onnx = readOnnxFile(content, file);
      bytes = onnx.bytes;
      return { classLabels: onnx.classLabels, weightFiles: onnx.weightFiles, isRewritten: bytes !== content };
    }
    return { classLabels: {}, weightFiles: [], isRewritten: false };
  },
  open: async () => {
    await starting;
    // CPU time: how long another process would be held that has a core to itself.
    const before = process.cpuUsage();
    session = await openSession(bytes, file, weights);
    const { user, system } = process.cpuUsage(before);
    return { graph: session.graph, openMs: (user + system) / 1_000, ...sumsOf(content, weights) };
  },
  read: async ({ offset }: ToWorker["read"]) => ({
    part: bytes.slice(offset, offset + FILE_PART_BYTES),
    bytes: bytes.byteLength,
  }),
  // The runtime has its own copy once it is open.
  keepOpen: async () => {
    content = new Uint8Array(0);
    bytes = content;
    weights.length = 0;
  },
  run: async ({ feeds, outputs, rowCount }: ToWorker["run"]) => {
    const tensors: Feeds = {};
    for (const [input, { type, data, dims }] of Object.entries(feeds)) tensors[input] = tensorOf(type, data, dims);
    const startMs = performance.now();
    const results = await session!.runFeeds(tensors, outputs, rowCount);
    const runMs = performance.now() - startMs;
    const parts: Record<string, Omit<TensorParts, "type">> = {};
    for (const [output, { data, dims }] of Object.entries(results)) parts[output] = { data, dims };
    return { outputs: parts, runMs };
  },
  release: async () => {
    await session?.release();
    session = undefined;
    content = new Uint8Array(0);
    bytes = content;
    weights.length = 0;
  },
};

const tell = (message: FromWorker): void => void process.send?.(message);

process.on("message", ({ id, name, call }: { id: number; name: keyof ToWorker; call: never }) => {
  CALLS[name](call).then(
    (done) => tell({ id, done }),
    (thrown: unknown) =>
      tell({
        id,
        failed: { code: thrown instanceof HeadgateError ? thrown.code : "MODEL_FAILED", message: reasonOf(thrown) },
      }),
  );
});
process.on("disconnect", () => process.exit(0));
// A run holds this thread, for ever if it does not end: another one sees that the parent is gone then.
new Worker(new URL("./parent-watch.js", import.meta.url), { workerData: process.ppid }).unref();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});
