/**
 * POST /predict against its floor, in one run: the gateway as users run it (LMDB, the churn example's LightGBM model of
 * 100 trees) and the two floor servers of floor-server.mjs.
 */

import { endingAll } from "./ends.ts";
import { realAnswer, startFloor } from "./floor.ts";
import { type LoadGenerator, type LoadJob, type LoadResult, startLoadGenerator } from "./load.ts";
import { canPin } from "./process-cpu.ts";
import { makeProject } from "./project.ts";
import { atLeast, atMost, type BenchResult, textTable } from "./result.ts";
import { figureOf, measureRound, type RoundsOptions, ratioOf } from "./rounds.ts";
import type { ServerUnderTest } from "./server-under-test.ts";
import { medianText, type Spread, spreadOf, spreadText } from "./statistics.ts";

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
export function benchPredict(options: RoundsOptions): Promise<BenchResult> {
  const { tell } = options;
  tell(
    canPin
      ? "Server and load generator each have a core of their own (taskset)."
      : "Server and load generator are not pinned: that takes two cores and taskset. CPU per request is noisier so.",
  );
  return endingAll(async (keep) => {
    const project = await keep(makeProject(CUSTOMERS, Date.now()));
    await project.run("materialize-incremental", "now");
    const headgate = await keep(project.serve());
    const answers = {
      1: await realAnswer(headgate, "predict", 1),
      [LIST]: await realAnswer(headgate, "predict", LIST),
    };
    const alone = await keep(startFloor("alone", answers, project.directory));
    const together = await keep(startFloor("together", answers, project.directory));
    const generator = await keep(startLoadGenerator());
    return summarize(await measure({ alone, together, headgate }, generator, options), tell);
  });
}

type Measured = readonly { readonly of: Case; readonly rounds: readonly Round[] }[];

async function measure(servers: Servers, generator: LoadGenerator, options: RoundsOptions): Promise<Measured> {
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
        const caseJob: LoadJob = { ...job, ...of, seconds, seed: 1 + round };
        done.push(await measureRound(SERVERS, round, (name) => generator.run(servers[name], caseJob)));
      }
      options.tell(`round ${round + 1} of ${rounds}, ${cases.length} cases of 3 × ${seconds} s`);
    }
  }
  return measured;
}

function nameOf({ entities, connections, ids }: Case): string {
  return `${entities === 1 ? "1 entity" : `${entities} entities`}, ${connections} connection${connections === 1 ? "" : "s"}, ${ids}`;
}

function summarize(measured: Measured, tell: (line: string) => void): BenchResult {
  const cases = measured.map(({ of, rounds }) => ({
    case: nameOf(of),
    ...of,
    servers: Object.fromEntries(SERVERS.map((name) => [name, figuresOf(rounds, name)])),
    ratios: {
      cpuToAlone: ratioOf(rounds, "headgate", "alone", "cpuMicrosPerRequest"),
      cpuToTogether: ratioOf(rounds, "headgate", "together", "cpuMicrosPerRequest"),
      p50ToAlone: ratioOf(rounds, "headgate", "alone", "p50Ms"),
      p50ToTogether: ratioOf(rounds, "headgate", "together", "p50Ms"),
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
      atLeast("entities per CPU second, 100 in one request over one each", cpuGain, "×", 10),
      atLeast("entities per second, 100 in one request over one each", wallGain, "×", 10),
    ],
  };
}

const FIGURES = ["requestsPerSecond", "p50Ms", "p99Ms", "p999Ms", "cpuMicrosPerRequest"] as const;
type Figures = Readonly<Partial<Record<keyof LoadResult, Spread>>>;

function figuresOf(rounds: readonly Round[], name: ServerName): Figures {
  return Object.fromEntries(FIGURES.map((figure) => [figure, figureOf(rounds, name, figure)]));
}

interface SummarizedCase {
  readonly case: string;
  readonly servers: Readonly<Record<string, Figures>>;
  readonly ratios: Readonly<Record<"cpuToAlone" | "cpuToTogether", Spread | undefined>>;
}

const SHOWN: Readonly<Record<ServerName, string>> = {
  alone: "  floor (a) each alone",
  together: "  floor (b) a turn together",
  headgate: "  headgate",
};

function predictTable(cases: readonly SummarizedCase[]): string {
  const rows = cases.flatMap(({ case: name, servers, ratios }) => [
    [name, "", "", "", "", "", "", ""],
    ...SERVERS.map((server) => {
      const figures = servers[server]!;
      const own = server === "headgate";
      return [
        SHOWN[server],
        medianText(figures.requestsPerSecond, 0),
        medianText(figures.p50Ms, 2),
        medianText(figures.p99Ms, 2),
        medianText(figures.p999Ms, 2),
        medianText(figures.cpuMicrosPerRequest, 1),
        own ? spreadText(ratios.cpuToAlone, 2) : "",
        own ? spreadText(ratios.cpuToTogether, 2) : "",
      ];
    }),
  ]);
  return textTable(["", "requests/s", "p50 ms", "p99 ms", "p99.9 ms", "CPU µs/request", "÷ (a)", "÷ (b)"], rows);
}
