/**
 * POST /predict on Redis against the floor of predict.ts, in one run: answered from memory, with every row read from
 * Redis, and with five views of the entity in place of one. Redis shares the load generator's core: what is measured
 * is the CPU time of the gateway.
 */

import { barChart } from "./bar-chart.ts";
import { type LoadResult, startLoadGenerator } from "./load.ts";
import type { PredictOptions } from "./predict.ts";
import { CUSTOMERS, startGateway, startPredictionServers, WITHOUT_MEMORY } from "./prediction-servers.ts";
import { canPin } from "./process-cpu.ts";
import { atMost, type BenchResult, textTable } from "./result.ts";
import type { ServerUnderTest } from "./server-under-test.ts";
import { spreadOf } from "./statistics.ts";

const CONNECTIONS = [64, 16] as const;
const NAMES = ["alone", "together", "memory", "redis", "fiveViews"] as const;
type Name = (typeof NAMES)[number];
type Round = Readonly<Record<Name, LoadResult>>;

/** Runs the bench in temporary projects on a Redis of its own, which are gone when it ends. */
export async function benchPredictOnRedis({ seconds, rounds, tell }: PredictOptions): Promise<BenchResult> {
  const running = await startPredictionServers();
  try {
    const { keep } = running;
    const fiveViews = await running.makeProject({ hasFiveViews: true });
    const servers: Readonly<Record<Name, ServerUnderTest>> = {
      ...running.servers,
      fiveViews: await keep(startGateway(fiveViews, WITHOUT_MEMORY)),
    };
    const generator = await keep(startLoadGenerator());
    const measured = new Map<number, Round[]>(CONNECTIONS.map((connections) => [connections, []]));
    const job = { form: "predict", entities: 1, ids: "uniform", idCount: CUSTOMERS, seconds } as const;
    for (const name of NAMES) await generator.run(servers[name], { ...job, connections: 64, seed: 0 });
    for (let round = 0; round < rounds; round++) {
      for (const [connections, done] of measured) {
        const results: Partial<Record<Name, LoadResult>> = {};
        for (let i = 0; i < NAMES.length; i++) {
          const name = NAMES[(i + round) % NAMES.length]!;
          results[name] = await generator.run(servers[name], { ...job, connections, seed: 1 + round });
        }
        done.push(results as Round);
      }
      tell(`round ${round + 1} of ${rounds}, ${CONNECTIONS.length} cases of ${NAMES.length} × ${seconds} s`);
    }
    return summarize(measured, tell);
  } finally {
    await running.stop();
  }
}

type Figure = "othersShare" | "cpuMicrosPerRequest" | "p50Ms" | "p99Ms" | "requestsPerSecond";

function summarize(measured: ReadonlyMap<number, readonly Round[]>, tell: (line: string) => void): BenchResult {
  const ratio = (connections: number, figure: Figure, own: Name, floor: Name) =>
    spreadOf(
      measured.get(connections)!.map((round) => {
        const [its, base] = [round[own][figure], round[floor][figure]];
        return its === undefined || base === undefined ? undefined : its / base;
      }),
    );
  const figure = (rounds: readonly Round[], name: Name, of: Figure, digits: number) =>
    spreadOf(rounds.map((round) => round[name][of]))?.median.toFixed(digits) ?? "–";
  const rows = [...measured].flatMap(([connections, rounds]) =>
    NAMES.map((name) => [
      `${connections} connections, ${SHOWN[name]}`,
      figure(rounds, name, "requestsPerSecond", 0),
      figure(rounds, name, "p50Ms", 2),
      figure(rounds, name, "p99Ms", 2),
      figure(rounds, name, "cpuMicrosPerRequest", 1),
      figure(rounds, name, "othersShare", 2),
      ratio(connections, "cpuMicrosPerRequest", name, "alone")?.median.toFixed(2) ?? "–",
      ratio(connections, "cpuMicrosPerRequest", name, "together")?.median.toFixed(2) ?? "–",
    ]),
  );
  tell(`\n${textTable(["", "requests/s", "p50 ms", "p99 ms", "CPU µs/request", "others", "÷ (a)", "÷ (b)"], rows)}\n`);
  const cpu = (own: Name, floor: Name) => ratio(64, "cpuMicrosPerRequest", own, floor);
  return {
    figures: {
      pinned: canPin,
      customers: CUSTOMERS,
      cases: [...measured].map(([connections, of]) => ({ connections, rounds: of })),
    },
    bars: [
      atMost("CPU per request over floor (a), from memory, 64 connections", cpu("memory", "alone"), "×", 1),
      atMost("CPU per request over floor (b), from memory", cpu("memory", "together"), "×", 1.6),
      atMost("CPU per request over floor (a), every row from Redis", cpu("redis", "alone"), "×", 1.2),
      atMost("CPU per request over floor (b), every row from Redis", cpu("redis", "together"), "×", 2),
      atMost("p99 over floor (a)'s, from Redis, 16 connections", ratio(16, "p99Ms", "redis", "alone"), "×", 2.5),
      atMost(
        "CPU per request, 5 views over 1, from Redis",
        ratio(64, "cpuMicrosPerRequest", "fiveViews", "redis"),
        "×",
        1.3,
      ),
    ],
    charts: {
      "throughput-by-tier.svg": barChart({
        title: "Predictions a second by tier, one core",
        subtitle:
          "POST /predict, 1 entity a request, 64 connections in a closed loop, 100-tree model; grey: the floors",
        bars: NAMES.map((name) => ({
          label: SHOWN[name],
          value: spreadOf(measured.get(64)!.map((round) => round[name].requestsPerSecond))!.median,
          color: name === "alone" || name === "together" ? 0 : 1,
        })),
      }),
    },
  };
}

const SHOWN: Readonly<Record<Name, string>> = {
  alone: "floor (a) each alone",
  together: "floor (b) a turn together",
  memory: "from memory",
  redis: "from Redis",
  fiveViews: "from Redis, 5 views",
};
