/**
 * Which run of which server the rows of a store are in. Redis acknowledges a write before a replica or the disk has it,
 * so a master that restarts, or one that its replica follows, may have lost the last of them. A run id is made anew at
 * every start of a server, and a replica has its own: as long as the run ids of the masters are the same, nothing was
 * lost. https://redis.io/docs/latest/commands/info/ (run_id)
 */

import { Command } from "ioredis";
import type { RedisDeployment, RedisMaster } from "./redis-deployment.ts";
import { slotNotServed } from "./redis-failure.ts";
import { readRedisTopology } from "./redis-topology.ts";

/**
 * The run ids of the masters that have slots, sorted, so that a slot on the move changes nothing. Rejects with the
 * client's error, and while a master is away: what its slots have lost is known when somebody serves them again.
 */
export async function readRedisHistory(deployment: RedisDeployment): Promise<string> {
  const runIds = await Promise.all((await ownersOfRows(deployment)).map(readRunId));
  return runIds.sort().join(" ");
}

/** Asked of the cluster itself, as the client looks anew only every few seconds. */
async function ownersOfRows(deployment: RedisDeployment): Promise<readonly RedisMaster[]> {
  const known = deployment.masters();
  if (deployment.holdsAllKeys) return known;
  const { masters } = await readRedisTopology(deployment);
  const owners = masters.filter(({ tag }) => tag !== undefined);
  return owners.map(({ id }) => {
    const owner = known.find((master) => master.id === id);
    if (owner === undefined) throw slotNotServed();
    return owner;
  });
}

async function readRunId(master: RedisMaster): Promise<string> {
  const about = String(await master.send(new Command("info", ["server"])));
  const runId = /^run_id:(\w+)/m.exec(about)?.[1];
  if (runId === undefined) throw new Error(`${master.id} does not tell its run_id in INFO server`);
  return runId;
}
