/**
 * One ONNX model in the runtime. The runtime's `run` is a synchronous native call inside setImmediate: it blocks the
 * event loop for as long as it lasts, so one thread is all it is given (more would spin while the loop waits), and how
 * often it is called is batcher.ts's business.
 *
 * Of the runtime's answers only those the manifest maps are asked for. With tensor.ts this is the runtime's only home.
 */

import { env, InferenceSession } from "onnxruntime-node";
import { HeadgateError, reasonOf } from "../errors.ts";
import { type Graph, type GraphPort, type Signature, TENSOR_TYPES } from "./signature.ts";
import { compileFeeds, type FeatureRow, type OutputValue, type RunResult, readOutput } from "./tensor.ts";

/** Runs the model over rows, in order. Rejects with MODEL_FAILED, or with what tensor.ts refuses of a row. */
export type RunModel = (rows: readonly FeatureRow[]) => Promise<RunResult>;

/** A model in the runtime. */
export interface ModelSession {
  readonly graph: Graph;
  /** The way to run it under a signature; to be called before `release` only. */
  compileRun(signature: Signature): RunModel;
  /** Frees the model. No run may be under way. */
  release(): Promise<void>;
}

const OPTIONS: InferenceSession.SessionOptions = {
  executionProviders: ["cpu"],
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  // Errors only: tree models print a warning line at every run otherwise.
  logSeverityLevel: 3,
};

/** Loads a model without ZipMap. Throws MODEL_FILE_INVALID with the runtime's reason; `file` names the bytes. */
export async function openSession(bytes: Uint8Array, file: string): Promise<ModelSession> {
  let session: InferenceSession;
  try {
    session = await InferenceSession.create(bytes, OPTIONS);
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
    release: () => session.release(),
  });
}

function portOf(metadata: InferenceSession.ValueMetadata): GraphPort {
  if (!metadata.isTensor) return Object.freeze({ name: metadata.name, type: undefined, shape: [] });
  const type = TENSOR_TYPES.find((known) => known === metadata.type);
  return Object.freeze({ name: metadata.name, type, shape: Object.freeze([...metadata.shape]) });
}

function compileRun(session: InferenceSession, signature: Signature, file: string): RunModel {
  const feedsOf = compileFeeds(signature.inputs);
  const fetches = [...new Set(signature.outputs.map(({ output }) => output))];

  async function runTogether(rows: readonly FeatureRow[]): Promise<RunResult> {
    const feeds = feedsOf(rows);
    let results: InferenceSession.ReturnType;
    try {
      results = await session.run(feeds, fetches);
    } catch (thrown) {
      throw new HeadgateError(
        "MODEL_FAILED",
        `${file} failed over ${rows.length} rows: ${reasonOfRuntime(thrown)}.`,
        thrown,
      );
    }
    return { outputs: signature.outputs.map((plan) => readOutput(plan, results[plan.output]!, rows.length)) };
  }

  async function runOneByOne(rows: readonly FeatureRow[]): Promise<RunResult> {
    const outputs = signature.outputs.map((): OutputValue[] => []);
    for (const row of rows) {
      const answer = await runTogether([row]);
      for (const [i, values] of answer.outputs.entries()) outputs[i]!.push(values[0]!);
    }
    return { outputs };
  }

  return signature.rowsPerRun === 1 ? runOneByOne : runTogether;
}

/** The runtime's own words, on one line, without the C++ function and the path on the machine that it was built on. */
function reasonOfRuntime(thrown: unknown): string {
  return reasonOf(thrown)
    .replace(/\/\S*\/onnxruntime\/\S+:\d+\s?/g, "")
    .replace(/\s+/g, " ")
    .replace(/[\w:<>]+ onnxruntime::[\w:]+\(.*?\) (?=[A-Z])/, "")
    .replace(/[\s.;]+$/, "")
    .slice(0, 400);
}
