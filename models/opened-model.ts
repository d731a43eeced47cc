/**
 * A version's files, opened and proven, on this thread or in a worker process. While requests are served nothing of a
 * new version is done here that takes long: its file is parsed, opened, compared with its examples, warmed up and timed
 * in a worker, and only what has shown to be quick is then opened here as well.
 */

import type { FeatureColumn } from "../features/read-plan.ts";
import { type FileSums, sumsOf } from "./file-sums.ts";
import { checkExamples, checkScore, compileExamples, provingRows, warmUp } from "./golden.ts";
import type { Manifest } from "./manifest.ts";
import { readOnnxFile } from "./onnx-file.ts";
import type { ModelRepository } from "./repository.ts";
import { RunTime } from "./run-time.ts";
import { type ModelSession, openSession, type RunModel, type WeightFile } from "./session.ts";
import { compileSignature, type Signature } from "./signature.ts";
import type { SpareWorker } from "./spare-worker.ts";
import { SessionWorker } from "./worker-session.ts";
import type { ClassLabels } from "./zipmap.ts";

/** Which version's files to open, and from where. */
export interface VersionFiles {
  readonly repository: Pick<ModelRepository, "readModel" | "readWeights">;
  readonly name: string;
  readonly version: number;
  /** Aborted: a worker that has it open is ended, whatever it is doing. */
  readonly signal?: AbortSignal | undefined;
}

/** A model that is open and not proven yet. */
export interface OpenedModel extends FileSums {
  /** For messages. */
  readonly file: string;
  readonly session: ModelSession;
  /** The worker that holds it; undefined: it is open on this thread. */
  readonly worker: SessionWorker | undefined;
  /** CPU time that the runtime took to open it, ms; 0 where that was on this thread, which has been held for it already. */
  readonly openMs: number;
  /** What onnx-file.ts made of it, to open it once more. */
  bytes(): Promise<Uint8Array>;
  readonly weights: readonly WeightFile[];
  readonly classLabels: Readonly<Record<string, ClassLabels>>;
}

/** A model that has shown what it must. */
export interface ProvenModel {
  readonly signature: Signature;
  readonly run: RunModel;
  readonly runMicros: number;
  readonly runTime: RunTime;
}

/** Opens a version on this thread. Throws MODEL_FILE_INVALID and what the repository does. */
export async function openHere(files: VersionFiles): Promise<OpenedModel> {
  const { file, content } = await files.repository.readModel(files.name, files.version);
  const { bytes, classLabels, weightFiles } = readOnnxFile(content, file);
  const weights = await readWeights(files, weightFiles);
  const session = await openSession(bytes, file, weights);
  const sums = sumsOf(content, weights);
  return { file, session, worker: undefined, openMs: 0, bytes: async () => bytes, weights, classLabels, ...sums };
}

/** Opens a version in a worker of its own, the spare one where it is free. Throws as openHere does, and MODEL_FAILED when the worker ends. */
export async function openElsewhere(files: VersionFiles, spare?: SpareWorker): Promise<OpenedModel> {
  const { file, content } = await files.repository.readModel(files.name, files.version);
  const worker = (await spare?.take(file)) ?? new SessionWorker(file, undefined, files.signal);
  try {
    await worker.sendFile(undefined, content);
    const { classLabels, isRewritten, weightFiles } = await worker.call("parse", { file, asIs: false });
    const weights = await readWeights(files, weightFiles);
    for (const weight of weights) await worker.sendFile(weight.name, weight.content);
    const { graph, openMs, ...sums } = await worker.call("open", null);
    const session = worker.session(graph);
    const bytes = async () => (isRewritten ? worker.readRewritten() : content);
    return { file, session, worker, openMs, bytes, weights, classLabels, ...sums };
  } catch (thrown) {
    await worker.end();
    throw thrown;
  }
}

/** Everything that a model must show before it may serve. Throws what it fails in; the session stays open. */
export async function prove(
  session: ModelSession,
  manifest: Manifest,
  columns: readonly FeatureColumn[],
  now: () => number,
  signal?: AbortSignal,
): Promise<ProvenModel> {
  const signature = compileSignature(manifest, session.graph, columns);
  const examples = compileExamples(manifest, columns);
  const run = session.compileRun(signature);
  await checkExamples(run, examples, signature, manifest, signal);
  const batchRows = provingRows(manifest);
  const { batchMs, runMicros } = await warmUp(run, examples, signature, columns, now, batchRows);
  await checkScore(run, examples, signature, columns, manifest);
  const runTime = new RunTime({ rows: 1, ms: runMicros / 1_000 }, { rows: batchRows, ms: batchMs });
  return { signature, run, runMicros, runTime };
}

/** One after the other: a model of gigabytes is not to be in memory twice. */
async function readWeights(files: VersionFiles, names: readonly string[]): Promise<readonly WeightFile[]> {
  const read: WeightFile[] = [];
  for (const name of names) {
    const { content } = await files.repository.readWeights(files.name, files.version, name);
    read.push({ name, content });
  }
  return read;
}
