/**
 * What a version answered in this process since it was loaded: requests, failures, the latest scores and run times. A
 * request adds to it in a few array writes, so it is always kept; sorting and comparing are for whoever asks.
 */

import { reasonOf } from "../errors.ts";
import { RecentValues } from "./recent-values.ts";
import type { ScoreOf } from "./score.ts";
import type { RunResult } from "./tensor.ts";

/** The counts of one version. */
export class VersionStatistics {
  readonly scores = new RecentValues();
  /** How long requests waited for the model and its run, ms. */
  readonly modelMs = new RecentValues();
  /** How far a shadow's scores were from those that were answered for the same entities. */
  readonly differences = new RecentValues();
  readonly scoreOf: ScoreOf;
  #requests = 0;
  #failures = 0;
  #entities = 0;
  #rejected = 0;
  #lastFailure: string | undefined;

  constructor(scoreOf: ScoreOf) {
    this.scoreOf = scoreOf;
  }

  /** Requests that the version took, failed ones included. */
  get requests(): number {
    return this.#requests;
  }

  /** Requests that failed in the model or were refused or late because of it. */
  get failures(): number {
    return this.#failures;
  }

  /** Entities of the requests that did not fail, rejected ones included. */
  get entities(): number {
    return this.#entities;
  }

  /** Entities that the missing policy rejected. */
  get rejected(): number {
    return this.#rejected;
  }

  /** Why the last request failed that did; undefined while none has. */
  get lastFailure(): string | undefined {
    return this.#lastFailure;
  }

  /** Counts a request that was answered: `rows` rows of the outputs from `firstRow` on, and the entities rejected. */
  answered(outputs: RunResult["outputs"], firstRow: number, rows: number, rejected: number, modelMs: number): void {
    this.#requests++;
    this.#entities += rows + rejected;
    this.#rejected += rejected;
    if (rows === 0) return;
    this.modelMs.record(modelMs);
    for (let row = firstRow; row < firstRow + rows; row++) this.scores.record(this.scoreOf(outputs, row));
  }

  /** Takes the difference between a shadow's score and the answered one. */
  paired(difference: number): void {
    this.differences.record(Math.abs(difference));
  }

  /** Counts a request that failed with what was thrown. */
  failed(thrown: unknown): void {
    this.#requests++;
    this.#failures++;
    this.#lastFailure = reasonOf(thrown);
  }
}
