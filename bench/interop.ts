/**
 * What other systems' clients cost beside POST /predict, in one run: an Open Inference Protocol infer with raw binary
 * tensors, as Triton's client sends it, and Feast's /get-online-features, all of one gateway on LMDB, and a floor that
 * answers Feast's request with a constant. Round by round, so that whatever else the machine does falls on all of them;
 * a ratio is taken within a round, and a figure is the median over the rounds. `feast serve` itself is in peers/.
 */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type LoadGenerator, type LoadJob, type LoadResult, startLoadGenerator } from "./load.ts";
import { PATHS, predictBody } from "./predict-body.ts";
import { CLI, makeProject } from "./project.ts";
import { atMost, type BenchResult, textTable } from "./result.ts";
import { type ServerUnderTest, startServer } from "./server-under-test.ts";
import { type Spread, spreadOf } from "./statistics.ts";

/** How to measure. */
export interface InteropOptions {
  /** Of each run. */
  readonly seconds: number;
  /** At least 5 for figures to quote. */
  readonly rounds: number;
  /** Takes a line for people. */
  readonly tell: (line: string) => void;
}

/** Customers in the store. */
const CUSTOMERS = 100_000;
const CONNECTIONS = 64;
const LIST = 50;

interface Case {
  readonly title: string;
  readonly form: LoadJob["form"];
  readonly entities: number;
  readonly onFloor: boolean;
}

const CASES = {
  predict: { title: "POST /predict, 1 entity", form: "predict", entities: 1, onFloor: false },
  infer: { title: "infer, 1 row as a binary tensor", form: "infer", entities: 1, onFloor: false },
  feast: { title: "/get-online-features, 1 entity × 4", form: "feast", entities: 1, onFloor: false },
  feastList: { title: `/get-online-features, ${LIST} entities × 4`, form: "feast", entities: LIST, onFloor: false },
  floor: { title: "  floor (a), 1 entity × 4", form: "feast", entities: 1, onFloor: true },
} as const satisfies Record<string, Case>;

type Name = keyof typeof CASES;
const NAMES = Object.keys(CASES) as readonly Name[];
type Round = Readonly<Record<Name, LoadResult>>;

/** Runs the bench in a temporary project, which is gone when it ends. */
export async function benchInterop(options: InteropOptions): Promise<BenchResult> {
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
    writeFileSync(answers, JSON.stringify({ 1: await featuresAnswer(headgate) }));
    const floor = fileURLToPath(new URL("floor-server.mjs", import.meta.url));
    const alone = keep(await startServer([floor, "alone", answers]));
    const generator = keep(startLoadGenerator());
    return summarize(await measure(headgate, alone, generator, options), options.tell);
  } finally {
    for (const started of running.reverse()) await started.stop();
    project.remove();
  }
}

/** What the gateway answers to Feast's request for one entity. Rejects when it is not 200. */
async function featuresAnswer({ url }: ServerUnderTest): Promise<string> {
  const body = predictBody("feast", 1, () => 1);
  const headers = { "content-type": "application/json" };
  const response = await fetch(`${url}${PATHS.feast}`, { method: "POST", headers, body });
  const text = await response.text();
  if (response.status !== 200) throw new Error(`The gateway answers ${response.status}: ${text}`);
  return text;
}

async function measure(
  headgate: ServerUnderTest,
  floor: ServerUnderTest,
  generator: LoadGenerator,
  { rounds, seconds, tell }: InteropOptions,
): Promise<readonly Round[]> {
  const run = (name: Name, seed: number) => {
    const { entities, form, onFloor } = CASES[name];
    const job: LoadJob = {
      form,
      entities,
      ids: "uniform",
      idCount: CUSTOMERS,
      connections: CONNECTIONS,
      seconds,
      seed,
    };
    return generator.run(onFloor ? floor : headgate, job);
  };
  for (const name of NAMES) await run(name, 0);
  const done: Round[] = [];
  for (let round = 0; round < rounds; round++) {
    const results: Partial<Record<Name, LoadResult>> = {};
    for (let i = 0; i < NAMES.length; i++) {
      // Another one begins each time, so that nobody always follows the same neighbour.
      const name = NAMES[(i + round) % NAMES.length]!;
      results[name] = await run(name, 1 + round);
    }
    done.push(results as Round);
    tell(`round ${round + 1} of ${rounds}, ${NAMES.length} × ${seconds} s`);
  }
  return done;
}

function summarize(rounds: readonly Round[], tell: (line: string) => void): BenchResult {
  const cpu = (name: Name, base: Name) =>
    spreadOf(
      rounds.map((round) => {
        const [own, its] = [round[name].cpuMicrosPerRequest, round[base].cpuMicrosPerRequest];
        return own === undefined || its === undefined ? undefined : own / its;
      }),
    );
  const [infer, feast] = [cpu("infer", "predict"), cpu("feast", "floor")];
  const number = (spread: Spread | undefined, digits: number) => spread?.median.toFixed(digits) ?? "–";
  const figure = (name: Name, of: keyof LoadResult) => spreadOf(rounds.map((round) => round[name][of]));
  const rows = NAMES.map((name) => [
    CASES[name].title,
    number(figure(name, "requestsPerSecond"), 0),
    number(figure(name, "p50Ms"), 2),
    number(figure(name, "p99Ms"), 2),
    number(figure(name, "cpuMicrosPerRequest"), 1),
    number(cpu(name, "predict"), 2),
  ]);
  tell(`\n${textTable(["", "requests/s", "p50 ms", "p99 ms", "CPU µs/request", "÷ /predict"], rows)}\n`);
  return {
    figures: { customers: CUSTOMERS, connections: CONNECTIONS, cases: CASES, rounds },
    bars: [
      atMost("CPU per request, infer with a binary tensor over /predict", infer, "×", 1.2),
      atMost("CPU per request, /get-online-features over floor (a), 1 entity", feast, "×", 1.6),
    ],
  };
}
