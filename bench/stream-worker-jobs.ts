/** What can be asked of stream-worker.ts, and a handle on such a process. */

import { startWorker, type Worker } from "./worker.ts";

/** The time of all processes: what the wall's clock said when the machine's monotonic one said something. */
export interface SharedClock {
  readonly wallMs: number;
  /** Of process.hrtime, which all processes share. */
  readonly monotonicMs: number;
}

/** The jobs. */
export interface StreamJobs {
  /** Consumes a topic that has `records` records by kafkajs alone and counts them. */
  readonly count: {
    readonly broker: string;
    readonly topic: string;
    readonly partitions: number;
    readonly records: number;
  };
  /** Produces events at an even rate, dated when they are handed to the client; one in ten is of one that is watched. */
  readonly produce: {
    readonly broker: string;
    readonly topic: string;
    /** Customers 1 … watched, in turn. */
    readonly watched: number;
    /** The next ones, in turn. */
    readonly others: number;
    readonly perSecond: number;
    readonly seconds: number;
    readonly clock: SharedClock;
  };
  /** Asks a gateway for customers 1 … watched again and again and notes how old an event is when first an answer rests on it. */
  readonly watch: {
    readonly url: string;
    readonly watched: number;
    readonly seconds: number;
    readonly clock: SharedClock;
  };
}

/** The answers. */
export interface StreamAnswers {
  /** From the first batch on: joining the group is not counted. */
  readonly count: { readonly recordsPerSecond: number };
  readonly produce: { readonly events: number };
  readonly watch: {
    readonly seen: number;
    readonly p50Ms: number;
    readonly p99Ms: number;
    /** How long an answer took, which is part of what is measured. */
    readonly answerP50Ms: number;
  };
}

/** A running worker. */
export type StreamWorker = Worker<StreamJobs, StreamAnswers>;

/** Starts a worker. */
export function startStreamWorker(): StreamWorker {
  return startWorker(new URL("stream-worker.ts", import.meta.url), undefined);
}
