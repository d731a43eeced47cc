/**
 * What a version's runs have come to since it was loaded, whatever asked for them: counted here, and told one by one to
 * whoever listens.
 */

import { channel } from "node:diagnostics_channel";
import type { RunModel } from "./session.ts";

/** Published after every run of a model; `durationMs` is from the call to the answer, with the turn that it waits. */
export interface ModelRunEvent {
  readonly model: string;
  readonly version: number;
  readonly rows: number;
  readonly durationMs: number;
  readonly failed: boolean;
}

const modelRun = channel("headgate:model-run");

/** The counts of one version. */
export class RunCounts {
  #runs = 0;
  #rows = 0;
  #lastEndMs: number | undefined;

  /** Runs that succeeded. */
  get runs(): number {
    return this.#runs;
  }

  /** Rows that they answered, over all of them. */
  get rows(): number {
    return this.#rows;
  }

  /** When the last of them ended, by the clock that the version was loaded with, ms; undefined while there was none. */
  get lastEndMs(): number | undefined {
    return this.#lastEndMs;
  }

  /** Takes a run that succeeded. */
  took(rows: number, endMs: number): void {
    this.#runs++;
    this.#rows += rows;
    this.#lastEndMs = endMs;
  }
}

/** Whose runs are observed. */
export interface ObservedVersion {
  readonly name: string;
  readonly version: number;
  /** Monotonic ms. */
  readonly now: () => number;
  readonly runCounts: RunCounts;
}

/** Counts every run and tells the channel of it. The result says how long the run took, wherever that was. */
export function observeRuns(run: RunModel, { name, now, runCounts, version }: ObservedVersion): RunModel {
  return async (take) => {
    const startMs = now();
    let takenMs = startMs;
    let failed = true;
    let rows = 0;
    let endMs = startMs;
    try {
      const result = await run(() => {
        const taken = take();
        rows = taken.length;
        takenMs = now();
        return taken;
      });
      failed = false;
      endMs = now();
      runCounts.took(rows, endMs);
      return result.runMs === undefined ? { outputs: result.outputs, runMs: endMs - takenMs } : result;
    } finally {
      if (failed) endMs = now();
      if (modelRun.hasSubscribers) {
        const event: ModelRunEvent = { model: name, version, rows, durationMs: endMs - startMs, failed };
        modelRun.publish(event);
      }
    }
  };
}
