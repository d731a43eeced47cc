/**
 * Requests that wait in the same turn of the event loop share one run of the model. A run costs nearly the same for
 * one row as for eight, so under load this more than pays for the model; and since the batch is closed as soon as the
 * loop has read what was waiting on its sockets, a lone request waits for nobody, unless its manifest asks for a delay.
 *
 * As many runs are under way as there are to run them (one on this thread); what arrives meanwhile is the next batch.
 * Rows that wait are bounded, and so are rows per run. A request that is expected to be answered too late is refused at
 * once, and one that has come to be too late by the time of its run is not run: under overload every run is of use.
 * A run that fails is repeated request by request, so that a request with a bad row fails alone.
 */

import { BUDGET_SHARE, cameTooLate, queueFull, RUN_SHARE, tooLate, unloading } from "./batch-refusal.ts";
import { RunSchedule, type ScheduledRun } from "./run-schedule.ts";
import type { RunTime } from "./run-time.ts";
import type { RunModel } from "./session.ts";
import type { FedRow, RunResult } from "./tensor.ts";
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
   * Answers the rows, in order. Rejects with OVERLOADED (also when work is ahead and all of it is expected to take too
   * much of `budgetMs`, or turns out to), with MODEL_UNAVAILABLE after `close`, or as the run does.
   */
  run(rows: readonly FedRow[], budgetMs?: number): Promise<BatchedResult>;
  /** Rows waiting for a run. */
  readonly queuedRows: number;
  /** How long a request of one row is expected to take, ms; 0 while one could begin at once, or nothing is known. */
  readonly expectedMs: number;
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
  readonly rows: readonly FedRow[];
  readonly arrivedMs: number;
  /** By when its run is to end, by the clock. */
  readonly untilMs: number;
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
  /** Undefined where budgets are not looked at. */
  readonly #schedule: RunSchedule | undefined;
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
  #closed = false;
  #onIdle: (() => void)[] = [];

  constructor(options: BatcherOptions) {
    this.#runModel = options.run;
    this.#now = options.now;
    this.#maxRuns = options.maxRuns ?? 1;
    this.#maxBatchRows = options.maxBatchRows ?? MAX_BATCH_ROWS;
    this.#maxQueueRows = options.maxQueueRows ?? MAX_QUEUE_ROWS;
    this.#maxDelayMs = options.maxDelayMs ?? 0;
    const { now, runTime } = options;
    const bounds = { maxRuns: this.#maxRuns, maxBatchRows: this.#maxBatchRows, maxDelayMs: this.#maxDelayMs };
    this.#schedule = runTime && new RunSchedule({ runTime, now, ...bounds });
  }

  get queuedRows(): number {
    return this.#queuedRows;
  }

  get expectedMs(): number {
    return this.#schedule === undefined || this.#isIdle() ? 0 : this.#schedule.expectedMs(this.#queuedRows + 1);
  }

  run(rows: readonly FedRow[], budgetMs?: number): Promise<BatchedResult> {
    if (rows.length === 0) return Promise.resolve(NOTHING);
    if (this.#closed) return Promise.reject(unloading());
    if (this.#queuedRows > 0 && this.#queuedRows + rows.length > this.#maxQueueRows) {
      return Promise.reject(queueFull(this.#queuedRows, rows.length, this.#maxQueueRows));
    }
    let untilMs = Number.POSITIVE_INFINITY;
    if (budgetMs !== undefined && this.#schedule !== undefined && !this.#isIdle()) {
      const expectedMs = this.#schedule.expectedMs(this.#queuedRows + rows.length);
      if (expectedMs > budgetMs * BUDGET_SHARE) {
        return Promise.reject(tooLate(this.#queuedRows, expectedMs, budgetMs));
      }
      // What goes with the run that is about to begin can't come to be late before it.
      const isNext = this.#gathering && this.#queuedRows + rows.length <= this.#maxBatchRows;
      if (!isNext) untilMs = this.#now() + budgetMs * RUN_SHARE;
    }
    return rows.length <= this.#maxBatchRows ? this.#wait(rows, untilMs) : this.#waitInParts(rows, untilMs);
  }

  /** What could begin at once is never refused: one slow run would be held against the model until another is timed. */
  #isIdle(): boolean {
    return this.#queuedRows === 0 && (this.#schedule?.runs ?? 0) < this.#maxRuns;
  }

  close(): Promise<void> {
    this.#closed = true;
    return this.#loops > 0 ? new Promise((resolve) => this.#onIdle.push(resolve)) : Promise.resolve();
  }

  #wait(rows: readonly FedRow[], untilMs: number): Promise<BatchedResult> {
    return new Promise((resolve, reject) => {
      const arrivedMs = this.#maxDelayMs === 0 ? 0 : this.#now();
      this.#waiting.push({ rows, arrivedMs, untilMs, resolve, reject });
      this.#queuedRows += rows.length;
      this.#startLoop();
    });
  }

  async #waitInParts(rows: readonly FedRow[], untilMs: number): Promise<BatchedResult> {
    const parts: Promise<BatchedResult>[] = [];
    for (let start = 0; start < rows.length; start += this.#maxBatchRows) {
      parts.push(this.#wait(rows.slice(start, start + this.#maxBatchRows), untilMs));
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
    // While there is a backlog a run takes from the end of the one before: what lies between holds the next one up, too.
    let sinceMs: number | undefined;
    while (this.#waiting.length > 0 && !this.#gathering) {
      await this.#runNext(sinceMs);
      if (this.#schedule === undefined || this.#queuedRows === 0 || this.#gathering) continue;
      sinceMs = this.#maxDelayMs === 0 ? this.#now() : undefined;
      this.#dropLate(this.#schedule.endMs(this.#queuedRows));
    }
    this.#loops--;
    if (this.#loops === 0) for (const resolve of this.#onIdle.splice(0)) resolve();
  }

  /** Refuses those that would be late even in the run that begins now, expected to end then. Never while rows gather. */
  #dropLate(endMs: number): void {
    if (!this.#waiting.some(({ untilMs }) => untilMs < endMs)) return;
    const late = this.#waiting.filter(({ untilMs }) => untilMs < endMs);
    this.#waiting = this.#waiting.filter(({ untilMs }) => untilMs >= endMs);
    for (const { reject, rows } of late) {
      this.#queuedRows -= rows.length;
      reject(cameTooLate());
    }
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
  async #runNext(sinceMs: number | undefined): Promise<void> {
    let batch: readonly Waiting[] | undefined;
    const take = () => {
      batch = this.#takeBatch();
      return rowsOf(batch);
    };
    this.#gathering = true;
    if (this.#maxDelayMs > 0) await this.#gather();
    try {
      const result = await this.#timed(take, sinceMs);
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

  async #timed(take: () => readonly FedRow[], sinceMs?: number): Promise<RunResult> {
    const schedule = this.#schedule;
    if (schedule === undefined) return this.#runModel(take);
    let run: ScheduledRun | undefined;
    try {
      const result = await this.#runModel(() => {
        const rows = take();
        run = schedule.begin(rows.length);
        return rows;
      });
      if (run !== undefined) schedule.took(run, sinceMs);
      return result;
    } finally {
      if (run !== undefined) schedule.end(run);
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

function rowsOf(batch: readonly Waiting[]): readonly FedRow[] {
  if (batch.length === 1) return batch[0]!.rows;
  const all: FedRow[] = [];
  for (const { rows } of batch) for (const row of rows) all.push(row);
  return all;
}

function answerAll(batch: readonly Waiting[], result: RunResult): void {
  let offset = 0;
  for (const request of batch) {
    const count = request.rows.length;
    request.resolve({ result, offset, count });
    offset += count;
  }
}
