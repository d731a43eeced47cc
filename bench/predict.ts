/**
 * POST /predict against its floor, in one run: the gateway as users run it (LMDB, the churn example's LightGBM model of
 * 100 trees) and the two floor servers of floor-server.mjs, one after the other in every round, so that whatever else
 * the machine does falls on all three. Ratios are taken within a round; a figure is the median over the rounds.
 */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type LoadGenerator, type LoadJob, type LoadResult, startLoadGenerator } from "./load.ts";
import { realAnswer } from "./prediction-servers.ts";
import { canPin } from "./process-cpu.ts";
import { CLI, makeProject } from "./project.ts";
import { atLeast, atMost, type BenchResult, textTable } from "./result.ts";
import { type ServerUnderTest, startServer } from "./server-under-test.ts";
import { type Spread, spreadOf } from "./statistics.ts";

/** How to measure. */
export interface PredictOptions {
  /** Of each run of a case that has a bar. */
  readonly seconds: number;
  /** Rounds of a case that has a bar, at least 5 for figures to quote. */
  readonly rounds: number;
  /** Takes a line for people. */
  readonly tell: (line: string) => void;
}

/** Customers in the store. */
const CUSTOMERS = 100_000;
const CONNECTIONS = [1, 16, 64] as const;
const LIST = 100;
/** A case without a bar is for the picture: shorter and less often. */
const PICTURE = Object.freeze({ seconds: 1, rounds: 3 });

const SERVERS = ["alone", "together", "headgate"] as const;
type ServerName = (typeof SERVERS)[number];
type Servers = Readonly<Record<ServerName, ServerUnderTest>>;
type Round = Readonly<Record<ServerName, LoadResult>>;

interface Case {
  readonly entities: number;
  readonly connections: number;
  readonly ids: LoadJob["ids"];
  readonly hasBar: boolean;
}

const CASES: readonly Case[] = [1, LIST].flatMap((entities) =>
  CONNECTIONS.flatMap((connections) =>
    (["uniform", "zipf"] as const).map((ids) => {
      const hasBar = ids === "uniform" && (connections === 64 || (connections === 1 && entities === 1));
      return { entities, connections, ids, hasBar };
    }),
  ),
);

/** Runs the bench in a temporary project, which is gone when it ends. */
export async function benchPredict(options: PredictOptions): Promise<BenchResult> {
  const { tell } = options;
  tell(
    canPin
      ? "Server and load generator each have a core of their own (taskset)."
      : "Server and load generator are not pinned: that takes two cores and taskset. CPU per request is noisier so.",
  );
  const project = await makeProject(CUSTOMERS, Date.now());
  const running: { stop(): Promise<void> }[] = [];
  const keep = <T extends { stop(): Promise<void> }>(started: T): T => {
    running.push(started);
    return started;
  };
  try {
    await project.run("materialize-incremental", "now");
    const serve = [CLI, "serve", "--json", "--project", project.directory];
    const headgate = keep(await startServer(serve, project.environment));
    const answers = join(project.directory, "answers.json");
    writeFileSync(
      answers,
      JSON.stringify({ 1: await realAnswer(headgate, 1), [LIST]: await realAnswer(headgate, LIST) }),
    );
    const floor = fileURLToPath(new URL("floor-server.mjs", import.meta.url));
    const alone = keep(await startServer([floor, "alone", answers]));
    const together = keep(await startServer([floor, "together", answers]));
    const generator = keep(startLoadGenerator());
    return summarize(await measure({ alone, together, headgate }, generator, options), tell);
  } finally {
    for (const started of running.reverse()) await started.stop();
    project.remove();
  }
}

type Measured = readonly { readonly of: Case; readonly rounds: readonly Round[] }[];

async function measure(servers: Servers, generator: LoadGenerator, options: PredictOptions): Promise<Measured> {
  const job = {
    form: "predict",
    ids: "uniform",
    idCount: CUSTOMERS,
    connections: 64,
    seconds: options.seconds,
  } as const;
  for (const entities of [1, LIST]) {
    for (const name of SERVERS) await generator.run(servers[name], { ...job, entities, seed: 0 });
  }
  const measured = CASES.map((of) => ({ of, rounds: [] as Round[] }));
  // Round by round over all cases of a kind, so that cases can be compared within a round as servers can.
  for (const hasBar of [true, false]) {
    const { seconds, rounds } = hasBar ? options : PICTURE;
    const cases = measured.filter(({ of }) => of.hasBar === hasBar);
    for (let round = 0; round < rounds; round++) {
      for (const { of, rounds: done } of cases) {
        done.push(await measureRound(servers, generator, { ...job, ...of, seconds, seed: 1 + round }, round));
      }
      options.tell(`round ${round + 1} of ${rounds}, ${cases.length} cases of 3 × ${seconds} s`);
    }
  }
  return measured;
}

async function measureRound(servers: Servers, generator: LoadGenerator, job: LoadJob, round: number): Promise<Round> {
  const results: Partial<Record<ServerName, LoadResult>> = {};
  for (let i = 0; i < SERVERS.length; i++) {
    // Another one begins each time, so that nobody always follows the same neighbour.
    const name = SERVERS[(i + round) % SERVERS.length]!;
    results[name] = await generator.run(servers[name], job);
  }
  return results as Round;
}

function nameOf({ entities, connections, ids }: Case): string {
  return `${entities === 1 ? "1 entity" : `${entities} entities`}, ${connections} connection${connections === 1 ? "" : "s"}, ${ids}`;
}

type Figure = keyof LoadResult;

/** Spread over the rounds of one figure of the gateway as a multiple of a floor's in the same round. */
function ratio(rounds: readonly Round[], figure: Figure, floor: ServerName): Spread | undefined {
  return spreadOf(
    rounds.map((round) => {
      const [own, its] = [round.headgate[figure], round[floor][figure]];
      return own === undefined || its === undefined ? undefined : own / its;
    }),
  );
}

function summarize(measured: Measured, tell: (line: string) => void): BenchResult {
  const cases = measured.map(({ of, rounds }) => ({
    case: nameOf(of),
    ...of,
    servers: Object.fromEntries(SERVERS.map((name) => [name, figuresOf(rounds.map((round) => round[name]))])),
    ratios: {
      cpuToAlone: ratio(rounds, "cpuMicrosPerRequest", "alone"),
      cpuToTogether: ratio(rounds, "cpuMicrosPerRequest", "together"),
      p50ToAlone: ratio(rounds, "p50Ms", "alone"),
      p50ToTogether: ratio(rounds, "p50Ms", "together"),
    },
    rounds,
  }));
  tell(`\n${predictTable(cases)}\n`);
  const find = (entities: number, connections: number) =>
    cases.find((one) => one.hasBar && one.entities === entities && one.connections === connections)!;
  const [busy, single, lists] = [find(1, 64), find(1, 1), find(LIST, 64)];
  const inRounds = (gainOf: (many: LoadResult, one: LoadResult) => number | undefined) =>
    spreadOf(lists.rounds.map((round, i) => gainOf(round.headgate, busy.rounds[i]!.headgate)));
  const cpuGain = inRounds(({ cpuMicrosPerRequest: many }, { cpuMicrosPerRequest: one }) =>
    many === undefined || one === undefined ? undefined : (one * LIST) / many,
  );
  const wallGain = inRounds((many, one) => (many.requestsPerSecond * LIST) / one.requestsPerSecond);
  return {
    figures: {
      pinned: canPin,
      customers: CUSTOMERS,
      cases,
      entitiesPerCpuSecondGain: cpuGain,
      entitiesPerSecondGain: wallGain,
    },
    bars: [
      atMost("CPU per request over floor (a), 1 entity, 64 connections", busy.ratios.cpuToAlone, "×", 1.1),
      atMost("CPU per request over floor (b), 1 entity, 64 connections", busy.ratios.cpuToTogether, "×", 1.8),
      atMost("p50 over floor (a), 1 entity, 1 connection", single.ratios.p50ToAlone, "×", 1.6),
      atLeast("entities per CPU second, 100 in one request over one each", cpuGain, "×", 8),
      atLeast("entities per second, 100 in one request over one each", wallGain, "×", 8),
    ],
  };
}

function figuresOf(results: readonly LoadResult[]): Partial<Record<Figure, Spread>> {
  const figures: readonly Figure[] = ["requestsPerSecond", "p50Ms", "p99Ms", "p999Ms", "cpuMicrosPerRequest"];
  return Object.fromEntries(figures.map((figure) => [figure, spreadOf(results.map((result) => result[figure]))]));
}

interface SummarizedCase {
  readonly case: string;
  readonly servers: Readonly<Record<string, Partial<Record<Figure, Spread>>>>;
  readonly ratios: Readonly<Record<"cpuToAlone" | "cpuToTogether", Spread | undefined>>;
}

const SHOWN: Readonly<Record<ServerName, string>> = {
  alone: "  floor (a) each alone",
  together: "  floor (b) a turn together",
  headgate: "  headgate",
};

function predictTable(cases: readonly SummarizedCase[]): string {
  const number = (spread: Spread | undefined, digits: number) => spread?.median.toFixed(digits) ?? "–";
  const withEnds = (spread: Spread | undefined) =>
    spread === undefined ? "–" : `${spread.median.toFixed(2)} (${spread.least.toFixed(2)}–${spread.most.toFixed(2)})`;
  const rows = cases.flatMap(({ case: name, servers, ratios }) => [
    [name, "", "", "", "", "", "", ""],
    ...SERVERS.map((server) => {
      const figures = servers[server]!;
      const own = server === "headgate";
      return [
        SHOWN[server],
        number(figures.requestsPerSecond, 0),
        number(figures.p50Ms, 2),
        number(figures.p99Ms, 2),
        number(figures.p999Ms, 2),
        number(figures.cpuMicrosPerRequest, 1),
        own ? withEnds(ratios.cpuToAlone) : "",
        own ? withEnds(ratios.cpuToTogether) : "",
      ];
    }),
  ]);
  return textTable(["", "requests/s", "p50 ms", "p99 ms", "p99.9 ms", "CPU µs/request", "÷ (a)", "÷ (b)"], rows);
}
