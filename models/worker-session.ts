/**
 * A model in a process of its own, seen from outside: for runs that would hold the event loop, and for files that nobody
 * has run yet. A process and not a thread, because the runtime's binding aborts the whole process when a thread is ended
 * in the middle of a run, and because what a bad model can do (run for ever, take all memory, crash in native code) ends
 * with a process and with nothing else.
 *
 * Files are sent in parts, so that no model, however large, holds the event loop; rows become tensors here.
 */

import { type ChildProcess, fork } from "node:child_process";
import { setPriority } from "node:os";
import { fileURLToPath } from "node:url";
import { type ErrorCode, HeadgateError } from "../errors.ts";
import type { FileSums } from "./file-sums.ts";
import type { OnnxFile } from "./onnx-file.ts";
import {
  fetchesOf,
  inSteps,
  type ModelSession,
  RunFailedError,
  type RunModel,
  type TakeRows,
  type WeightFile,
} from "./session.ts";
import type { Graph, Signature } from "./signature.ts";
import { compileFeeds, type FedRow, type RunResult, readOutput, type TensorParts } from "./tensor.ts";

/** Bytes of a file in one message: what a message costs the event loop stays under a millisecond. */
export const FILE_PART_BYTES = 1_048_576;

/** A call that takes longer ends the worker, ms: a run of a minute is a graph that does not end. */
const CALL_TIMEOUT_MS = 60_000;

/** POSIX' niceness of workers: of a core that they share with their parent, which is at 0, it has the greater part. */
const WORKER_NICENESS = 5;

/** What a worker is asked, by name. */
export interface ToWorker {
  /** A file of so many bytes comes; the model's, or its file of weights of this name. */
  readonly file: { readonly weight: string | undefined; readonly bytes: number };
  readonly part: { readonly offset: number; readonly part: Uint8Array };
  /** `asIs`: the file is what onnx-file.ts made already. */
  readonly parse: { readonly file: string; readonly asIs: boolean };
  readonly open: null;
  readonly read: { readonly offset: number };
  readonly keepOpen: null;
  readonly run: {
    readonly feeds: Readonly<Record<string, TensorParts>>;
    readonly outputs: readonly string[];
    readonly rowCount: number;
  };
  readonly release: null;
}

/** What it answers, by name. */
export interface WorkerAnswers {
  readonly file: undefined;
  readonly part: undefined;
  readonly parse: Omit<OnnxFile, "bytes"> & { readonly isRewritten: boolean };
  /** `openMs`: CPU time that the runtime took to open it. */
  readonly open: FileSums & { readonly graph: Graph; readonly openMs: number };
  readonly read: { readonly part: Uint8Array; readonly bytes: number };
  readonly keepOpen: undefined;
  readonly run: {
    readonly outputs: Readonly<Record<string, Omit<TensorParts, "type">>>;
    readonly runMs: number;
  };
  readonly release: undefined;
}

/** An answer to the call with this id. */
export type FromWorker =
  | { readonly id: number; readonly done: unknown }
  | { readonly id: number; readonly failed: { readonly code: ErrorCode; readonly message: string } };

/** The worker ended in the middle of a call: not to be tried with the same rows again. */
export class WorkerEndedError extends HeadgateError {}

/** Whether a worker can be started: Node 20 starts none from TypeScript, so run from source all models are inline. */
export const WORKERS_WORK = !import.meta.url.endsWith(".ts");

const WORKER_FILE = fileURLToPath(new URL("./session-worker.js", import.meta.url));

interface Waiting {
  resolve(value: never): void;
  reject(cause: unknown): void;
  readonly timer: NodeJS.Timeout;
}

/** A process that holds one model. */
export class SessionWorker {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  #file: string;
  readonly #callTimeoutMs: number;
  #nextId = 0;
  #endedBecause: string | undefined;
  #onEnd: (reason: string) => void = () => {};

  /**
   * Starts the process; `file` names the model in messages. A call of more than `callTimeoutMs` ends it, and so does the
   * signal, whatever it is doing.
   */
  constructor(file: string, callTimeoutMs = CALL_TIMEOUT_MS, signal?: AbortSignal) {
    this.#file = file;
    this.#callTimeoutMs = callTimeoutMs;
    this.#child = fork(WORKER_FILE, [], {
      serialization: "advanced",
      execArgv: [],
      stdio: ["ignore", "ignore", "inherit", "ipc"],
      killSignal: "SIGKILL",
      ...(signal === undefined ? {} : { signal }),
    });
    yieldTo(this.#child.pid);
    this.#child.on("message", (message: FromWorker) => this.#hear(message));
    this.#child.on("error", (cause) => this.#ended(cause.message));
    this.#child.once("exit", (code, signal) => this.#ended(`it ended with ${signal ?? `code ${code}`}`));
  }

  /** The process' id. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Calls back once, when the process ends before it was asked to. */
  onEnd(listener: (reason: string) => void): void {
    if (this.#endedBecause !== undefined) listener(this.#endedBecause);
    else this.#onEnd = listener;
  }

  /** Asks the worker. Rejects as it says, or with WorkerEndedError when it ends before or takes too long. */
  call<Name extends keyof ToWorker>(name: Name, call: ToWorker[Name]): Promise<WorkerAnswers[Name]> {
    if (this.#endedBecause !== undefined) return Promise.reject(this.#endedError());
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const late = () => this.#kill(`it did not answer within ${this.#callTimeoutMs / 1_000} s`);
      const timer = setTimeout(late, this.#callTimeoutMs);
      this.#waiting.set(id, { resolve: resolve as Waiting["resolve"], reject, timer });
      // A failure to send is told by the end of the process, too.
      this.#child.send({ id, name, call }, () => {});
    });
  }

  /** Sends a file in parts. */
  async sendFile(weight: string | undefined, bytes: Uint8Array): Promise<void> {
    await this.call("file", { weight, bytes: bytes.byteLength });
    for (let offset = 0; offset < bytes.byteLength; offset += FILE_PART_BYTES) {
      await this.call("part", { offset, part: bytes.subarray(offset, offset + FILE_PART_BYTES) });
    }
  }

  /** The model as onnx-file.ts made it, in parts as well. */
  async readRewritten(): Promise<Uint8Array> {
    const first = await this.call("read", { offset: 0 });
    const bytes = new Uint8Array(first.bytes);
    bytes.set(first.part);
    for (let offset = FILE_PART_BYTES; offset < bytes.length; offset += FILE_PART_BYTES) {
      bytes.set((await this.call("read", { offset })).part, offset);
    }
    return bytes;
  }

  /** The model that the worker has opened, as a session; releasing it ends the worker. */
  session(graph: Graph): ModelSession {
    return Object.freeze({
      graph,
      compileRun: (signature: Signature) => inSteps(signature, this.#compileRun(signature)),
      release: () => this.end(),
    });
  }

  /** Whether it runs still. */
  get isThere(): boolean {
    return this.#endedBecause === undefined;
  }

  /** Frees the model and takes another file, by this name in messages. */
  async reuse(file: string): Promise<void> {
    this.#onEnd = () => {};
    await this.call("release", null);
    this.#file = file;
  }

  /** Frees the model and ends the process. */
  async end(): Promise<void> {
    if (this.#endedBecause !== undefined) return;
    this.#onEnd = () => {};
    await this.call("release", null).catch(() => {});
    if (this.#endedBecause !== undefined) return;
    const gone = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.disconnect();
    await gone;
  }

  #compileRun(signature: Signature): RunModel {
    const feedsOf = compileFeeds(signature.inputs);
    const outputs = fetchesOf(signature);
    return async (take) => {
      const rows = await atEndOfTurn(take);
      const feeds: Record<string, TensorParts> = {};
      for (const [input, { type, dims, data }] of Object.entries(feedsOf(rows))) feeds[input] = { type, dims, data };
      const rowCount = rows.length;
      const answer = await this.call("run", { feeds, outputs, rowCount });
      const result: RunResult = {
        outputs: signature.outputs.map((plan) => readOutput(plan, answer.outputs[plan.output]!, rowCount)),
        runMs: answer.runMs,
      };
      return result;
    };
  }

  #hear(message: FromWorker): void {
    const waiting = this.#waiting.get(message.id);
    if (waiting === undefined) return;
    this.#waiting.delete(message.id);
    clearTimeout(waiting.timer);
    if ("done" in message) waiting.resolve(message.done as never);
    else waiting.reject(errorOf(message.failed));
  }

  #kill(reason: string): void {
    this.#ended(reason);
    this.#child.kill("SIGKILL");
  }

  #ended(reason: string): void {
    if (this.#endedBecause !== undefined) return;
    this.#endedBecause = reason;
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(this.#endedError());
    }
    this.#waiting.clear();
    this.#onEnd(reason);
  }

  #endedError(): WorkerEndedError {
    return new WorkerEndedError(
      "MODEL_FAILED",
      `The worker process of ${this.#file} is gone: ${this.#endedBecause}. What it was running is lost; it is started again.`,
    );
  }
}

/** Of what is asked of a worker only a run fails so. */
function errorOf({ code, message }: { readonly code: ErrorCode; readonly message: string }): HeadgateError {
  return code === "MODEL_FAILED" ? new RunFailedError(code, message) : new HeadgateError(code, message);
}

/** Where there are fewer cores than work, the event loop, which answers for all models, goes first. */
function yieldTo(pid: number | undefined): void {
  try {
    if (pid !== undefined) setPriority(pid, WORKER_NICENESS);
  } catch {
    // It has ended already, or the system does not let it: it is as important as the rest then.
  }
}

/** Opens in a worker what was opened before, the files as they are here. Rejects with what the runtime refuses. */
export async function openInWorker(
  file: string,
  bytes: Uint8Array,
  weights: readonly WeightFile[],
  callTimeoutMs?: number,
): Promise<{ readonly worker: SessionWorker; readonly graph: Graph }> {
  const worker = new SessionWorker(file, callTimeoutMs);
  try {
    await worker.sendFile(undefined, bytes);
    await worker.call("parse", { file, asIs: true });
    for (const { name, content } of weights) await worker.sendFile(name, content);
    const { graph } = await worker.call("open", null);
    await worker.call("keepOpen", null);
    return { worker, graph };
  } catch (thrown) {
    await worker.end();
    throw thrown;
  }
}

/** The rows, as late as can be: after all requests that were readable in this turn. */
function atEndOfTurn(take: TakeRows): Promise<readonly FedRow[]> {
  return new Promise((resolve, reject) => {
    setImmediate(() => {
      try {
        resolve(take());
      } catch (thrown) {
        reject(thrown);
      }
    });
  });
}
