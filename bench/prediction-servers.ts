/**
 * The servers that predictions are compared by: the two floors, and gateways on one Redis whose rows are answered from
 * memory, which is filled first, or read every time. Redis is on the load generator's core: what is measured is the
 * gateway.
 */

import type { Keep } from "./ends.ts";
import { realAnswer, startFloor } from "./floor.ts";
import { type BenchProject, makeProject } from "./project.ts";
import { type BenchRedis, CLIENT_CORE, startBenchRedis } from "./redis-server.ts";
import type { ServerUnderTest } from "./server-under-test.ts";

/** Customers in the store; all fit into memory. */
export const CUSTOMERS = 100_000;
/** Entities of a request that fills memory. */
const LIST = 100;
/** The settings of a gateway that keeps no row. */
export const WITHOUT_MEMORY = Object.freeze({ HEADGATE_CACHE_BYTES: "0" });

/** The servers that every comparison has. */
export type PredictionServer = "alone" | "together" | "memory" | "redis";

/** What runs. */
export interface PredictionServers {
  /** Floor (a), floor (b), a gateway with filled memory, one that reads Redis every time. */
  readonly servers: Readonly<Record<PredictionServer, ServerUnderTest>>;
  readonly redis: BenchRedis;
  readonly project: BenchProject;
}

/** Starts them. Rejects when there is no Redis. */
export async function startPredictionServers(keep: Keep): Promise<PredictionServers> {
  const redis = await keep(startBenchRedis(CLIENT_CORE));
  const project = await keep(makeProject(CUSTOMERS, Date.now(), { onlineStore: redis.url }));
  await project.run("materialize-incremental", "now");
  const memory = await keep(project.serve());
  for (let id = 1; id <= CUSTOMERS; id += LIST) await realAnswer(memory, "predict", LIST, id);
  const answers = { 1: await realAnswer(memory, "predict", 1) };
  const servers = {
    alone: await keep(startFloor("alone", answers, project.directory)),
    together: await keep(startFloor("together", answers, project.directory)),
    memory,
    redis: await keep(project.serve(WITHOUT_MEMORY)),
  };
  return Object.freeze({ servers, redis, project });
}
