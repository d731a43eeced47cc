/**
 * Batches that could not be brought into the store, by partition, from the first refusal until one is taken: what
 * readiness tells, and when a refusal that no retry mends has lasted long enough to end the ingester.
 */

import { HeadgateError, hasCode, reasonOf } from "../errors.ts";
import type { TopicPartition } from "./kafka-offsets.ts";
import type { PartitionLoad } from "./partition-load.ts";
import { recordName } from "./stream-record.ts";

/** How long access may be denied before it counts as lasting, ms: rights and logins take some seconds to reach every broker. */
export const DENIED_MS = 10_000;

/** A batch that is refused again and again. */
export interface RefusedBatch {
  /** Its first record, as "orders[3]@1207". */
  readonly batch: string;
  readonly code: string;
  /** Why it was refused the last time. */
  readonly reason: string;
  /** Since the first time. */
  readonly forMs: number;
}

interface Refusal {
  readonly sinceMs: number;
  readonly batch: string;
  readonly cause: unknown;
  /** Since when it has been denied each time; undefined when it was not the last time. */
  readonly deniedSinceMs: number | undefined;
}

/** Settings of the watch. */
export interface RefusedBatchesOptions {
  /** Epoch ms. */
  readonly now: () => number;
  /** Is told what no retry mends: TOO_MANY_DEAD_LETTERS at once, STREAM_DENIED after DENIED_MS in a row. */
  readonly onLasting: (cause: HeadgateError) => void;
}

/** The refusals of a load. */
export class RefusedBatches {
  readonly #options: RefusedBatchesOptions;
  readonly #refusals = new Map<string, Refusal>();

  constructor(options: RefusedBatchesOptions) {
    this.#options = options;
  }

  /** The load, watched. */
  watched(load: PartitionLoad): PartitionLoad {
    return async (batch, signal) => {
      const { topic, partition, records } = batch;
      const name = `${topic}/${partition}`;
      try {
        await load(batch, signal);
        this.#refusals.delete(name);
      } catch (cause) {
        const first = recordName(topic, partition, records[0]?.offset ?? batch.endOffset);
        if (signal.aborted) this.#refusals.delete(name);
        else this.#refuse(name, first, cause);
        throw cause;
      }
    };
  }

  #refuse(name: string, batch: string, cause: unknown): void {
    const nowMs = this.#options.now();
    const before = this.#refusals.get(name);
    const isDenied = hasCode(cause, "STREAM_DENIED");
    const deniedSinceMs = isDenied ? (before?.deniedSinceMs ?? nowMs) : undefined;
    this.#refusals.set(name, { sinceMs: before?.sinceMs ?? nowMs, batch, cause, deniedSinceMs });
    if (!(cause instanceof HeadgateError)) return;
    const isLasting = isDenied ? nowMs - deniedSinceMs! >= DENIED_MS : cause.code === "TOO_MANY_DEAD_LETTERS";
    if (isLasting) this.#options.onLasting(cause);
  }

  /** The one that has been refused for longest, of partitions assigned now: others' batches are others' to bring in. */
  oldest(assignments: readonly TopicPartition[]): RefusedBatch | undefined {
    const assigned = new Set(assignments.map(({ topic, partition }) => `${topic}/${partition}`));
    for (const name of this.#refusals.keys()) if (!assigned.has(name)) this.#refusals.delete(name);
    const [oldest] = [...this.#refusals.values()].sort((a, b) => a.sinceMs - b.sinceMs);
    if (oldest === undefined) return undefined;
    const { batch, cause, sinceMs } = oldest;
    const code = cause instanceof HeadgateError ? cause.code : "INTERNAL";
    return { batch, code, reason: reasonOf(cause), forMs: this.#options.now() - sinceMs };
  }
}
