/**
 * The same work by what a Python user would run: the same customers and model, the same Redis, one server process on one
 * core each, alternately in one run. Every peer first has to give Headgate's predictions. Peers keep their rows in
 * their own layouts, loaded from the same Parquet file; all three layouts are in the one Redis.
 */

import { join } from "node:path";
import { freePorts } from "../../test/harness/free-ports.ts";
import { barChart } from "../bar-chart.ts";
import { endingAll, type Keep } from "../ends.ts";
import { type LoadGenerator, type LoadResult, startLoadGenerator } from "../load.ts";
import type { Form } from "../predict-body.ts";
import { CUSTOMERS, type PredictionServers, startPredictionServers } from "../prediction-servers.ts";
import { canPin } from "../process-cpu.ts";
import { atLeast, atMost, type BenchResult, textTable } from "../result.ts";
import { figureOf, LOAD_COLUMNS, loadCells, measureRound, type RoundsOptions, ratioOf } from "../rounds.ts";
import type { ServerUnderTest } from "../server-under-test.ts";
import { runPeerProgram, startPeer } from "./peer-server.ts";
import { findPython } from "./python.ts";
import { isFeastReady, isSamePrediction } from "./same-answer.ts";

const SHOWN = {
  memory: "Headgate, from memory",
  redis: "Headgate, from Redis",
  fastapiRedis: "FastAPI + redis-py + onnxruntime",
  bento: "BentoML around the same",
  fastapiFeast: "FastAPI + Feast SDK + onnxruntime",
  memoryFeatures: "Headgate, features, from memory",
  redisFeatures: "Headgate, features, from Redis",
  feast: "feast serve, features",
} as const;
type Name = keyof typeof SHOWN;
type Servers = Readonly<Record<Name, ServerUnderTest>>;
/** Who is asked for features alone, as Feast's client asks. */
const FEATURES_ALONE: ReadonlySet<Name> = new Set(["memoryFeatures", "redisFeatures", "feast"]);

interface Case {
  readonly title: string;
  readonly entities: number;
  readonly names: readonly Name[];
}

const PREDICTIONS: Case = {
  title: "1 entity",
  entities: 1,
  names: ["memory", "redis", "fastapiRedis", "bento", "fastapiFeast", "memoryFeatures", "redisFeatures", "feast"],
};
const LISTS: Case = { title: "50 entities", entities: 50, names: ["memoryFeatures", "redisFeatures", "feast"] };
const CASES = [PREDICTIONS, LISTS];
const CONNECTIONS = 64;

type Round = Readonly<Partial<Record<Name, LoadResult>>>;
type Measured = ReadonlyMap<Case, readonly Round[]>;

/** Runs the bench; makes the Python environment where it is missing. */
export async function benchPeers(options: RoundsOptions): Promise<BenchResult> {
  const { tell } = options;
  const bin = await findPython(tell);
  return endingAll(async (keep) => {
    const servers = await startPeers(bin, await startPredictionServers(keep), keep, tell);
    const generator = await keep(startLoadGenerator());
    return summarize(await measure(servers, generator, options), tell);
  });
}

async function measure(
  servers: Servers,
  generator: LoadGenerator,
  { rounds, seconds, tell }: RoundsOptions,
): Promise<Measured> {
  const measured = new Map<Case, Round[]>(CASES.map((one) => [one, []]));
  // The first warms everything up.
  for (let round = 0; round <= rounds; round++) {
    for (const [{ entities, names }, done] of measured) {
      const job = { entities, ids: "uniform", idCount: CUSTOMERS, connections: CONNECTIONS, seconds } as const;
      const results = await measureRound(names, round, (name) => {
        const form: Form = FEATURES_ALONE.has(name) ? "feast" : "predict";
        return generator.run(servers[name], { ...job, form, seed: 1 + round });
      });
      if (round > 0) done.push(results);
    }
    if (round > 0) tell(`round ${round} of ${rounds}, ${seconds} s for each server and case`);
  }
  return measured;
}

async function startPeers(
  bin: string,
  { servers, redis, project }: PredictionServers,
  keep: Keep,
  tell: (line: string) => void,
): Promise<Servers> {
  const environment = {
    PEER_REDIS: redis.url,
    PEER_MODEL: join(project.directory, "models/churn/1/model.onnx"),
    PEER_PARQUET: join(project.directory, ".headgate/customer_30d.parquet"),
    PEER_FEAST: join(project.directory, "feast"),
    // Neither tells its makers of this run.
    FEAST_USAGE: "False",
    BENTOML_DO_NOT_TRACK: "True",
    BENTOML_HOME: join(project.directory, "bentoml"),
  };
  tell(`loading ${CUSTOMERS} customers into the peers' layouts; Feast takes half a minute`);
  for (const program of ["load_rows.py", "load_feast.py"]) {
    await runPeerProgram([join(bin, "python"), program], environment);
  }
  const ports = (await freePorts(4)).map(String);
  const uvicorn = (app: string, port: string) => [
    ...[join(bin, "uvicorn"), `${app}:app`, "--port", port, "--loop", "uvloop", "--http", "httptools"],
    ...["--no-access-log", "--log-level", "warning"],
  ];
  const isSame = isSamePrediction(servers.memory);
  const start = (command: readonly string[], port: string, isReady = isSame) =>
    keep(startPeer({ command, port: Number(port), environment, isReady }));
  const [redisPort, bentoPort, sdkPort, feastPort] = ports as [string, string, string, string];
  const bento = ["serve", "bento_redis:Churn", "--host", "127.0.0.1", "--port", bentoPort];
  const feast = ["-c", environment.PEER_FEAST, "serve", "--port", feastPort, "--no-access-log"];
  return {
    ...servers,
    memoryFeatures: servers.memory,
    redisFeatures: servers.redis,
    fastapiRedis: await start(uvicorn("fastapi_redis", redisPort), redisPort),
    bento: await start([join(bin, "bentoml"), ...bento], bentoPort),
    fastapiFeast: await start(uvicorn("fastapi_feast", sdkPort), sdkPort),
    // By default a worker ends after a thousand requests, which loses those under way.
    feast: await start([join(bin, "feast"), ...feast, "--max-requests", "0"], feastPort, isFeastReady),
  };
}

function summarize(measured: Measured, tell: (line: string) => void): BenchResult {
  const rows = CASES.flatMap((one) =>
    one.names.map((name) => [`${one.title}, ${SHOWN[name]}`, ...loadCells(measured.get(one)!, name)]),
  );
  tell(`\n${textTable(["", ...LOAD_COLUMNS], rows)}\n`);
  const ratio = (one: Case, own: Name, peer: Name, figure: keyof LoadResult) =>
    ratioOf(measured.get(one)!, own, peer, figure);
  const rate = (own: Name, peer: Name, one = PREDICTIONS) => ratio(one, own, peer, "requestsPerSecond");
  // Holds where the load generator is the limit: what a core could do.
  const cpu = (own: Name, peer: Name) => ratio(PREDICTIONS, peer, own, "cpuMicrosPerRequest");
  const p99 = ratio(PREDICTIONS, "memory", "fastapiRedis", "p99Ms");
  const cases = [...measured].map(([{ title, entities }, of]) => ({ title, entities, rounds: of }));
  return {
    figures: { pinned: canPin, customers: CUSTOMERS, connections: CONNECTIONS, cases },
    bars: [
      atLeast("requests/s over FastAPI + redis-py, from memory", rate("memory", "fastapiRedis"), "×", 8),
      atLeast("the same by CPU per request", cpu("memory", "fastapiRedis"), "×", 8),
      atLeast("requests/s over FastAPI + redis-py, from Redis", rate("redis", "fastapiRedis"), "×", 6),
      atLeast("the same by CPU per request, from Redis", cpu("redis", "fastapiRedis"), "×", 6),
      atMost("p99 over FastAPI + redis-py's, from memory", p99, "×", 0.33),
      atLeast("requests/s over FastAPI + Feast SDK, from Redis", rate("redis", "fastapiFeast"), "×", 15),
      atLeast("the same by CPU per request, over the SDK", cpu("redis", "fastapiFeast"), "×", 15),
      atLeast("features alone, requests/s over feast serve, from Redis", rate("redisFeatures", "feast"), "×", 15),
      atLeast("the same by CPU per request, over feast serve", cpu("redisFeatures", "feast"), "×", 15),
      atLeast("features alone, 50 entities, over feast serve", rate("redisFeatures", "feast", LISTS), "×", 15),
    ],
    charts: {
      "peers.svg": barChart({
        title: "Requests a second, one server process on one core",
        subtitle: "1 entity a request, 64 connections in a closed loop, same customers, model and Redis",
        bars: PREDICTIONS.names.map((name) => ({
          label: SHOWN[name],
          value: figureOf(measured.get(PREDICTIONS)!, name, "requestsPerSecond")!.median,
          color: SHOWN[name].startsWith("Headgate") ? 1 : 0,
        })),
      }),
    },
  };
}
