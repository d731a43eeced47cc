/**
 * What a second worker costs: the CPU time of a request, of all processes of the gateway, with two workers over with one,
 * each worker under the same load. All processes of a gateway are held to one core and the generator has the other, or it
 * would take turns with a worker. So two workers answer no more requests a second than one: those are told beside it.
 */

import { endingAll } from "./ends.ts";
import { type LoadGenerator, type LoadResult, startLoadGenerator } from "./load.ts";
import { makeProject } from "./project.ts";
import { atMost, type BenchResult, textTable } from "./result.ts";
import { LOAD_COLUMNS, loadCells, measureRound, type RoundsOptions, ratioOf } from "./rounds.ts";
import type { ServerUnderTest } from "./server-under-test.ts";

const CUSTOMERS = 100_000;
const WORKERS = [1, 2] as const;
type Workers = (typeof WORKERS)[number];
/** With fewer at a worker fewer requests would share its runs, and each would cost more for that alone. */
const CONNECTIONS_PER_WORKER = 64;

type Round = Readonly<Record<Workers, LoadResult>>;

/** Runs the bench in a temporary project on LMDB, which is gone when it ends. */
export function benchWorkers(options: RoundsOptions): Promise<BenchResult> {
  return endingAll(async (keep) => {
    const project = await keep(makeProject(CUSTOMERS, Date.now()));
    await project.run("materialize-incremental", "now");
    const serve = (workers: Workers) => keep(project.serve({ HEADGATE_WORKERS: String(workers) }));
    const servers = { 1: await serve(1), 2: await serve(2) };
    const generator = await keep(startLoadGenerator());
    return summarize(await measure(servers, generator, options), options);
  });
}

async function measure(
  servers: Readonly<Record<Workers, ServerUnderTest>>,
  generator: LoadGenerator,
  { rounds, seconds, tell }: RoundsOptions,
): Promise<readonly Round[]> {
  const load = (workers: Workers, seed: number) =>
    generator.run(servers[workers], {
      ...{ form: "predict", entities: 1, ids: "uniform", idCount: CUSTOMERS, seed, seconds },
      connections: workers * CONNECTIONS_PER_WORKER,
    });
  for (const workers of WORKERS) await load(workers, 0);
  const measured: Round[] = [];
  for (let round = 0; round < rounds; round++) {
    measured.push(await measureRound(WORKERS, round, (workers) => load(workers, 1 + round)));
    tell(`round ${round + 1} of ${rounds}: ${WORKERS.length} × ${seconds} s`);
  }
  return measured;
}

function summarize(rounds: readonly Round[], { tell }: RoundsOptions): BenchResult {
  const rows = WORKERS.map((workers) => [
    `${workers} worker${workers === 1 ? "" : "s"}, ${workers * CONNECTIONS_PER_WORKER} connections`,
    ...loadCells(rounds, workers),
  ]);
  tell(`\n${textTable(["", ...LOAD_COLUMNS], rows)}\n`);
  const [cpu, perSecond] = [ratioOf(rounds, "cpuMicrosPerRequest", 2, 1), ratioOf(rounds, "requestsPerSecond", 2, 1)];
  return {
    figures: { customers: CUSTOMERS, connectionsPerWorker: CONNECTIONS_PER_WORKER, cpu, perSecond, rounds },
    bars: [atMost("CPU per request of two workers over one's", cpu, "×", 1.1)],
  };
}
