/**
 * One version of a model, from its files to READY and back. Loading decides everything that can be decided (manifest,
 * graph, signature, golden examples, warm-up) and either gives a version that serves or throws why not, with nothing
 * left behind. States are Triton's.
 */

import { channel } from "node:diagnostics_channel";
import { HeadgateError, reasonOf } from "../errors.ts";
import type { FeatureColumn } from "../features/read-plan.ts";
import { type BatchedResult, type BatcherOptions, createBatcher, MAX_BATCH_ROWS } from "./batcher.ts";
import { type Manifest, parseManifest } from "./manifest.ts";
import { type OpenedModel, openElsewhere, openHere, type ProvenModel, prove } from "./opened-model.ts";
import { type Place, type Placement, settle } from "./placement.ts";
import type { ModelRepository } from "./repository.ts";
import { observeRuns, RunCounts } from "./run-counts.ts";
import type { Graph, Signature } from "./signature.ts";
import type { SpareWorker } from "./spare-worker.ts";
import type { FedRow } from "./tensor.ts";
import { WORKERS_WORK } from "./worker-session.ts";
import type { ClassLabels } from "./zipmap.ts";

/** States of a version, in Triton's words (ModelReadyState). */
export type ModelState = "UNKNOWN" | "LOADING" | "READY" | "UNLOADING" | "UNAVAILABLE";

/** A version that serves. */
export interface LoadedModel {
  readonly name: string;
  readonly version: number;
  readonly manifest: Manifest;
  readonly signature: Signature;
  /** The inputs and outputs as the model file declares them. */
  readonly graph: Graph;
  /** The service's features, in the order that `predict` takes them. */
  readonly columns: readonly FeatureColumn[];
  /** READY until `close`; UNAVAILABLE while its worker processes end again and again. */
  readonly state: ModelState;
  /** Why it can't run although it is loaded; undefined while it can. */
  readonly failure: string | undefined;
  /** SHA-256 of the model file as it lies in the repository, and of its files of weights after it, hexadecimal. */
  readonly sha256: string;
  /** Of the model file and its files of weights. */
  readonly modelBytes: number;
  /** By name in the answer: the classes of a probabilities output whose ZipMap was taken out. */
  readonly classLabels: Readonly<Record<string, ClassLabels>>;
  /** The least that one run of one row took at load, µs. */
  readonly runMicros: number;
  /** CPU time that opening it in a worker took, ms; 0 where it was opened on this thread. */
  readonly openMs: number;
  /** Where it runs: on this thread, or in processes of its own since it is slow or nobody waits for it. */
  readonly placement: Placement;
  /** Rows waiting for a run. */
  readonly queuedRows: number;
  /** How long one more row is expected to take, ms; 0 while nothing is ahead of it. */
  readonly expectedMs: number;
  /** Of its runs since it was loaded. */
  readonly runCounts: RunCounts;
  /**
   * Holds the version from when a request finds it to when it is answered: `close` waits for as many `leave` as there
   * were `enter`. To be called in the turn in which it was found.
   */
  enter(): void;
  leave(): void;
  /**
   * Answers feature rows in the order of `columns`, or rows of tensors, together with whoever else asks in the same
   * turn. Missing values are to be dealt with before, by the manifest's policy. Rejects with OVERLOADED (at once, when
   * what waits and this would take more than `budgetMs`, by what runs have taken so far), MODEL_UNAVAILABLE,
   * MODEL_FAILED, FEATURES_MISSING or SIGNATURE_MISMATCH (a value that the input's type can't hold).
   */
  predict(rows: readonly FedRow[], budgetMs?: number): Promise<BatchedResult>;
  /** Waits for those that hold it, answers what was taken, then frees the model. */
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

const modelState = channel("headgate:model-state");

/** Which version to load. */
export interface VersionToLoad extends Omit<LoadOptions, "repository"> {
  readonly repository: Pick<ModelRepository, "readManifest" | "readModel" | "readWeights">;
  readonly name: string;
  readonly version: number;
  /** The version's manifest where it was read already. */
  readonly manifest?: Manifest;
  /** True while requests are served: it is proven in a worker process then, and not on this thread. */
  readonly isServing?: boolean;
  /** True for what nobody waits for, such as a shadow: it stays in worker processes, however quick it is. */
  readonly aside?: boolean;
  /** True for one that is only tried, as a deploy does: nobody is told of its states and runs, since it never serves. */
  readonly isCandidate?: boolean;
  /** True where the same files are loaded already and only go to another place: that they are READY again is no news. */
  readonly isMove?: boolean;
  /** Aborted: it is not loaded after all, and its worker is ended, also later. */
  readonly signal?: AbortSignal | undefined;
  /** Lends the worker that versions are proven in; each gets one of its own unless given. */
  readonly spare?: SpareWorker;
}

/** Loads one version. Throws one of the errors of models in ../errors.ts, naming file and next step. */
export async function loadModel(options: VersionToLoad): Promise<LoadedModel> {
  const { name, version, now } = options;
  const enter = (state: ModelState, reason?: string) => {
    if (options.isCandidate === true) return;
    if (options.isMove === true && (state === "LOADING" || state === "READY")) return;
    const event: ModelStateEvent = { model: name, version, state, reason };
    if (modelState.hasSubscribers) modelState.publish(event);
  };
  enter("LOADING");
  try {
    const manifest = options.manifest ?? (await readManifest(options.repository, name, version));
    const columns = columnsOfService(options, manifest);
    const { isServing = false, aside = false } = options;
    const isElsewhere = WORKERS_WORK && (isServing || aside);
    const opened = await (isElsewhere ? openElsewhere(options, aside ? undefined : options.spare) : openHere(options));
    try {
      checkFiles(manifest, opened);
      const proven = await prove(opened.session, manifest, columns, now, options.signal);
      // One that is only tried runs one row at a time.
      const threads = options.isCandidate === true ? 1 : manifest.threads;
      const place = await settle(options, opened, proven, threads, aside, options.spare);
      return serve(options, { manifest, columns, opened, proven, place }, enter);
    } catch (thrown) {
      await opened.session.release();
      throw thrown;
    }
  } catch (thrown) {
    enter("UNAVAILABLE", reasonOf(thrown));
    throw thrown;
  }
}

/** Reads and checks a version's manifest. Throws MODEL_NOT_FOUND, VERSION_NOT_FOUND or MANIFEST_INVALID. */
async function readManifest(
  repository: Pick<ModelRepository, "readManifest">,
  name: string,
  version?: number,
): Promise<Manifest> {
  const { file, content } = await repository.readManifest(name, version);
  return parseManifest(content, file);
}

/** What a version is made of. */
interface Parts {
  readonly manifest: Manifest;
  readonly columns: readonly FeatureColumn[];
  readonly opened: OpenedModel;
  readonly proven: ProvenModel;
  readonly place: Place;
}

function serve(options: VersionToLoad, parts: Parts, enter: (state: ModelState) => void): LoadedModel {
  const { name, now, version, maxBatchRows: mostRows = MAX_BATCH_ROWS } = options;
  const { columns, manifest, opened, place } = parts;
  const { runMicros, runTime, signature } = parts.proven;
  const runCounts = new RunCounts();
  const batcher = createBatcher({
    run: options.isCandidate === true ? place.run : observeRuns(place.run, { name, version, now, runCounts }),
    now,
    runTime,
    maxRuns: place.maxRuns,
    maxBatchRows: Math.min(manifest.maxBatchRows ?? mostRows, mostRows),
    maxQueueRows: options.maxQueueRows,
    maxDelayMs: manifest.maxDelayUs / 1_000,
  });
  const holders = createHolders();
  let state: ModelState = "READY";
  const become = (next: ModelState) => {
    state = next;
    enter(next);
  };
  const end = async () => {
    become("UNLOADING");
    await holders.none();
    await batcher.close();
    await place.release();
    become("UNAVAILABLE");
  };
  let ending: Promise<void> | undefined;
  enter("READY");
  return Object.freeze({
    name,
    version,
    manifest,
    signature,
    graph: opened.session.graph,
    columns,
    sha256: opened.sha256,
    modelBytes: opened.modelBytes,
    classLabels: labelsByName(manifest, opened.classLabels),
    runMicros,
    openMs: opened.openMs,
    placement: place.placement,
    get state() {
      return state === "READY" && place.failure() !== undefined ? "UNAVAILABLE" : state;
    },
    get failure() {
      return place.failure();
    },
    get queuedRows() {
      return batcher.queuedRows;
    },
    get expectedMs() {
      return batcher.expectedMs;
    },
    runCounts,
    enter: holders.enter,
    leave: holders.leave,
    predict: (rows: readonly FedRow[], budgetMs?: number) => batcher.run(rows, budgetMs),
    close: () => (ending ??= end()),
  });
}

/** Counts those that hold a version. */
function createHolders() {
  let held = 0;
  let onNone: (() => void) | undefined;
  return {
    enter: () => {
      held++;
    },
    leave: () => {
      if (--held === 0) onNone?.();
    },
    /** Resolves when nobody holds it; to be asked once. */
    none: () =>
      new Promise<void>((resolve) => {
        if (held === 0) resolve();
        else onNone = resolve;
      }),
  };
}

/** A deployed version's files are what they were when it was deployed. Throws CHECKSUM_MISMATCH. */
function checkFiles(manifest: Manifest, { file, files }: OpenedModel): void {
  for (const [name, { bytes, sha256 }] of Object.entries(manifest.files)) {
    const found = files.get(name);
    if (found?.bytes === bytes && found.sha256 === sha256) continue;
    throw new HeadgateError(
      "CHECKSUM_MISMATCH",
      `${name} beside ${file} is not what ${manifest.file} says was deployed (${bytes} bytes, SHA-256 ${sha256}); deploy it again as a new version.`,
    );
  }
}

function columnsOfService(
  { columnsOf }: Pick<LoadOptions, "columnsOf">,
  { file, service }: Manifest,
): readonly FeatureColumn[] {
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
