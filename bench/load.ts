/**
 * Load from a process of its own, on the core that the server does not have. A closed loop, where every connection sends
 * its next request when it has its answer, tells what a server can do; an open one (open-loop-run.ts) what its users
 * see. The process is started once and given job after job, so that it is as warm for the last server as for the first.
 */

import type { Arrivals, RateStep } from "./arrivals.ts";
import type { OpenLoopFigures } from "./open-loop-run.ts";
import { OTHERS_SHARE_MAX, othersSince, readCpu, waitForQuiet } from "./other-load.ts";
import type { Form, Ids } from "./predict-body.ts";
import { readCpuMicros } from "./process-cpu.ts";
import type { ServerUnderTest } from "./server-under-test.ts";
import { startWorker } from "./worker.ts";

/** The load generator's core. */
const GENERATOR_CORE = 1;

/** The requests of a load. */
interface LoadRequests {
  readonly form: Form;
  /** Entities in one request; 1 is sent as an object, more as a list. */
  readonly entities: number;
  readonly ids: Ids;
  /** Ids are 1 … this. */
  readonly idCount: number;
  readonly seed: number;
}

/** What to send in a closed loop, and for how long. */
export interface LoadJob extends Omit<LoadRequests, "form"> {
  readonly form: Form | "infer";
  readonly connections: number;
  readonly seconds: number;
}

/** What to send in an open loop, how often and for how long. */
export interface OpenLoadJob extends LoadRequests {
  readonly arrivals: Arrivals;
  readonly perSecond: number;
  /** Counted, after the warm-up. */
  readonly seconds: number;
  readonly warmUpSeconds: number;
  /** Another rate that follows, counted with the rest. */
  readonly nextRate?: RateStep;
  /** Answers later than this after their due time are late; without it none is, ms. */
  readonly inTimeMs?: number;
  /** Requests under way at most, each on a connection of its own; what is due beyond is missed. */
  readonly maxInFlight: number;
  /** False: what is due within a millisecond is sent together, and the generator's core is left to others. */
  readonly isSpinning?: boolean;
}

/** What the generator saw. Times are ms. */
export interface LoadFigures {
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
}

interface ServerCost {
  /** CPU time of the server, all its threads and processes, by its requests; undefined without /proc. */
  readonly cpuMicrosPerRequest: number | undefined;
  /** What others used of the machine meanwhile, 0 … 1; undefined without /proc. Over 0.1 they disturbed. */
  readonly othersShare: number | undefined;
}

/** One measured closed-loop run against one server. */
export type LoadResult = LoadFigures & ServerCost;

/** One measured open-loop run against one server. */
export type OpenLoadResult = OpenLoopFigures & ServerCost;

/** A running load generator. */
export interface LoadGenerator {
  /** Loads a server in a closed loop. Rejects when a request fails: figures of a server that errs mean nothing. */
  run(server: ServerUnderTest, job: LoadJob): Promise<LoadResult>;
  /** Loads a server in an open loop, where failed requests are a figure. */
  runOpen(server: ServerUnderTest, job: OpenLoadJob): Promise<OpenLoadResult>;
  stop(): Promise<void>;
}

/** What can be asked of load-generator.ts. */
export interface LoadJobs {
  readonly load: { readonly url: string; readonly job: LoadJob };
  readonly openLoad: { readonly url: string; readonly job: OpenLoadJob };
}

/** The answers. */
export interface LoadAnswers {
  readonly load: LoadFigures;
  readonly openLoad: OpenLoopFigures;
}

/** How long the generator waits for a quiet machine, and makes disturbed runs again, over all its runs, ms. */
const PATIENCE_MS = 240_000;
/** Of that, before one run. */
const WAIT_MAX_MS = 10_000;
const TRIES = 4;
/** Patience that is spent without a word, ms. */
const TOLD_AFTER_MS = 3_000;

/** Starts the generator. A run beside which others were busy is made again as long as its patience lasts. */
export function startLoadGenerator(patienceMs: number = PATIENCE_MS): LoadGenerator {
  const program = new URL("load-generator.ts", import.meta.url);
  const worker = startWorker<LoadJobs, LoadAnswers>(program, GENERATOR_CORE);
  let patienceLeftMs = patienceMs;
  let hasTold = false;
  const tell = () => {
    if (hasTold) return;
    hasTold = true;
    const minutes = Math.round(patienceMs / 60_000);
    process.stderr.write(
      `Others are busy on this machine: waiting for quiet and repeating disturbed runs, ${minutes} minutes at most.\n`,
    );
  };
  const wait = async () => {
    const telling = setTimeout(tell, TOLD_AFTER_MS - (patienceMs - patienceLeftMs));
    patienceLeftMs -= await waitForQuiet(Math.min(WAIT_MAX_MS, patienceLeftMs));
    clearTimeout(telling);
  };
  const runQuietly = async <Result extends ServerCost>(run: () => Promise<Result>): Promise<Result> => {
    let best: Result | undefined;
    for (let i = 0; i < TRIES; i++) {
      if (patienceLeftMs > 0) await wait();
      const startMs = performance.now();
      const result = await run();
      if (best === undefined || (result.othersShare ?? 0) < (best.othersShare ?? 0)) best = result;
      if (patienceLeftMs <= 0 || (best.othersShare ?? 0) <= OTHERS_SHARE_MAX) break;
      patienceLeftMs -= performance.now() - startMs;
    }
    return best!;
  };
  return Object.freeze({
    run: (server: ServerUnderTest, job: LoadJob) =>
      runQuietly(() => withCost(server, () => worker.ask("load", { url: server.url, job }))),
    runOpen: (server: ServerUnderTest, job: OpenLoadJob) =>
      // Those of the warm-up cost as much as the others, and what was never sent nothing.
      runQuietly(() =>
        withCost(
          server,
          () => worker.ask("openLoad", { url: server.url, job }),
          ({ requests, missed }) => ((requests - missed) * (job.seconds + job.warmUpSeconds)) / job.seconds,
        ),
      ),
    stop: worker.stop,
  });
}

async function withCost<Figures extends { readonly requests: number }>(
  { pid }: ServerUnderTest,
  load: () => Promise<Figures>,
  allRequests = ({ requests }: Figures) => requests,
): Promise<Figures & ServerCost> {
  const [machine, before] = [readCpu(), readCpuMicros(pid)];
  const figures = await load();
  const after = readCpuMicros(pid);
  const cpuMicrosPerRequest =
    before === undefined || after === undefined ? undefined : (after - before) / allRequests(figures);
  return { ...figures, cpuMicrosPerRequest, othersShare: othersSince(machine) };
}
