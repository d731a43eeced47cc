/**
 * One version of a model, from its files to READY and back. Loading decides everything that can be decided (manifest,
 * graph, signature, golden examples, warm-up) and either gives a version that serves or throws why not, with nothing
 * left behind. States are Triton's.
 */

import { channel } from "node:diagnostics_channel";
import { HeadgateError, reasonOf } from "../errors.ts";
import type { FeatureColumn } from "../features/read-plan.ts";
import { type BatchedResult, type BatcherOptions, createBatcher } from "./batcher.ts";
import { checkExamples, compileExamples, warmUp } from "./golden.ts";
import { type Manifest, parseManifest } from "./manifest.ts";
import { readOnnxFile } from "./onnx-file.ts";
import { type ModelRepository, sha256Of } from "./repository.ts";
import { type ModelSession, openSession, type RunModel, type TakeRows, type WeightFile } from "./session.ts";
import { compileSignature, type Signature } from "./signature.ts";
import type { FeatureRow } from "./tensor.ts";
import type { ClassLabels } from "./zipmap.ts";

/** States of a version, in Triton's words (ModelReadyState). */
export type ModelState = "UNKNOWN" | "LOADING" | "READY" | "UNLOADING" | "UNAVAILABLE";

/** A version that serves. */
export interface LoadedModel {
  readonly name: string;
  readonly version: number;
  readonly manifest: Manifest;
  readonly signature: Signature;
  /** The service's features, in the order that `predict` takes them. */
  readonly columns: readonly FeatureColumn[];
  /** READY until `close`. */
  readonly state: ModelState;
  /** SHA-256 of the model file as it lies in the repository, and of its files of weights after it, hexadecimal. */
  readonly sha256: string;
  /** Of the model file and its files of weights. */
  readonly modelBytes: number;
  /** By name in the answer: the classes of a probabilities output whose ZipMap was taken out. */
  readonly classLabels: Readonly<Record<string, ClassLabels>>;
  /** The least that one run of one row took at load, µs. */
  readonly runMicros: number;
  /** Rows waiting for a run. */
  readonly queuedRows: number;
  /**
   * Answers feature rows in the order of `columns`, together with whoever else asks in the same turn. Missing values
   * are to be dealt with before, by the manifest's policy. Rejects with OVERLOADED, MODEL_UNAVAILABLE, MODEL_FAILED,
   * FEATURES_MISSING or SIGNATURE_MISMATCH (a value that the input's type can't hold).
   */
  predict(rows: readonly FeatureRow[]): Promise<BatchedResult>;
  /** Answers what was taken, then frees the model. */
  close(): Promise<void>;
}

/** What loading needs. */
export interface LoadOptions extends Pick<BatcherOptions, "maxBatchRows" | "maxQueueRows"> {
  readonly repository: ModelRepository;
  /** The columns of a feature service, or undefined when the feature repository has none of that name. */
  readonly columnsOf: (service: string) => readonly FeatureColumn[] | undefined;
  /** Monotonic milliseconds, such as performance.now. */
  readonly now: () => number;
}

/** Published when a version changes its state. */
export interface ModelStateEvent {
  readonly model: string;
  readonly version: number;
  readonly state: ModelState;
  readonly reason: string | undefined;
}

/** Published after every run of a model; `durationMs` is from the call to the answer, with the turn that it waits. */
export interface ModelRunEvent {
  readonly model: string;
  readonly version: number;
  readonly rows: number;
  readonly durationMs: number;
  readonly failed: boolean;
}

const modelState = channel("headgate:model-state");
const modelRun = channel("headgate:model-run");

/** Which version to load. */
export interface VersionToLoad extends LoadOptions {
  readonly name: string;
  readonly version: number;
  /** The model's manifest where it was read already. */
  readonly manifest?: Manifest;
}

/** Loads one version. Throws one of the errors of models in ../errors.ts, naming file and next step. */
export async function loadModel(options: VersionToLoad): Promise<LoadedModel> {
  const { name, version } = options;
  const enter = (state: ModelState, reason?: string) => {
    const event: ModelStateEvent = { model: name, version, state, reason };
    if (modelState.hasSubscribers) modelState.publish(event);
  };
  enter("LOADING");
  try {
    const manifest = options.manifest ?? (await readManifest(options.repository, name));
    const { file, content } = await options.repository.readModel(name, version);
    const { bytes, classLabels, weightFiles } = readOnnxFile(content, file);
    const columns = columnsOfService(options, manifest);
    const weights = await readWeights(options, weightFiles);
    const session = await openSession(bytes, file, weights);
    const proven = await prove(session, manifest, columns, options.now).catch(async (thrown) => {
      await session.release();
      throw thrown;
    });
    const traits = {
      name,
      version,
      manifest,
      columns,
      sha256: sha256Of(content, ...weights.map((weight) => weight.content)),
      modelBytes: weights.reduce((bytesSoFar, weight) => bytesSoFar + weight.content.byteLength, content.byteLength),
      classLabels: labelsByName(manifest, classLabels),
      ...proven,
    };
    return serve(options, session, traits, enter);
  } catch (thrown) {
    enter("UNAVAILABLE", reasonOf(thrown));
    throw thrown;
  }
}

/** Reads and checks a model's manifest. Throws MODEL_NOT_FOUND or MANIFEST_INVALID. */
export async function readManifest(repository: ModelRepository, name: string): Promise<Manifest> {
  const { file, content } = await repository.readManifest(name);
  return parseManifest(content, file);
}

/** One after the other: a model of gigabytes is not to be in memory twice. */
async function readWeights(
  { repository, name, version }: VersionToLoad,
  files: readonly string[],
): Promise<readonly WeightFile[]> {
  const read: WeightFile[] = [];
  for (const file of files) {
    const { content } = await repository.readWeights(name, version, file);
    read.push({ name: file, content });
  }
  return read;
}

/** What is known of a version before it serves. */
type Traits = Omit<LoadedModel, "state" | "queuedRows" | "predict" | "close"> & { readonly run: RunModel };

/** Everything that a model must show before it may serve. */
async function prove(session: ModelSession, manifest: Manifest, columns: readonly FeatureColumn[], now: () => number) {
  const signature = compileSignature(manifest, session.graph, columns);
  const examples = compileExamples(manifest, columns);
  const run = session.compileRun(signature);
  await checkExamples(run, examples, signature, manifest);
  return { signature, run, runMicros: await warmUp(run, examples, signature, columns, now) };
}

function serve(
  options: LoadOptions,
  session: ModelSession,
  { run, ...traits }: Traits,
  enter: (state: ModelState) => void,
): LoadedModel {
  const { now, maxBatchRows, maxQueueRows } = options;
  const batcher = createBatcher({ run: observed(run, traits.name, traits.version, now), maxBatchRows, maxQueueRows });
  let state: ModelState = "READY";
  const become = (next: ModelState) => {
    state = next;
    enter(next);
  };
  async function close(): Promise<void> {
    if (state !== "READY") return;
    become("UNLOADING");
    await batcher.close();
    await session.release();
    become("UNAVAILABLE");
  }
  enter("READY");
  return Object.freeze({
    ...traits,
    get state() {
      return state;
    },
    get queuedRows() {
      return batcher.queuedRows;
    },
    predict: (rows: readonly FeatureRow[]) => batcher.run(rows),
    close,
  });
}

/** Tells the channel of every run; calls straight through while nobody listens. */
function observed(run: RunModel, model: string, version: number, now: () => number): RunModel {
  async function runObserved(take: TakeRows) {
    const startMs = now();
    let failed = true;
    let rowCount = 0;
    const counted = () => {
      const rows = take();
      rowCount = rows.length;
      return rows;
    };
    try {
      const result = await run(counted);
      failed = false;
      return result;
    } finally {
      const durationMs = now() - startMs;
      modelRun.publish({ model, version, rows: rowCount, durationMs, failed } satisfies ModelRunEvent);
    }
  }
  return (take) => (modelRun.hasSubscribers ? runObserved(take) : run(take));
}

function columnsOfService({ columnsOf }: LoadOptions, { file, service }: Manifest): readonly FeatureColumn[] {
  const columns = columnsOf(service);
  if (columns !== undefined) return columns;
  throw new HeadgateError(
    "SIGNATURE_MISMATCH",
    `${file}: there is no feature service "${service}" in the feature repository; declare it, or name one that is.`,
  );
}

function labelsByName(
  manifest: Manifest,
  byOutput: Readonly<Record<string, ClassLabels>>,
): Readonly<Record<string, ClassLabels>> {
  const named = manifest.outputs.filter(({ output }) => Object.hasOwn(byOutput, output));
  return Object.freeze(Object.fromEntries(named.map(({ name, output }) => [name, byOutput[output]!])));
}
