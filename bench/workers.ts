/**
 * What a second worker costs: the CPU time of a request, of all processes of the gateway, with two workers over with one,
 * each worker under the same load. It has a bar where each worker may have a core and requests come at a rate that leaves
 * it much to spare. Beside it stand all processes of a gateway held to one core, in a closed loop, where the workers take
 * turns: fewer requests share a turn, so that the ratio tells of the scheduler too, and two answer no more than one.
 */

import { endingAll } from "./ends.ts";
import { type LoadGenerator, type LoadResult, type OpenLoadResult, startLoadGenerator } from "./load.ts";
import { type BenchProject, makeProject } from "./project.ts";
import { atMost, type BenchResult, textTable } from "./result.ts";
import { LOAD_COLUMNS, loadCells, measureRound, type RoundsOptions, ratioOf } from "./rounds.ts";
import type { ServerUnderTest } from "./server-under-test.ts";
import { medianText } from "./statistics.ts";

const CUSTOMERS = 100_000;
const WORKERS = [1, 2] as const;
type Workers = (typeof WORKERS)[number];
/** Of the closed loop. With fewer at a worker fewer requests would share its runs, and each would cost more for that alone. */
const CONNECTIONS_PER_WORKER = 64;
/** Of the open loop; requests under way at most are 32 ms of a worker that stands still. */
const OPEN = Object.freeze({ perSecondPerWorker: 4_000, maxInFlightPerWorker: 128, warmUpSeconds: 0.5 });

const requests = { form: "predict", entities: 1, ids: "uniform", idCount: CUSTOMERS } as const;

type Rounds<Result> = readonly Readonly<Record<Workers, Result>>[];
type Load<Result> = (server: ServerUnderTest, workers: Workers, seed: number) => Promise<Result>;

interface Measured {
  readonly oneCore: Rounds<LoadResult>;
  readonly ownCores: Rounds<OpenLoadResult>;
}

/** Runs the bench in a temporary project on LMDB, which is gone when it ends. */
export function benchWorkers(options: RoundsOptions): Promise<BenchResult> {
  return endingAll(async (keep) => {
    const project = await keep(makeProject(CUSTOMERS, Date.now()));
    await project.run("materialize-incremental", "now");
    const generator = await keep(startLoadGenerator());
    const { seconds } = options;
    return summarize(
      {
        oneCore: await measure(project, true, closedLoop(generator, seconds), options),
        ownCores: await measure(project, false, openLoop(generator, seconds), options),
      },
      options,
    );
  });
}

const closedLoop =
  (generator: LoadGenerator, seconds: number): Load<LoadResult> =>
  (server, workers, seed) =>
    generator.run(server, { ...requests, connections: workers * CONNECTIONS_PER_WORKER, seconds, seed });

const openLoop =
  (generator: LoadGenerator, seconds: number): Load<OpenLoadResult> =>
  (server, workers, seed) =>
    generator.runOpen(server, {
      ...{ ...requests, arrivals: "constant", isSpinning: false, warmUpSeconds: OPEN.warmUpSeconds, seconds, seed },
      perSecond: workers * OPEN.perSecondPerWorker,
      maxInFlight: workers * OPEN.maxInFlightPerWorker,
    });

function measure<Result>(
  project: BenchProject,
  isPinned: boolean,
  load: Load<Result>,
  { rounds, seconds, tell }: RoundsOptions,
): Promise<Rounds<Result>> {
  return endingAll(async (keep) => {
    const serve = (workers: Workers) => keep(project.serve({ HEADGATE_WORKERS: String(workers) }, isPinned));
    const servers = { 1: await serve(1), 2: await serve(2) };
    for (const workers of WORKERS) await load(servers[workers], workers, 0);
    const measured: Readonly<Record<Workers, Result>>[] = [];
    for (let round = 0; round < rounds; round++) {
      measured.push(await measureRound(WORKERS, round, (workers) => load(servers[workers], workers, 1 + round)));
      tell(`${isPinned ? "one core" : "own cores"}, round ${round + 1} of ${rounds}: ${WORKERS.length} × ${seconds} s`);
    }
    return measured;
  });
}

function summarize({ oneCore, ownCores }: Measured, { tell }: RoundsOptions): BenchResult {
  const cpuOf = (rounds: Rounds<LoadResult | OpenLoadResult>, workers: Workers = 2) =>
    ratioOf(rounds, workers, 1, "cpuMicrosPerRequest");
  const rowOf = (title: string, rounds: Rounds<LoadResult | OpenLoadResult>, workers: Workers) => [
    `${workers} worker${workers === 1 ? "" : "s"}, ${title}`,
    ...loadCells(rounds, workers),
    medianText(cpuOf(rounds, workers), 2),
  ];
  const failed = ownCores.flatMap((round) => WORKERS.map((workers) => round[workers].missed + round[workers].refused));
  const failures = failed.reduce((sum, some) => sum + some, 0);
  const rows = [
    ...WORKERS.map((workers) => rowOf(`${workers * OPEN.perSecondPerWorker}/s, own cores`, ownCores, workers)),
    ...WORKERS.map((workers) => rowOf(`${workers * CONNECTIONS_PER_WORKER} connections, one core`, oneCore, workers)),
  ];
  tell(`\n${textTable(["", ...LOAD_COLUMNS, "÷ 1 worker"], rows)}\n${failures} requests of the open loops failed\n`);
  return {
    figures: {
      ...{ customers: CUSTOMERS, connectionsPerWorker: CONNECTIONS_PER_WORKER, open: OPEN, failures },
      oneCore: { cpu: cpuOf(oneCore), perSecond: ratioOf(oneCore, 2, 1, "requestsPerSecond"), rounds: oneCore },
      ownCores: { cpu: cpuOf(ownCores), rounds: ownCores },
    },
    bars: [
      atMost(
        "CPU per request of two workers over one's, same rate for each, a core for each",
        cpuOf(ownCores),
        "×",
        1.1,
      ),
    ],
  };
}
