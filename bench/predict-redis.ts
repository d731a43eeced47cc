/**
 * POST /predict on Redis against the floor of predict.ts, in one run: answered from memory, with every row read from
 * Redis, and with five views of the entity in place of one. Redis shares the load generator's core: what is measured
 * is the CPU time of the gateway.
 */

import { barChart } from "./bar-chart.ts";
import { endingAll } from "./ends.ts";
import { type LoadGenerator, type LoadResult, startLoadGenerator } from "./load.ts";
import { CUSTOMERS, startPredictionServers, WITHOUT_MEMORY } from "./prediction-servers.ts";
import { canPin } from "./process-cpu.ts";
import { makeProject } from "./project.ts";
import { atMost, type BenchResult, textTable } from "./result.ts";
import { figureOf, LOAD_COLUMNS, loadCells, measureRound, type RoundsOptions, ratioOf } from "./rounds.ts";
import type { ServerUnderTest } from "./server-under-test.ts";
import { medianText } from "./statistics.ts";

const CONNECTIONS = [64, 16] as const;
const SHOWN = {
  alone: "floor (a) each alone",
  together: "floor (b) a turn together",
  memory: "from memory",
  redis: "from Redis",
  fiveViews: "from Redis, 5 views",
} as const;
type Name = keyof typeof SHOWN;
const NAMES = Object.keys(SHOWN) as readonly Name[];
type Servers = Readonly<Record<Name, ServerUnderTest>>;
type Round = Readonly<Record<Name, LoadResult>>;
/** By the number of connections. */
type Measured = Readonly<Record<(typeof CONNECTIONS)[number], Round[]>>;

/** Runs the bench in temporary projects on a Redis of its own, which are gone when it ends. */
export function benchPredictOnRedis(options: RoundsOptions): Promise<BenchResult> {
  return endingAll(async (keep) => {
    const { servers, redis } = await startPredictionServers(keep);
    const project = await keep(makeProject(CUSTOMERS, Date.now(), { onlineStore: redis.url, hasFiveViews: true }));
    await project.run("materialize-incremental", "now");
    const fiveViews = await keep(project.serve(WITHOUT_MEMORY));
    const generator = await keep(startLoadGenerator());
    return summarize(await measure({ ...servers, fiveViews }, generator, options), options.tell);
  });
}

async function measure(
  servers: Servers,
  generator: LoadGenerator,
  { rounds, seconds, tell }: RoundsOptions,
): Promise<Measured> {
  const job = { form: "predict", entities: 1, ids: "uniform", idCount: CUSTOMERS, seconds } as const;
  for (const name of NAMES) await generator.run(servers[name], { ...job, connections: 64, seed: 0 });
  const measured: Measured = { 64: [], 16: [] };
  for (let round = 0; round < rounds; round++) {
    for (const connections of CONNECTIONS) {
      const run = (name: Name) => generator.run(servers[name], { ...job, connections, seed: 1 + round });
      measured[connections].push(await measureRound(NAMES, round, run));
    }
    tell(`round ${round + 1} of ${rounds}, ${CONNECTIONS.length} cases of ${NAMES.length} × ${seconds} s`);
  }
  return measured;
}

function summarize(measured: Measured, tell: (line: string) => void): BenchResult {
  const rows = CONNECTIONS.flatMap((connections) =>
    NAMES.map((name) => [
      `${connections} connections, ${SHOWN[name]}`,
      ...loadCells(measured[connections], name),
      medianText(ratioOf(measured[connections], name, "alone", "cpuMicrosPerRequest"), 2),
      medianText(ratioOf(measured[connections], name, "together", "cpuMicrosPerRequest"), 2),
    ]),
  );
  tell(`\n${textTable(["", ...LOAD_COLUMNS, "÷ (a)", "÷ (b)"], rows)}\n`);
  const cpu = (own: Name, base: Name) => ratioOf(measured[64], own, base, "cpuMicrosPerRequest");
  const p99 = ratioOf(measured[16], "redis", "alone", "p99Ms");
  return {
    figures: {
      pinned: canPin,
      customers: CUSTOMERS,
      cases: CONNECTIONS.map((connections) => ({ connections, rounds: measured[connections] })),
    },
    bars: [
      atMost("CPU per request over floor (a), from memory, 64 connections", cpu("memory", "alone"), "×", 0.8),
      atMost("CPU per request over floor (b), from memory", cpu("memory", "together"), "×", 1.4),
      atMost("CPU per request over floor (a), every row from Redis", cpu("redis", "alone"), "×", 1),
      atMost("CPU per request over floor (b), every row from Redis", cpu("redis", "together"), "×", 1.6),
      atMost("p99 over floor (a)'s, from Redis, 16 connections", p99, "×", 2.5),
      atMost("CPU per request, 5 views over 1, from Redis", cpu("fiveViews", "redis"), "×", 1.3),
    ],
    charts: {
      "throughput-by-tier.svg": barChart({
        title: "Predictions a second by tier, one core",
        subtitle:
          "POST /predict, 1 entity a request, 64 connections in a closed loop, 100-tree model; grey: the floors",
        bars: NAMES.map((name) => ({
          label: SHOWN[name],
          value: figureOf(measured[64], name, "requestsPerSecond")!.median,
          color: name === "alone" || name === "together" ? 0 : 1,
        })),
      }),
    },
  };
}
