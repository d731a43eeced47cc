/**
 * What other systems' clients cost beside POST /predict, in one run: an Open Inference Protocol infer with raw binary
 * tensors, as Triton's client sends it, and Feast's /get-online-features, all of one gateway on LMDB, and a floor that
 * answers Feast's request with a constant. `feast serve` itself is in peers/.
 */

import { endingAll } from "./ends.ts";
import { realAnswer, startFloor } from "./floor.ts";
import { type LoadGenerator, type LoadJob, type LoadResult, startLoadGenerator } from "./load.ts";
import { makeProject } from "./project.ts";
import { atMost, type BenchResult, textTable } from "./result.ts";
import { LOAD_COLUMNS, loadCells, measureRound, type RoundsOptions, ratioOf } from "./rounds.ts";
import type { ServerUnderTest } from "./server-under-test.ts";
import { medianText } from "./statistics.ts";

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
export function benchInterop(options: RoundsOptions): Promise<BenchResult> {
  return endingAll(async (keep) => {
    const project = await keep(makeProject(CUSTOMERS, Date.now()));
    await project.run("materialize-incremental", "now");
    const headgate = await keep(project.serve());
    const answers = { 1: await realAnswer(headgate, "feast", 1) };
    const floor = await keep(startFloor("alone", answers, project.directory));
    const generator = await keep(startLoadGenerator());
    return summarize(await measure(headgate, floor, generator, options), options.tell);
  });
}

async function measure(
  headgate: ServerUnderTest,
  floor: ServerUnderTest,
  generator: LoadGenerator,
  { rounds, seconds, tell }: RoundsOptions,
): Promise<readonly Round[]> {
  const run = (name: Name, seed: number) => {
    const { entities, form, onFloor } = CASES[name];
    return generator.run(onFloor ? floor : headgate, {
      ...{ form, entities, ids: "uniform", idCount: CUSTOMERS, seed },
      ...{ connections: CONNECTIONS, seconds },
    });
  };
  for (const name of NAMES) await run(name, 0);
  const done: Round[] = [];
  for (let round = 0; round < rounds; round++) {
    done.push(await measureRound(NAMES, round, (name) => run(name, 1 + round)));
    tell(`round ${round + 1} of ${rounds}, ${NAMES.length} × ${seconds} s`);
  }
  return done;
}

function summarize(rounds: readonly Round[], tell: (line: string) => void): BenchResult {
  const cpu = (name: Name, base: Name) => ratioOf(rounds, name, base, "cpuMicrosPerRequest");
  const rows = NAMES.map((name) => [
    CASES[name].title,
    ...loadCells(rounds, name),
    medianText(cpu(name, "predict"), 2),
  ]);
  tell(`\n${textTable(["", ...LOAD_COLUMNS, "÷ /predict"], rows)}\n`);
  return {
    figures: { customers: CUSTOMERS, connections: CONNECTIONS, cases: CASES, rounds },
    bars: [
      atMost("CPU per request, infer with a binary tensor over /predict", cpu("infer", "predict"), "×", 1.2),
      atMost("CPU per request, /get-online-features over floor (a), 1 entity", cpu("feast", "floor"), "×", 1.6),
    ],
  };
}
