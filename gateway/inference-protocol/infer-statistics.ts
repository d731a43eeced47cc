/**
 * What the infer requests of one version have come to in this process, in the protocol's words
 * (triton-inference-server/server, docs/protocol/extension_statistics.md): how many, and how long each step took.
 */

import type { JsonValue } from "../../features/json-value.ts";

/** How long the steps of a request took, ms. */
export interface InferTimes {
  /** Reading it: its JSON, its tensors, and the features of its entities. */
  readonly inputMs: number;
  /** Waiting for a run; 0 where that can't be told from the run. */
  readonly queueMs: number;
  readonly runMs: number;
  readonly outputMs: number;
}

const NS_PER_MS = 1_000_000;

/** A count and a duration, which grow together. */
class Duration {
  #count = 0;
  #ms = 0;

  took(ms: number): void {
    this.#count++;
    this.#ms += ms;
  }

  toJson(): JsonValue {
    return { count: this.#count, ns: Math.round(this.#ms * NS_PER_MS) };
  }
}

/** The counts of one version. */
export class InferStatistics {
  readonly #success = new Duration();
  readonly #fail = new Duration();
  readonly #queue = new Duration();
  readonly #input = new Duration();
  readonly #run = new Duration();
  readonly #output = new Duration();

  /** Counts a request that was answered. */
  answered({ inputMs, outputMs, queueMs, runMs }: InferTimes): void {
    this.#success.took(inputMs + queueMs + runMs + outputMs);
    this.#input.took(inputMs);
    this.#queue.took(queueMs);
    this.#run.took(runMs);
    this.#output.took(outputMs);
  }

  /** Counts a request that was not. */
  failed(ms: number): void {
    this.#fail.took(ms);
  }

  /** The protocol's `inference_stats`. */
  toJson(): JsonValue {
    return {
      success: this.#success.toJson(),
      fail: this.#fail.toJson(),
      queue: this.#queue.toJson(),
      compute_input: this.#input.toJson(),
      compute_infer: this.#run.toJson(),
      compute_output: this.#output.toJson(),
      cache_hit: { count: 0, ns: 0 },
      cache_miss: { count: 0, ns: 0 },
    };
  }
}
