/**
 * Which run of which server the rows of a store are in. Redis acknowledges a write before a replica or the disk has it,
 * so a master that restarts, or one that its replica follows, may have lost the last of them. A run id is made anew at
 * every start of a server, and a replica has its own; a replication id is made anew when a replica becomes a master, so
 * that one which was followed by its replica, and then follows it again, is not taken for the master that it was. As long
 * as both ids of all masters are the same, nothing was lost. A master also makes a new replication id when its first
 * replica comes, and an hour after the last has gone: then is gone back for nothing.
 * https://redis.io/docs/latest/commands/info/ (run_id, master_replid), https://redis.io/docs/latest/operate/oss_and_stack/management/replication/
 */

import { Command } from "ioredis";
import type { RedisDeployment, RedisMaster } from "./redis-deployment.ts";
import { slotNotServed } from "./redis-failure.ts";
import { readRedisTopology } from "./redis-topology.ts";

/**
 * The ids of the masters that have slots, run and replication, sorted, so that a slot on the move changes nothing. Rejects with the
 * client's error, and while a master is away: what its slots have lost is known when somebody serves them again.
 */
export async function readRedisHistory(deployment: RedisDeployment): Promise<string> {
  const ids = await Promise.all((await ownersOfRows(deployment)).map(readIds));
  return ids.sort().join(" ");
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

/** "run_id:master_replid". By two commands: before Redis 7 INFO takes one section. */
async function readIds(master: RedisMaster): Promise<string> {
  const ids = [readId(master, "server", "run_id"), readId(master, "replication", "master_replid")];
  return (await Promise.all(ids)).join(":");
}

async function readId(master: RedisMaster, section: string, field: string): Promise<string> {
  const about = String(await master.send(new Command("info", [section])));
  const id = new RegExp(`^${field}:(\\w+)`, "m").exec(about)?.[1];
  if (id === undefined) throw new Error(`${master.id} does not tell its ${field} in INFO ${section}`);
  return id;
}
