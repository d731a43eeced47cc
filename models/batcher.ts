/**
 * Requests that wait in the same turn of the event loop share one run of the model. A run costs nearly the same for
 * one row as for eight, so under load this more than pays for the model; and since the batch is closed as soon as the
 * loop has read what was waiting on its sockets, a lone request waits for nobody, unless its manifest asks for a delay.
 *
 * As many runs are under way as there are to run them (one on this thread); what arrives meanwhile is the next batch.
 * Rows that wait are bounded, and so are rows per run, and a request that would be answered too late is refused at once.
 * A run that fails is repeated request by request, so that a request with a bad row fails alone.
 */

import { HeadgateError } from "../errors.ts";
import type { RunTime } from "./run-time.ts";
import type { RunModel } from "./session.ts";
import type { FeatureRow, RunResult } from "./tensor.ts";
import { WorkerEndedError } from "./worker-session.ts";

/** Rows in one run. More would hold the event loop for longer at a time, fewer would cost more runs. */
export const MAX_BATCH_ROWS = 1_024;

/** Rows that may wait. Beyond, requests are refused as OVERLOADED at once rather than answered too late. */
const MAX_QUEUE_ROWS = 16_384;

/** A request's share of a run: `count` rows of the result from `offset` on. */
export interface BatchedResult {
  readonly result: RunResult;
  readonly offset: number;
  readonly count: number;
}

/** Where requests wait for the model. */
export interface Batcher {
  /**
   * Answers the rows, in order. Rejects with OVERLOADED (also when work is ahead and all of it is expected to take more
   * than `budgetMs`), with MODEL_UNAVAILABLE after `close`, or as the run does.
   */
  run(rows: readonly FeatureRow[], budgetMs?: number): Promise<BatchedResult>;
  /** Rows waiting for a run. */
  readonly queuedRows: number;
  /** Takes no more; resolves when all that was taken is answered. */
  close(): Promise<void>;
}

/** How a batcher is made. */
export interface BatcherOptions {
  readonly run: RunModel;
  /** Monotonic ms. */
  readonly now: () => number;
  /** Told of every run, and asked what those that wait will take; undefined: budgets are not looked at. */
  readonly runTime?: RunTime | undefined;
  /** Runs under way at most; 1 unless given. */
  readonly maxRuns?: number | undefined;
  /** Rows in one run, at least 1; MAX_BATCH_ROWS unless given. */
  readonly maxBatchRows?: number | undefined;
  /** Rows that may wait, over which only a lone request is taken; MAX_QUEUE_ROWS unless given. */
  readonly maxQueueRows?: number | undefined;
  /** How long a run that could begin waits for more rows, ms; 0 unless given: only for those of the same turn. */
  readonly maxDelayMs?: number | undefined;
}

interface Waiting {
  readonly rows: readonly FeatureRow[];
  readonly arrivedMs: number;
  readonly resolve: (answer: BatchedResult) => void;
  readonly reject: (reason: unknown) => void;
}

const NOTHING: BatchedResult = Object.freeze({ result: { outputs: [] }, offset: 0, count: 0 });

/** Makes the batcher of one model. */
export function createBatcher(options: BatcherOptions): Batcher {
  return new TurnBatcher(options);
}

class TurnBatcher implements Batcher {
  readonly #runModel: RunModel;
  readonly #now: () => number;
  readonly #runTime: RunTime | undefined;
  readonly #maxRuns: number;
  readonly #maxBatchRows: number;
  readonly #maxQueueRows: number;
  readonly #maxDelayMs: number;
  #waiting: Waiting[] = [];
  #queuedRows = 0;
  /** Loops that run one batch after the other. */
  #loops = 0;
  /** True from when a run is decided on until it has taken its rows: what arrives till then is in it. */
  #gathering = false;
  /** When each run under way is expected to end, by the clock. */
  readonly #endsMs = new Set<{ readonly atMs: number }>();
  #closed = false;
  #onIdle: (() => void)[] = [];

  constructor(options: BatcherOptions) {
    this.#runModel = options.run;
    this.#now = options.now;
    this.#runTime = options.runTime;
    this.#maxRuns = options.maxRuns ?? 1;
    this.#maxBatchRows = options.maxBatchRows ?? MAX_BATCH_ROWS;
    this.#maxQueueRows = options.maxQueueRows ?? MAX_QUEUE_ROWS;
    this.#maxDelayMs = options.maxDelayMs ?? 0;
  }

  get queuedRows(): number {
    return this.#queuedRows;
  }

  run(rows: readonly FeatureRow[], budgetMs?: number): Promise<BatchedResult> {
    if (rows.length === 0) return Promise.resolve(NOTHING);
    if (this.#closed) return Promise.reject(unavailable());
    if (this.#queuedRows > 0 && this.#queuedRows + rows.length > this.#maxQueueRows) {
      return Promise.reject(overloaded(this.#queuedRows, rows.length, this.#maxQueueRows));
    }
    // What could begin at once is never refused: one slow run would be held against the model until another is timed.
    const isIdle = this.#queuedRows === 0 && this.#endsMs.size < this.#maxRuns;
    if (budgetMs !== undefined && this.#runTime !== undefined && !isIdle) {
      const expectedMs = this.#expectedMs(rows.length, this.#runTime);
      if (expectedMs > budgetMs) return Promise.reject(tooLate(this.#queuedRows, expectedMs, budgetMs));
    }
    return rows.length <= this.#maxBatchRows ? this.#wait(rows) : this.#waitInParts(rows);
  }

  close(): Promise<void> {
    this.#closed = true;
    return this.#loops > 0 ? new Promise((resolve) => this.#onIdle.push(resolve)) : Promise.resolve();
  }

  /** Until a run can begin, and then as many rounds of full runs as the rows ahead and these make, the last one less full. */
  #expectedMs(rowCount: number, runTime: RunTime): number {
    let freeMs = 0;
    if (this.#endsMs.size >= this.#maxRuns) {
      let soonestMs = Number.POSITIVE_INFINITY;
      for (const { atMs } of this.#endsMs) soonestMs = Math.min(soonestMs, atMs);
      freeMs = Math.max(0, soonestMs - this.#now());
    }
    const rows = this.#queuedRows + rowCount;
    const roundRows = this.#maxBatchRows * this.#maxRuns;
    const fullRounds = Math.ceil(rows / roundRows) - 1;
    const lastRows = Math.min(this.#maxBatchRows, rows - fullRounds * roundRows);
    const fullMs = fullRounds === 0 ? 0 : fullRounds * runTime.expectedMs(this.#maxBatchRows);
    return freeMs + this.#maxDelayMs + fullMs + runTime.expectedMs(lastRows);
  }

  #wait(rows: readonly FeatureRow[]): Promise<BatchedResult> {
    return new Promise((resolve, reject) => {
      const arrivedMs = this.#maxDelayMs === 0 ? 0 : this.#now();
      this.#waiting.push({ rows, arrivedMs, resolve, reject });
      this.#queuedRows += rows.length;
      this.#startLoop();
    });
  }

  async #waitInParts(rows: readonly FeatureRow[]): Promise<BatchedResult> {
    const parts: Promise<BatchedResult>[] = [];
    for (let start = 0; start < rows.length; start += this.#maxBatchRows) {
      parts.push(this.#wait(rows.slice(start, start + this.#maxBatchRows)));
    }
    const answers = await Promise.all(parts);
    const outputs = answers[0]!.result.outputs.map((_, o) =>
      answers.flatMap(({ result, offset, count }) => result.outputs[o]!.slice(offset, offset + count)),
    );
    return { result: { outputs }, offset: 0, count: rows.length };
  }

  #startLoop(): void {
    if (this.#gathering || this.#waiting.length === 0 || this.#loops >= this.#maxRuns) return;
    this.#loops++;
    void this.#runBatches();
  }

  async #runBatches(): Promise<void> {
    while (this.#waiting.length > 0 && !this.#gathering) await this.#runNext();
    this.#loops--;
    if (this.#loops === 0) for (const resolve of this.#onIdle.splice(0)) resolve();
  }

  /** As many of the waiting requests, first come first, as fit into one run. */
  #takeBatch(): Waiting[] {
    this.#gathering = false;
    let rowCount = 0;
    let end = 0;
    while (end < this.#waiting.length) {
      const { length } = this.#waiting[end]!.rows;
      if (rowCount + length > this.#maxBatchRows) break;
      rowCount += length;
      end++;
    }
    this.#queuedRows -= rowCount;
    if (end < this.#waiting.length) {
      const batch = this.#waiting.splice(0, end);
      this.#startLoop();
      return batch;
    }
    const all = this.#waiting;
    this.#waiting = [];
    return all;
  }

  /** The batch is closed when the model takes its rows: after all requests that were readable in this turn. */
  async #runNext(): Promise<void> {
    let batch: readonly Waiting[] | undefined;
    const take = () => {
      batch = this.#takeBatch();
      return rowsOf(batch);
    };
    this.#gathering = true;
    if (this.#maxDelayMs > 0) await this.#gather();
    try {
      const result = await this.#timed(take);
      answerAll(batch!, result);
    } catch (thrown) {
      batch ??= this.#takeBatch();
      if (batch.length === 1 || thrown instanceof WorkerEndedError) {
        for (const request of batch) request.reject(thrown);
        return;
      }
      // Each alone is as many runs as without batching, so a model that fails always costs at most twice that.
      for (const request of batch) await this.#runAlone(request);
    }
  }

  /** Waits for more rows until the run is full or the first of them has waited long enough. */
  async #gather(): Promise<void> {
    const untilMs = this.#waiting[0]!.arrivedMs + this.#maxDelayMs;
    while (this.#queuedRows < this.#maxBatchRows && !this.#closed) {
      const leftMs = untilMs - this.#now();
      if (leftMs <= 0) return;
      // Timers are no finer than a millisecond: the rest is waited turn by turn.
      await new Promise<void>((resolve) => (leftMs > 2 ? setTimeout(resolve, 1) : setImmediate(resolve)));
    }
  }

  async #timed(take: () => readonly FeatureRow[]): Promise<RunResult> {
    const runTime = this.#runTime;
    if (runTime === undefined) return this.#runModel(take);
    let startMs = 0;
    let rowCount = 0;
    let end: { readonly atMs: number } | undefined;
    try {
      const result = await this.#runModel(() => {
        const rows = take();
        startMs = this.#now();
        rowCount = rows.length;
        end = { atMs: startMs + runTime.expectedMs(rowCount) };
        this.#endsMs.add(end);
        return rows;
      });
      runTime.took(rowCount, this.#now() - startMs);
      return result;
    } finally {
      if (end !== undefined) this.#endsMs.delete(end);
    }
  }

  async #runAlone(request: Waiting): Promise<void> {
    try {
      answerAll([request], await this.#timed(() => request.rows));
    } catch (thrown) {
      request.reject(thrown);
    }
  }
}

function rowsOf(batch: readonly Waiting[]): readonly FeatureRow[] {
  return batch.length === 1 ? batch[0]!.rows : batch.flatMap((request) => request.rows);
}

function answerAll(batch: readonly Waiting[], result: RunResult): void {
  let offset = 0;
  for (const request of batch) {
    const count = request.rows.length;
    request.resolve({ result, offset, count });
    offset += count;
  }
}

function overloaded(queuedRows: number, rowCount: number, maxQueueRows: number): HeadgateError {
  return new HeadgateError(
    "OVERLOADED",
    `${queuedRows} rows wait for the model and ${rowCount} more would pass the limit of ${maxQueueRows}; send this request again in a moment.`,
  );
}

function tooLate(queuedRows: number, expectedMs: number, budgetMs: number): HeadgateError {
  return new HeadgateError(
    "OVERLOADED",
    `${queuedRows} rows wait for the model, so that this request is expected to take ${Math.ceil(expectedMs)} ms of the ${Math.max(0, Math.floor(budgetMs))} it has left; send it again in a moment, or with more time.`,
  );
}

function unavailable(): HeadgateError {
  return new HeadgateError("MODEL_UNAVAILABLE", "This version of the model is being unloaded; send the request again.");
}
