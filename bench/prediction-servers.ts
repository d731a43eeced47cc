/**
 * The servers that predictions are compared by: the two floors, and gateways on one Redis whose rows are answered from
 * memory, which is filled first, or read every time. Redis is on the load generator's core: what is measured is the
 * gateway. Everything is temporary, and gone when it is stopped.
 */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type BenchProject, CLI, makeProject } from "./project.ts";
import { type BenchRedis, CLIENT_CORE, missingRedis, startBenchRedis } from "./redis-server.ts";
import { type ServerUnderTest, startServer } from "./server-under-test.ts";

/** Customers in the store; all fit into memory. */
export const CUSTOMERS = 100_000;
/** Entities of a request that fills memory. */
const LIST = 100;

/** The servers that every comparison has. */
export type PredictionServer = "alone" | "together" | "memory" | "redis";

/** What runs, and how more of it is started. */
export interface PredictionServers {
  /** Floor (a), floor (b), a gateway with filled memory, one that reads Redis every time. */
  readonly servers: Readonly<Record<PredictionServer, ServerUnderTest>>;
  readonly redis: BenchRedis;
  readonly project: BenchProject;
  /** A temporary folder. */
  readonly folder: string;
  /** Stops what is given when the others are stopped. */
  keep<Started extends { stop(): Promise<void> }>(starting: Started | Promise<Started>): Promise<Started>;
  /** A project on the same Redis, materialized, that is removed with the others. */
  makeProject(options: { readonly hasFiveViews: boolean }): Promise<BenchProject>;
  stop(): Promise<void>;
}

/** Starts them. Rejects, with nothing left behind, when there is no Redis. */
export async function startPredictionServers(): Promise<PredictionServers> {
  const missing = missingRedis();
  if (missing !== undefined) throw new Error(`This bench needs a Redis: ${missing}.`);
  const folder = mkdtempSync(join(tmpdir(), "headgate-bench-"));
  const ends: (() => unknown)[] = [() => rmSync(folder, { recursive: true, force: true })];
  const stop = async () => {
    for (const end of ends.splice(0).reverse()) await end();
  };
  const keep = async <T extends { stop(): Promise<void> }>(starting: T | Promise<T>): Promise<T> => {
    const started = await starting;
    ends.push(() => started.stop());
    return started;
  };
  try {
    const redis = await keep(startBenchRedis(CLIENT_CORE));
    const projectOf = async ({ hasFiveViews }: { readonly hasFiveViews: boolean }) => {
      const project = await makeProject(CUSTOMERS, Date.now(), { onlineStore: redis.url, hasFiveViews });
      ends.push(() => project.remove());
      await project.run("materialize-incremental", "now");
      return project;
    };
    const project = await projectOf({ hasFiveViews: false });
    const memory = await keep(startGateway(project, {}));
    for (let id = 1; id <= CUSTOMERS; id += LIST) await predictMany(memory, id);
    const answers = join(folder, "answers.json");
    writeFileSync(answers, JSON.stringify({ 1: await realAnswer(memory, 1) }));
    const floor = fileURLToPath(new URL("floor-server.mjs", import.meta.url));
    const servers = {
      alone: await keep(startServer([floor, "alone", answers])),
      together: await keep(startServer([floor, "together", answers])),
      memory,
      redis: await keep(startGateway(project, WITHOUT_MEMORY)),
    };
    return Object.freeze({ servers, redis, project, folder, keep, makeProject: projectOf, stop });
  } catch (thrown) {
    await stop();
    throw thrown;
  }
}

/** The settings of a gateway that keeps no row. */
export const WITHOUT_MEMORY = Object.freeze({ HEADGATE_CACHE_BYTES: "0" });

/** Starts a gateway as users run it, with settings of its own over its project's. */
export function startGateway(
  project: BenchProject,
  settings: Readonly<Record<string, string>>,
): Promise<ServerUnderTest> {
  return startServer([CLI, "serve", "--json", "--project", project.directory], { ...project.environment, ...settings });
}

/** What the gateway answers to the first of so many entities. Rejects when it is no prediction. */
export async function realAnswer(gateway: ServerUnderTest, entities: number): Promise<string> {
  const list = Array.from({ length: entities }, (_, i) => ({ customer_id: i + 1 }));
  return predict(gateway, entities === 1 ? list[0]! : list);
}

async function predictMany(gateway: ServerUnderTest, from: number): Promise<void> {
  const list = Array.from({ length: LIST }, (_, i) => ({ customer_id: from + i }));
  await predict(gateway, list);
}

async function predict({ url }: ServerUnderTest, entities: object): Promise<string> {
  const response = await fetch(`${url}/predict`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "churn", entities }),
  });
  const text = await response.text();
  if (response.status !== 200) throw new Error(`The gateway answers ${response.status}: ${text}`);
  return text;
}
