/**
 * One ONNX model in the runtime. The runtime's `run` is a synchronous native call inside setImmediate: it blocks the
 * event loop for as long as it lasts, so one thread is all it is given (more would spin while the loop waits), and how
 * often it is called is batcher.ts's business.
 *
 * The rows are taken by a setImmediate of our own just before the runtime's: a request that is read from its socket in
 * this turn still goes with this run, where waiting first and running then would take a turn more and runs half as
 * full. Till then the runtime holds feeds of no rows, so that, should it ever look at them sooner, the run fails.
 *
 * Of the runtime's answers only those the manifest maps are asked for. With tensor.ts this is the runtime's only home.
 */

import { env, InferenceSession, type Tensor } from "onnxruntime-node";
import { HeadgateError, reasonOf } from "../errors.ts";
import { type Graph, type GraphPort, type Signature, TENSOR_TYPES } from "./signature.ts";
import {
  compileFeeds,
  type FedRow,
  type Feeds,
  type OutputValue,
  type RunResult,
  readOutput,
  type TensorParts,
} from "./tensor.ts";

/** Gives the rows of a run: called once, and as late as can be, so that they may gather until then. */
export type TakeRows = () => readonly FedRow[];

/**
 * Runs the model over the rows that `take` gives at the end of this turn of the event loop, in order. Rejects with
 * MODEL_FAILED, or with what tensor.ts refuses of a row.
 */
export type RunModel = (take: TakeRows) => Promise<RunResult>;

/** A model in the runtime, here or in a process of its own (worker-session.ts). */
export interface ModelSession {
  readonly graph: Graph;
  /** The way to run it under a signature; to be called before `release` only. */
  compileRun(signature: Signature): RunModel;
  /** Frees the model. No run may be under way. */
  release(): Promise<void>;
}

/** A model in this process' runtime. */
export interface InlineSession extends ModelSession {
  /** Runs over tensors that are filled already; `rowCount` is for messages. Rejects with MODEL_FAILED. */
  runFeeds(feeds: Feeds, outputs: readonly string[], rowCount: number): Promise<Readonly<Record<string, TensorParts>>>;
}

const OPTIONS: InferenceSession.SessionOptions = {
  executionProviders: ["cpu"],
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  // Nothing that is not fatal: tree models print a warning line at every run, and what fails is thrown as well as printed.
  logSeverityLevel: 4,
  // Each session would keep an arena and plans for every batch size it has seen; swaps would add up to megabytes.
  enableCpuMemArena: false,
  enableMemPattern: false,
};

const NO_TENSOR = undefined as unknown as Feeds[string];

/** A file beside the model that holds weights of it. */
export interface WeightFile {
  /** As the model names it. */
  readonly name: string;
  readonly content: Uint8Array;
}

/**
 * Loads a model as onnx-file.ts gives it. Throws MODEL_FILE_INVALID with the runtime's reason, which names the
 * operator or type that it does not have; `file` names the bytes.
 */
export async function openSession(
  bytes: Uint8Array,
  file: string,
  weights: readonly WeightFile[] = [],
): Promise<InlineSession> {
  const externalData = weights.map(({ name, content }) => ({ path: name, data: content }));
  let session: InferenceSession;
  try {
    session = await InferenceSession.create(bytes, weights.length === 0 ? OPTIONS : { ...OPTIONS, externalData });
  } catch (thrown) {
    throw new HeadgateError(
      "MODEL_FILE_INVALID",
      `${file} can't be loaded: ${reasonOfRuntime(thrown)}; export it again for onnxruntime ${env.versions.node} on CPU.`,
      thrown,
    );
  }
  const graph: Graph = Object.freeze({
    file,
    inputs: Object.freeze(session.inputMetadata.map(portOf)),
    outputs: Object.freeze(session.outputMetadata.map(portOf)),
  });
  return Object.freeze({
    graph,
    compileRun: (signature: Signature) => compileRun(session, signature, file),
    runFeeds: async (feeds: Feeds, outputs: readonly string[], rowCount: number) => {
      try {
        return (await session.run(feeds, outputs)) as Record<string, Tensor>;
      } catch (thrown) {
        throw runFailed(file, rowCount, thrown);
      }
    },
    release: () => session.release(),
  });
}

/** Starts the runtime, so that the first model takes no longer to be opened than any other. */
export async function startRuntime(): Promise<void> {
  // There is no call for that alone: it starts, and then refuses what is no model.
  await InferenceSession.create(new Uint8Array(1), OPTIONS).catch(() => {});
}

function portOf(metadata: InferenceSession.ValueMetadata): GraphPort {
  if (!metadata.isTensor) return Object.freeze({ name: metadata.name, type: undefined, shape: [] });
  const type = TENSOR_TYPES.find((known) => known === metadata.type);
  return Object.freeze({ name: metadata.name, type, shape: Object.freeze([...metadata.shape]) });
}

function compileRun(session: InferenceSession, signature: Signature, file: string): RunModel {
  const feedsOf = compileFeeds(signature.inputs);
  const fetches = fetchesOf(signature);
  const noRows = feedsOf([]);

  async function runTogether(take: TakeRows): Promise<RunResult> {
    const feeds: Feeds = { ...noRows };
    let rowCount = 0;
    let refused: { readonly thrown: unknown } | undefined;
    const taking = setImmediate(() => {
      try {
        const rows = take();
        rowCount = rows.length;
        Object.assign(feeds, feedsOf(rows));
      } catch (thrown) {
        refused = { thrown };
        // A feed that is no tensor keeps the runtime from running (and from logging that an input is missing).
        for (const input in feeds) feeds[input] = NO_TENSOR;
      }
    });
    let results: InferenceSession.ReturnType;
    try {
      results = await session.run(feeds, fetches);
    } catch (thrown) {
      clearImmediate(taking);
      if (refused !== undefined) throw refused.thrown;
      throw runFailed(file, rowCount, thrown);
    }
    if (refused !== undefined) throw refused.thrown;
    return { outputs: signature.outputs.map((plan) => readOutput(plan, results[plan.output]!, rowCount)) };
  }

  return inSteps(signature, runTogether);
}

/** The outputs that the manifest maps, each once. */
export const fetchesOf = ({ outputs }: Signature): readonly string[] => [
  ...new Set(outputs.map(({ output }) => output)),
];

/** For a graph fixed to a number of rows: runs it as often as it takes; the last rows are repeated until they are as many. */
export function inSteps({ outputs: plans, rowsPerRun }: Signature, runTogether: RunModel): RunModel {
  async function runInSteps(take: TakeRows): Promise<RunResult> {
    const rows = take();
    const outputs = plans.map((): OutputValue[] => []);
    let runMs: number | undefined;
    for (let start = 0; start < rows.length; start += rowsPerRun) {
      const left = rows.length - start;
      const step = Array.from({ length: rowsPerRun }, (_, i) => rows[start + Math.min(i, left - 1)]!);
      const answer = await runTogether(() => step);
      if (answer.runMs !== undefined) runMs = (runMs ?? 0) + answer.runMs;
      for (const [i, values] of answer.outputs.entries()) outputs[i]!.push(...values.slice(0, left));
    }
    return runMs === undefined ? { outputs } : { outputs, runMs };
  }
  return Number.isFinite(rowsPerRun) ? runInSteps : runTogether;
}

/** The runtime itself failed over a run's rows; other failures of a run are of what it answered, or of its process. */
export class RunFailedError extends HeadgateError {}

function runFailed(file: string, rowCount: number, thrown: unknown): RunFailedError {
  return new RunFailedError(
    "MODEL_FAILED",
    `${file} failed over ${rowCount} rows: ${reasonOfRuntime(thrown)}.`,
    thrown,
  );
}

/** TensorProto.DataType of the types that no tensor in JavaScript has: the runtime's binding says their number alone. */
const ELEMENT_TYPES: Readonly<Record<string, string>> = {
  14: "complex64",
  15: "complex128",
  16: "bfloat16",
  17: "float8e4m3fn",
  18: "float8e4m3fnuz",
  19: "float8e5m2",
  20: "float8e5m2fnuz",
  21: "uint4",
  22: "int4",
  23: "float4e2m1",
};

/** The runtime's own words, on one line, without the C++ function and the path on the machine that it was built on. */
function reasonOfRuntime(thrown: unknown): string {
  return reasonOf(thrown)
    .replace(/\/\S*\/onnxruntime\/\S+:\d+\s?/g, "")
    .replace(/\s+/g, " ")
    .replace(/(data type: )(\d+)/, (all, before, type) => (ELEMENT_TYPES[type] ? before + ELEMENT_TYPES[type] : all))
    .replace(/[\w:<>]+ onnxruntime::[\w:]+\(.*?\) (?=[A-Z])/, "")
    .replace(/[\s.;]+$/, "")
    .slice(0, 400);
}
