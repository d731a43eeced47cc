/**
 * POST /predict on Redis against the floor of predict.ts, in one run: answered from memory, with every row read from
 * Redis, and with five views of the entity in place of one. Redis shares the load generator's core: what is measured
 * is the CPU time of the gateway.
 */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type LoadResult, startLoadGenerator } from "./load.ts";
import { type PredictOptions, realAnswer } from "./predict.ts";
import { canPin } from "./process-cpu.ts";
import { type BenchProject, CLI, makeProject } from "./project.ts";
import { CLIENT_CORE, missingRedis, startBenchRedis } from "./redis-server.ts";
import { atMost, type BenchResult, textTable } from "./result.ts";
import { type ServerUnderTest, startServer } from "./server-under-test.ts";
import { spreadOf } from "./statistics.ts";

/** Customers in the store; all fit into memory. */
const CUSTOMERS = 100_000;
/** Entities of a request that fills memory. */
const LIST = 100;
const CONNECTIONS = [64, 16] as const;
const NAMES = ["alone", "together", "memory", "redis", "fiveViews"] as const;
type Name = (typeof NAMES)[number];
type Round = Readonly<Record<Name, LoadResult>>;

/** Runs the bench in temporary projects on a Redis of its own, which are gone when it ends. */
export async function benchPredictOnRedis({ seconds, rounds, tell }: PredictOptions): Promise<BenchResult> {
  const missing = missingRedis();
  if (missing !== undefined) throw new Error(`predict --store redis needs a Redis: ${missing}.`);
  const folder = mkdtempSync(join(tmpdir(), "headgate-bench-"));
  const ends: (() => unknown)[] = [() => rmSync(folder, { recursive: true, force: true })];
  const keep = async <T extends { stop(): Promise<void> }>(starting: T | Promise<T>): Promise<T> => {
    const started = await starting;
    ends.push(() => started.stop());
    return started;
  };
  const projectOf = async (hasFiveViews: boolean) => {
    const project = await makeProject(CUSTOMERS, Date.now(), { onlineStore: redis.url, hasFiveViews });
    ends.push(() => project.remove());
    await project.run("materialize-incremental", "now");
    return project;
  };
  const redis = await keep(startBenchRedis(CLIENT_CORE));
  try {
    const [oneView, fiveViews] = [await projectOf(false), await projectOf(true)];
    const memory = await keep(serve(oneView, {}));
    for (let id = 1; id <= CUSTOMERS; id += LIST) await fill(memory, id);
    const answers = join(folder, "answers.json");
    writeFileSync(answers, JSON.stringify({ 1: await realAnswer(memory, 1) }));
    const floor = fileURLToPath(new URL("floor-server.mjs", import.meta.url));
    const servers: Readonly<Record<Name, ServerUnderTest>> = {
      alone: await keep(startServer([floor, "alone", answers])),
      together: await keep(startServer([floor, "together", answers])),
      memory,
      redis: await keep(serve(oneView, { HEADGATE_CACHE_BYTES: "0" })),
      fiveViews: await keep(serve(fiveViews, { HEADGATE_CACHE_BYTES: "0" })),
    };
    const generator = await keep(startLoadGenerator());
    const measured = new Map<number, Round[]>(CONNECTIONS.map((connections) => [connections, []]));
    const job = { entities: 1, ids: "uniform", idCount: CUSTOMERS, seconds } as const;
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
    for (const end of ends.reverse()) await end();
  }
}

function serve(project: BenchProject, settings: Readonly<Record<string, string>>): Promise<ServerUnderTest> {
  return startServer([CLI, "serve", "--json", "--project", project.directory], { ...project.environment, ...settings });
}

async function fill({ url }: ServerUnderTest, from: number): Promise<void> {
  const entities = Array.from({ length: LIST }, (_, i) => ({ customer_id: from + i }));
  const body = JSON.stringify({ model: "churn", entities });
  const headers = { "content-type": "application/json" };
  const response = await fetch(`${url}/predict`, { method: "POST", headers, body });
  if (!response.ok) throw new Error(`The gateway answers ${response.status}: ${await response.text()}`);
  await response.arrayBuffer();
}

type Figure = "cpuMicrosPerRequest" | "p50Ms" | "p99Ms" | "requestsPerSecond";

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
      ratio(connections, "cpuMicrosPerRequest", name, "alone")?.median.toFixed(2) ?? "–",
      ratio(connections, "cpuMicrosPerRequest", name, "together")?.median.toFixed(2) ?? "–",
    ]),
  );
  tell(`\n${textTable(["", "requests/s", "p50 ms", "p99 ms", "CPU µs/request", "÷ (a)", "÷ (b)"], rows)}\n`);
  const cpu = (own: Name, floor: Name) => ratio(64, "cpuMicrosPerRequest", own, floor)?.median;
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
      atMost(
        "p99 over floor (a)'s, from Redis, 16 connections",
        ratio(16, "p99Ms", "redis", "alone")?.median,
        "×",
        2.5,
      ),
      atMost("CPU per request, 5 views over 1, from Redis", cpu("fiveViews", "redis"), "×", 1.3),
    ],
  };
}

const SHOWN: Readonly<Record<Name, string>> = {
  alone: "floor (a) each alone",
  together: "floor (b) a turn together",
  memory: "from memory",
  redis: "from Redis",
  fiveViews: "from Redis, 5 views",
};
