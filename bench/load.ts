/**
 * Closed-loop load from a process of its own, on the core that the server does not have: every connection sends its
 * next request when it has its answer. The process is started once and given job after job, so that it is as warm for
 * the last server as for the first.
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { pinned, readCpuMicros } from "./process-cpu.ts";
import type { ServerUnderTest } from "./server-under-test.ts";

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

/** Starts the generator. */
export function startLoadGenerator(): LoadGenerator {
  const program = fileURLToPath(new URL("load-generator.ts", import.meta.url));
  const loader = import.meta.resolve("jiti/register");
  const [command, ...args] = pinned(GENERATOR_CORE, [process.execPath, "--import", loader, program]);
  const child = spawn(command!, args, { stdio: ["ignore", "inherit", "inherit", "ipc"] });

  const exited = once(child, "exit");

  async function send(url: string, job: LoadJob): Promise<LoadFigures> {
    const ended = exited.then(() => ({ failed: "The load generator ended before it answered." }));
    const answered = once(child, "message") as Promise<[LoadFigures | { readonly failed: string }]>;
    child.send({ url, job });
    const answer = await Promise.race([answered.then(([message]) => message), ended]);
    if ("failed" in answer) throw new Error(answer.failed);
    return answer;
  }

  return Object.freeze({
    async run(server: ServerUnderTest, job: LoadJob) {
      const before = readCpuMicros(server.pid);
      const figures = await send(server.url, job);
      const after = readCpuMicros(server.pid);
      const cpuMicrosPerRequest =
        before === undefined || after === undefined ? undefined : (after - before) / figures.requests;
      return { ...figures, cpuMicrosPerRequest };
    },
    async stop() {
      child.kill();
      await exited;
    },
  });
}
