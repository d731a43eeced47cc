/**
 * What metrics and logs cost a prediction: a gateway as users run it (LMDB), and the same process while nobody hears what
 * it publishes (unobserved.mjs), by turns.
 */

import { endingAll } from "./ends.ts";
import { type LoadGenerator, type LoadResult, startLoadGenerator } from "./load.ts";
import { makeProject } from "./project.ts";
import { atMost, type BenchResult, textTable } from "./result.ts";
import { LOAD_COLUMNS, loadCells, measureRound, type RoundsOptions, ratioOf } from "./rounds.ts";
import type { ServerUnderTest } from "./server-under-test.ts";
import { medianText } from "./statistics.ts";

/** Customers in the store. */
const CUSTOMERS = 100_000;
const CONNECTIONS = 64;
const SWITCHABLE = { NODE_OPTIONS: `--import ${new URL("unobserved.mjs", import.meta.url)}` };
const NAMES = ["unobserved", "observed"] as const;
type Name = (typeof NAMES)[number];
type Round = Readonly<Record<Name, LoadResult>>;
const ENTITIES = [1, 100] as const;
/** By the number of entities in a request. */
type Measured = Readonly<Record<(typeof ENTITIES)[number], Round[]>>;

/** Runs the bench in a temporary project, which is gone when it ends. */
export function benchObservation(options: RoundsOptions): Promise<BenchResult> {
  return endingAll(async (keep) => {
    const project = await keep(makeProject(CUSTOMERS, Date.now()));
    await project.run("materialize-incremental", "now");
    const gateway = await keep(project.serve(SWITCHABLE));
    const generator = await keep(startLoadGenerator());
    return summarize(await measure(gateway, generator, options), options.tell);
  });
}

async function measure(
  gateway: ServerUnderTest,
  generator: LoadGenerator,
  { rounds, seconds, tell }: RoundsOptions,
): Promise<Measured> {
  const job = { form: "predict", ids: "uniform", idCount: CUSTOMERS, connections: CONNECTIONS, seconds } as const;
  const measured: Measured = { 1: [], 100: [] };
  let current: Name = "observed";
  const become = (name: Name) => {
    if (name !== current) process.kill(gateway.pid, "SIGUSR2");
    current = name;
  };
  for (let round = -1; round < rounds; round++) {
    for (const entities of ENTITIES) {
      const run = (name: Name) => {
        become(name);
        return generator.run(gateway, { ...job, entities, seed: 1 + round });
      };
      const results = await measureRound(NAMES, round + 1, run);
      // The first is the warm-up.
      if (round >= 0) measured[entities].push(results);
    }
    tell(
      round < 0
        ? "warm"
        : `round ${round + 1} of ${rounds}, ${ENTITIES.length} cases of ${NAMES.length} × ${seconds} s`,
    );
  }
  return measured;
}

function summarize(measured: Measured, tell: (line: string) => void): BenchResult {
  const ratio = (entities: (typeof ENTITIES)[number]) =>
    ratioOf(measured[entities], "observed", "unobserved", "cpuMicrosPerRequest");
  const rows = ENTITIES.flatMap((entities) =>
    NAMES.map((name) => [
      `${entities} entit${entities === 1 ? "y" : "ies"}, ${name}`,
      ...loadCells(measured[entities], name),
      name === "observed" ? medianText(ratio(entities), 3) : "",
    ]),
  );
  tell(`\n${textTable(["", ...LOAD_COLUMNS, "÷ unobserved"], rows)}\n`);
  return {
    figures: { customers: CUSTOMERS, connections: CONNECTIONS, measured },
    bars: ENTITIES.map((entities) =>
      atMost(
        `CPU per request over that of the same gateway unobserved, ${entities} entit${entities === 1 ? "y" : "ies"}`,
        ratio(entities),
        "×",
        1.05,
      ),
    ),
  };
}
