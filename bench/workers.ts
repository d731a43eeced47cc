/**
 * What a second worker costs: the CPU time of a request, of all processes of the gateway, with two workers over with one,
 * each worker under the same load. All processes of a gateway are held to one core and the generator has the other, or it
 * would take turns with a worker. So two workers answer no more requests a second than one: those are told beside it.
 */

import { type LoadGenerator, type LoadResult, startLoadGenerator } from "./load.ts";
import { CLI, makeProject } from "./project.ts";
import { atMost, type BenchResult, textTable } from "./result.ts";
import { type ServerUnderTest, startServer } from "./server-under-test.ts";
import { type Spread, spreadOf } from "./statistics.ts";

/** How to measure. */
export interface WorkersOptions {
  /** Of each run. */
  readonly seconds: number;
  readonly rounds: number;
  /** Takes a line for people. */
  readonly tell: (line: string) => void;
}

const CUSTOMERS = 100_000;
const WORKERS = [1, 2] as const;
type Workers = (typeof WORKERS)[number];
/** With fewer at a worker fewer requests would share its runs, and each would cost more for that alone. */
const CONNECTIONS_PER_WORKER = 64;

type Round = Readonly<Record<Workers, LoadResult>>;

/** Runs the bench in a temporary project on LMDB, which is gone when it ends. */
export async function benchWorkers(options: WorkersOptions): Promise<BenchResult> {
  const project = await makeProject(CUSTOMERS, Date.now());
  const running: { stop(): Promise<void> }[] = [];
  try {
    await project.run("materialize-incremental", "now");
    const serve = async (workers: Workers) => {
      const words = [CLI, "serve", "--json", "--project", project.directory, "--workers", String(workers)];
      const server = await startServer(words, project.environment);
      running.push(server);
      return server;
    };
    const servers = { 1: await serve(1), 2: await serve(2) };
    const generator = startLoadGenerator();
    running.push(generator);
    return summarize(await measure(servers, generator, options), options);
  } finally {
    for (const started of running.reverse()) await started.stop();
    project.remove();
  }
}

async function measure(
  servers: Readonly<Record<Workers, ServerUnderTest>>,
  generator: LoadGenerator,
  { rounds, seconds, tell }: WorkersOptions,
): Promise<readonly Round[]> {
  const load = (workers: Workers, seed: number) =>
    generator.run(servers[workers], {
      ...{ form: "predict", entities: 1, ids: "uniform", idCount: CUSTOMERS, seed, seconds },
      connections: workers * CONNECTIONS_PER_WORKER,
    });
  for (const workers of WORKERS) await load(workers, 0);
  const measured: Round[] = [];
  for (let round = 0; round < rounds; round++) {
    const results: Partial<Record<Workers, LoadResult>> = {};
    for (let i = 0; i < WORKERS.length; i++) {
      const workers = WORKERS[(i + round) % WORKERS.length]!;
      results[workers] = await load(workers, 1 + round);
    }
    measured.push(results as Round);
    tell(`round ${round + 1} of ${rounds}: ${WORKERS.length} × ${seconds} s`);
  }
  return measured;
}

function summarize(rounds: readonly Round[], { tell }: WorkersOptions): BenchResult {
  const of = (workers: Workers, figure: keyof LoadResult) => spreadOf(rounds.map((round) => round[workers][figure]));
  const number = (spread: Spread | undefined, digits: number) => spread?.median.toFixed(digits) ?? "–";
  const rows = WORKERS.map((workers) => [
    `${workers} worker${workers === 1 ? "" : "s"}, ${workers * CONNECTIONS_PER_WORKER} connections`,
    number(of(workers, "requestsPerSecond"), 0),
    number(of(workers, "p50Ms"), 2),
    number(of(workers, "p99Ms"), 2),
    number(of(workers, "cpuMicrosPerRequest"), 1),
    number(of(workers, "othersShare"), 2),
  ]);
  tell(`\n${textTable(["", "requests/s", "p50 ms", "p99 ms", "CPU µs/request", "others"], rows)}\n`);
  const ratio = (figure: "cpuMicrosPerRequest" | "requestsPerSecond") =>
    spreadOf(
      rounds.map((round) => {
        const [two, one] = [round[2][figure], round[1][figure]];
        return two === undefined || one === undefined ? undefined : two / one;
      }),
    );
  const [cpu, perSecond] = [ratio("cpuMicrosPerRequest"), ratio("requestsPerSecond")];
  return {
    figures: { customers: CUSTOMERS, connectionsPerWorker: CONNECTIONS_PER_WORKER, cpu, perSecond, rounds },
    bars: [atMost("CPU per request of two workers over one's", cpu, "×", 1.1)],
  };
}
