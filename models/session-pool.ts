/**
 * The worker processes of one slow model: each runs one batch at a time. A worker that ends by itself takes the run that
 * it had with it and is replaced with growing waits, so that a model that kills every worker does not keep the machine
 * busy with starting them; a run that succeeds ends the count. It is never given up, since what ended the workers, such
 * as a machine short of memory, may be over.
 */

import { channel } from "node:diagnostics_channel";
import { HeadgateError, reasonOf } from "../errors.ts";
import type { RunModel, WeightFile } from "./session.ts";
import type { Graph, Signature } from "./signature.ts";
import type { RunResult } from "./tensor.ts";
import { openInWorker, type SessionWorker } from "./worker-session.ts";

/** Workers that are started one after the other without a run that succeeds; then the version counts as failed. */
const RESTARTS_MAX = 6;
/** The first wait before a worker is started again, ms; it triples, to two minutes at most. */
const FIRST_WAIT_MS = 500;

/** Published when a worker has ended by itself, when it is replaced, and once when so many have that the version failed. */
export interface ModelWorkerEvent {
  readonly model: string;
  readonly version: number;
  readonly event: "ended" | "restarted" | "failing";
  readonly reason: string | undefined;
}

const modelWorker = channel("headgate:model-worker");

/** How a pool is made. */
export interface PoolOptions {
  readonly name: string;
  readonly version: number;
  /** The model as onnx-file.ts made it, kept for workers that have to be replaced. */
  readonly file: string;
  readonly bytes: Uint8Array;
  readonly weights: readonly WeightFile[];
  readonly signature: Signature;
  /** Workers, at least 1. */
  readonly size: number;
  /** A worker that has the model open already. */
  readonly first: { readonly worker: SessionWorker; readonly graph: Graph } | undefined;
  /** Waits, ms, before a worker is started again. */
  readonly wait?: (ms: number) => Promise<void>;
}

/** The workers of one version. */
export interface SessionPool {
  /** Rejects with MODEL_UNAVAILABLE at once while no worker is there. */
  readonly run: RunModel;
  /** Why it has had none for long; undefined while it works. */
  readonly failure: string | undefined;
  /** Ends the workers. No run may be under way. */
  close(): Promise<void>;
}

/** Starts the workers. Rejects as openInWorker does. */
export async function openPool(options: PoolOptions): Promise<SessionPool> {
  const pool = new WorkerPool(options);
  await pool.start();
  return pool;
}

interface PooledWorker {
  readonly worker: SessionWorker;
  readonly run: RunModel;
}

class WorkerPool implements SessionPool {
  readonly #options: PoolOptions;
  readonly #wait: (ms: number) => Promise<void>;
  readonly #workers = new Set<PooledWorker>();
  readonly #idle: PooledWorker[] = [];
  /** Runs that wait for a worker: as many at most as the batcher begins. */
  #waiting: { resolve(worker: PooledWorker): void; reject(cause: unknown): void }[] = [];
  #restarts = 0;
  #lastReason = "";
  #closed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#wait = options.wait ?? ((ms) => new Promise((resolve) => setTimeout(resolve, ms).unref()));
  }

  get failure(): string | undefined {
    if (this.#workers.size > 0 || this.#restarts < RESTARTS_MAX) return undefined;
    return `Its worker processes have ended again and again: ${this.#lastReason}.`;
  }

  readonly run: RunModel = async (take): Promise<RunResult> => {
    const pooled = await this.#free();
    try {
      const result = await pooled.run(take);
      this.#restarts = 0;
      return result;
    } finally {
      if (this.#workers.has(pooled)) this.#put(pooled);
    }
  };

  async start(): Promise<void> {
    const { first, size } = this.#options;
    try {
      if (first !== undefined) this.#add(first);
      while (this.#workers.size < size) this.#add(await this.#open());
    } catch (thrown) {
      await this.close();
      throw thrown;
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#workers].map(({ worker }) => worker.end()));
    this.#workers.clear();
  }

  #open() {
    const { bytes, file, weights } = this.#options;
    return openInWorker(file, bytes, weights);
  }

  #add({ worker, graph }: { readonly worker: SessionWorker; readonly graph: Graph }): void {
    const pooled = { worker, run: worker.session(graph).compileRun(this.#options.signature) };
    this.#workers.add(pooled);
    this.#put(pooled);
    worker.onEnd((reason) => void this.#replace(pooled, reason));
  }

  #put(pooled: PooledWorker): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#idle.push(pooled);
    else waiting.resolve(pooled);
  }

  #free(): PooledWorker | Promise<PooledWorker> {
    const idle = this.#idle.pop();
    if (idle !== undefined) return idle;
    if (this.#workers.size === 0) throw this.#unavailable();
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  async #replace(pooled: PooledWorker, reason: string): Promise<void> {
    if (!this.#workers.delete(pooled) || this.#closed) return;
    const at = this.#idle.indexOf(pooled);
    if (at >= 0) this.#idle.splice(at, 1);
    this.#lastReason = reason;
    this.#tell("ended", reason);
    if (this.#workers.size === 0) for (const { reject } of this.#waiting.splice(0)) reject(this.#unavailable());
    await this.#restart();
  }

  async #restart(): Promise<void> {
    for (;;) {
      if (this.#restarts++ === RESTARTS_MAX) this.#tell("failing", this.#lastReason);
      await this.#wait(FIRST_WAIT_MS * 3 ** Math.min(this.#restarts - 1, RESTARTS_MAX - 1));
      if (this.#closed) return;
      try {
        const opened = await this.#open();
        if (this.#closed) return await opened.worker.end();
        this.#add(opened);
        return this.#tell("restarted", undefined);
      } catch (thrown) {
        this.#lastReason = reasonOf(thrown);
      }
    }
  }

  #tell(event: ModelWorkerEvent["event"], reason: string | undefined): void {
    const { name, version } = this.#options;
    modelWorker.publish({ model: name, version, event, reason } satisfies ModelWorkerEvent);
  }

  #unavailable(): HeadgateError {
    const { name, version } = this.#options;
    const why = this.failure ?? "its worker process has ended and is started again";
    return new HeadgateError("MODEL_UNAVAILABLE", `Version ${version} of "${name}" can't run now: ${why}.`);
  }
}
