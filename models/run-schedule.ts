/**
 * When the rows that wait for a model will be through: the runs under way, each with the time at which it is expected to
 * end, and those still to come, by what runs have taken so far. It decides nothing; batcher.ts asks it.
 */

import type { RunTime } from "./run-time.ts";

/** What a schedule is made of. */
export interface RunScheduleOptions {
  /** Told of every run, and asked what those to come will take. */
  readonly runTime: RunTime;
  /** Runs under way at most. */
  readonly maxRuns: number;
  /** Rows in one run. */
  readonly maxBatchRows: number;
  /** How long a run that could begin waits for more rows, ms. */
  readonly maxDelayMs: number;
  /** Monotonic ms. */
  readonly now: () => number;
}

/** A run under way. */
export interface ScheduledRun {
  readonly rows: number;
  readonly startMs: number;
  /** When it is expected to end. */
  readonly endMs: number;
}

/** The runs of one model. */
export class RunSchedule {
  readonly #options: RunScheduleOptions;
  readonly #underWay = new Set<ScheduledRun>();

  constructor(options: RunScheduleOptions) {
    this.#options = options;
  }

  /** Runs under way. */
  get runs(): number {
    return this.#underWay.size;
  }

  /** A run begins; to be ended by `end`, whatever becomes of it. */
  begin(rows: number): ScheduledRun {
    const startMs = this.#options.now();
    const run = { rows, startMs, endMs: startMs + this.#options.runTime.expectedMs(rows) };
    this.#underWay.add(run);
    return run;
  }

  /** It has ended well, and counts as begun at `sinceMs` where what came before it held it up. */
  took({ rows, startMs }: ScheduledRun, sinceMs = startMs): void {
    this.#options.runTime.took(rows, this.#options.now() - sinceMs);
  }

  /** It is no longer under way. */
  end(run: ScheduledRun): void {
    this.#underWay.delete(run);
  }

  /** Until a run can begin, and then as many rounds of full runs as so many rows make, the last one less full, ms. */
  expectedMs(rows: number): number {
    const { maxBatchRows, maxDelayMs, maxRuns, runTime } = this.#options;
    const roundRows = maxBatchRows * maxRuns;
    const fullRounds = Math.ceil(rows / roundRows) - 1;
    const lastRows = Math.min(maxBatchRows, rows - fullRounds * roundRows);
    const fullMs = fullRounds === 0 ? 0 : fullRounds * runTime.expectedMs(maxBatchRows);
    return this.#freeMs() + maxDelayMs + fullMs + runTime.expectedMs(lastRows);
  }

  /** When a run of so many rows that begins now is expected to end. */
  endMs(rows: number): number {
    const { maxBatchRows, now, runTime } = this.#options;
    return now() + runTime.expectedMs(Math.min(rows, maxBatchRows));
  }

  /** Until a run can begin. One that is overdue is expected to take as long again as it is: nothing else is known of it. */
  #freeMs(): number {
    if (this.#underWay.size < this.#options.maxRuns) return 0;
    const nowMs = this.#options.now();
    let freeMs = Number.POSITIVE_INFINITY;
    for (const { endMs } of this.#underWay) freeMs = Math.min(freeMs, Math.abs(endMs - nowMs));
    return freeMs;
  }
}
