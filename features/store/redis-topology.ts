/**
 * The masters of a Redis deployment as tracking sees them: the one, or those that a cluster's `CLUSTER NODES` tells.
 * Masters without slots are among them, because keys of a slot that is moving to one are written there before it owns
 * the slot.
 */

import { Command, type Redis, type RedisOptions } from "ioredis";
import type { RedisDeployment } from "./redis-deployment.ts";
import { slotOf } from "./redis-slot.ts";

/** What tracking needs of a deployment. */
export type TrackedDeployment = Pick<RedisDeployment, "holdsAllKeys" | "masters" | "call" | "connect">;

/** A master and how to reach it. */
export interface TrackedMaster {
  /** Host and port, or the name that Sentinels know. */
  readonly id: string;
  /** What makes a key one of this master's: a hash tag, in a cluster. Undefined while it owns no slot. */
  readonly tag: string | undefined;
  /** Makes a further connection to it. */
  connect(options: RedisOptions): Redis;
}

/** The masters at one moment. */
export interface RedisTopology {
  readonly masters: readonly TrackedMaster[];
  /** The same text as long as the masters and their slots are the same. */
  readonly signature: string;
}

/** A master as CLUSTER NODES tells of it. */
export interface ClusterMaster {
  readonly host: string;
  readonly port: number;
  /** Ranges as "0-5460" or "7000". */
  readonly slots: readonly string[];
}

/** Asks for the masters. Rejects with the client's error. */
export async function readRedisTopology(deployment: TrackedDeployment): Promise<RedisTopology> {
  const [anyMaster] = deployment.masters();
  if (anyMaster === undefined) throw new Error("no master is known yet");
  if (deployment.holdsAllKeys) {
    const connect = (options: RedisOptions) => deployment.connect(anyMaster, options);
    return { masters: [{ id: anyMaster.id, tag: "", connect }], signature: "" };
  }
  const nodes = await anyMaster.send(new Command("cluster", ["NODES"], { replyEncoding: "utf8" }));
  const masters = parseClusterMasters(String(nodes));
  return {
    masters: masters.map(({ host, port, slots }) => ({
      id: `${host}:${port}`,
      tag: slots.length === 0 ? undefined : `{${tagOf(Number.parseInt(slots[0]!, 10))}}`,
      connect: (options) => deployment.connect(anyMaster, { ...options, host, port }),
    })),
    signature: masters.map(({ host, port, slots }) => `${host}:${port} ${slots.join(",")}`).join("\n"),
  };
}

/**
 * The masters of a `CLUSTER NODES` answer, by address: id, address, flags, …, link state, then slots; those that are
 * moving stand in brackets. https://redis.io/docs/latest/commands/cluster-nodes/
 */
export function parseClusterMasters(text: string): readonly ClusterMaster[] {
  const masters: ClusterMaster[] = [];
  for (const line of text.split("\n")) {
    const [, address, flagList, , , , , , ...slotList] = line.trim().split(" ");
    if (address === undefined || flagList === undefined) continue;
    const flags = flagList.split(",");
    const slots = slotList.filter((slot) => !slot.startsWith("["));
    // One that failed and owns nothing is of the past; one that still owns slots will be followed by its replica.
    const isGone = flags.includes("handshake") || flags.includes("noaddr") || (flags.includes("fail") && !slots.length);
    if (!flags.includes("master") || isGone) continue;
    const hostAndPort = address.split("@")[0]!;
    const colon = hostAndPort.lastIndexOf(":");
    masters.push({ host: hostAndPort.slice(0, colon), port: Number(hostAndPort.slice(colon + 1)), slots });
  }
  return masters.sort((a, b) => (a.host === b.host ? a.port - b.port : a.host < b.host ? -1 : 1));
}

/** The first decimal number whose hash slot this is. Every slot has one below 109,758; it takes some milliseconds. */
function tagOf(slot: number): string {
  let number = 0;
  while (slotOf(String(number)) !== slot) number++;
  return String(number);
}
