/**
 * Closed-loop load from a process of its own, on the core that the server does not have: every connection sends its
 * next request when it has its answer. The process is started once and given job after job, so that it is as warm for
 * the last server as for the first.
 */

import { readCpuMicros } from "./process-cpu.ts";
import type { ServerUnderTest } from "./server-under-test.ts";
import { startWorker } from "./worker.ts";

/** The load generator's core. */
const GENERATOR_CORE = 1;

/** What to send, and for how long. */
export interface LoadJob {
  readonly connections: number;
  readonly seconds: number;
  /** Entities in one request; 1 is sent as an object, more as a list. */
  readonly entities: number;
  readonly ids: "uniform" | "zipf";
  /** Ids are 1 … this. */
  readonly idCount: number;
  /** The same seed sends the same requests. */
  readonly seed: number;
}

/** What the generator saw. Times are ms. */
export interface LoadFigures {
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
}

/** One measured run against one server. */
export interface LoadResult extends LoadFigures {
  /** CPU time of the server, all threads, by its requests; undefined without /proc. */
  readonly cpuMicrosPerRequest: number | undefined;
}

/** A running load generator. */
export interface LoadGenerator {
  /** Loads a server. Rejects when a request fails: figures of a server that errs mean nothing. */
  run(server: ServerUnderTest, job: LoadJob): Promise<LoadResult>;
  stop(): Promise<void>;
}

/** What can be asked of load-generator.ts. */
export interface LoadJobs {
  readonly load: { readonly url: string; readonly job: LoadJob };
}

/** The answers. */
export interface LoadAnswers {
  readonly load: LoadFigures;
}

/** Starts the generator. */
export function startLoadGenerator(): LoadGenerator {
  const program = new URL("load-generator.ts", import.meta.url);
  const worker = startWorker<LoadJobs, LoadAnswers>(program, GENERATOR_CORE);
  return Object.freeze({
    async run(server: ServerUnderTest, job: LoadJob) {
      const before = readCpuMicros(server.pid);
      const figures = await worker.ask("load", { url: server.url, job });
      const after = readCpuMicros(server.pid);
      const cpuMicrosPerRequest =
        before === undefined || after === undefined ? undefined : (after - before) / figures.requests;
      return { ...figures, cpuMicrosPerRequest };
    },
    stop: worker.stop,
  });
}
