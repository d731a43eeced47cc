/**
 * Requests that wait in the same turn of the event loop share one run of the model. A run costs nearly the same for
 * one row as for eight, so under load this more than pays for the model; and since the batch is closed as soon as the
 * loop has read what was waiting on its sockets, a lone request waits for nobody.
 *
 * At most one run is under way; what arrives meanwhile is the next batch. Rows that wait are bounded, and so are rows
 * per run. A run that fails is repeated request by request, so that a request with a bad row fails alone.
 */

import { HeadgateError } from "../errors.ts";
import type { RunModel } from "./session.ts";
import type { FeatureRow, RunResult } from "./tensor.ts";

/** Rows in one run. More would hold the event loop for longer at a time, fewer would cost more runs. */
const MAX_BATCH_ROWS = 1_024;

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
  /** Answers the rows, in order. Rejects with OVERLOADED, with MODEL_UNAVAILABLE after `close`, or as the run does. */
  run(rows: readonly FeatureRow[]): Promise<BatchedResult>;
  /** Rows waiting for a run. */
  readonly queuedRows: number;
  /** Takes no more; resolves when all that was taken is answered. */
  close(): Promise<void>;
}

/** How a batcher is made. */
export interface BatcherOptions {
  readonly run: RunModel;
  /** Rows in one run, at least 1; MAX_BATCH_ROWS unless given. */
  readonly maxBatchRows?: number;
  /** Rows that may wait, over which only a lone request is taken; MAX_QUEUE_ROWS unless given. */
  readonly maxQueueRows?: number;
}

interface Waiting {
  readonly rows: readonly FeatureRow[];
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
  readonly #maxBatchRows: number;
  readonly #maxQueueRows: number;
  #waiting: Waiting[] = [];
  #queuedRows = 0;
  /** True from the first arrival until nothing waits and no run is under way. */
  #active = false;
  #closed = false;
  #onIdle: (() => void)[] = [];

  constructor({ run, maxBatchRows = MAX_BATCH_ROWS, maxQueueRows = MAX_QUEUE_ROWS }: BatcherOptions) {
    this.#runModel = run;
    this.#maxBatchRows = maxBatchRows;
    this.#maxQueueRows = maxQueueRows;
  }

  get queuedRows(): number {
    return this.#queuedRows;
  }

  run(rows: readonly FeatureRow[]): Promise<BatchedResult> {
    if (rows.length === 0) return Promise.resolve(NOTHING);
    if (this.#closed) return Promise.reject(unavailable());
    if (this.#queuedRows > 0 && this.#queuedRows + rows.length > this.#maxQueueRows) {
      return Promise.reject(overloaded(this.#queuedRows, rows.length, this.#maxQueueRows));
    }
    return rows.length <= this.#maxBatchRows ? this.#wait(rows) : this.#waitInParts(rows);
  }

  close(): Promise<void> {
    this.#closed = true;
    return this.#active ? new Promise((resolve) => this.#onIdle.push(resolve)) : Promise.resolve();
  }

  #wait(rows: readonly FeatureRow[]): Promise<BatchedResult> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ rows, resolve, reject });
      this.#queuedRows += rows.length;
      if (this.#active) return;
      this.#active = true;
      void this.#runBatches();
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

  async #runBatches(): Promise<void> {
    while (this.#waiting.length > 0) await this.#runNext();
    this.#active = false;
    for (const resolve of this.#onIdle.splice(0)) resolve();
  }

  /** As many of the waiting requests, first come first, as fit into one run. */
  #takeBatch(): Waiting[] {
    let rowCount = 0;
    let end = 0;
    while (end < this.#waiting.length) {
      const { length } = this.#waiting[end]!.rows;
      if (rowCount + length > this.#maxBatchRows) break;
      rowCount += length;
      end++;
    }
    this.#queuedRows -= rowCount;
    if (end < this.#waiting.length) return this.#waiting.splice(0, end);
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
    try {
      const result = await this.#runModel(take);
      answerAll(batch!, result);
    } catch (thrown) {
      batch ??= this.#takeBatch();
      if (batch.length === 1) return batch[0]!.reject(thrown);
      // Each alone is as many runs as without batching, so a model that fails always costs at most twice that.
      for (const request of batch) await this.#runAlone(request);
    }
  }

  async #runAlone(request: Waiting): Promise<void> {
    try {
      answerAll([request], await this.#runModel(() => request.rows));
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

function unavailable(): HeadgateError {
  return new HeadgateError("MODEL_UNAVAILABLE", "This version of the model is being unloaded; send the request again.");
}
