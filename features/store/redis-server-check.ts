/**
 * What is looked at once when a Redis is opened: is it what the address says, is it new enough, and will it keep small
 * rows small.
 */

import { channel } from "node:diagnostics_channel";
import { Command } from "ioredis";
import { HeadgateError } from "../../errors.ts";
import type { RedisMaster } from "./redis-deployment.ts";

/** The first version with all that is used (PEXPIREAT … GT, EVALSHA_RO). Valkey says 7.2 of itself. */
const OLDEST_MAJOR = 7;
/**
 * Up to this size of its largest row an entity is kept packed (a listpack) when `hash-max-listpack-value` is set to it;
 * beyond, each row costs some 60 bytes more.
 */
const LISTPACK_VALUE_BYTES = 1_024;

/** Published with `{ message }` when the store works, but worse than it could. */
const storeWarning = channel("headgate:store-warning");

/** What a server calls its mode → how its address is written. */
const SCHEMES: Readonly<Record<string, string>> = {
  standalone: "redis://",
  sentinel: "redis+sentinel://",
  cluster: "redis+cluster://",
};

/**
 * Throws STORE_URL_INVALID when a server's mode is another than that expected ("standalone" or "cluster") and
 * STORE_UNREACHABLE when it is too old; warns on the channel `headgate:store-warning` when it would spend
 * memory for nothing. `shown` is the store's address without secrets.
 */
export async function checkServers(shown: string, mode: string, masters: readonly RedisMaster[]): Promise<void> {
  const checks = await Promise.allSettled(masters.map((master) => checkServer(shown, mode, master)));
  const refusals = checks.flatMap((check) => (check.status === "rejected" ? [check.reason as unknown] : []));
  // A master of several that does not answer is checked by nobody; one that is unfit is told whatever the others are.
  const unfit = refusals.find((refusal) => refusal instanceof HeadgateError);
  if (unfit !== undefined || refusals.length === checks.length) throw unfit ?? refusals[0] ?? new Error("no master");
  const limit = Math.min(...checks.flatMap((check) => (check.status === "fulfilled" ? [check.value] : [])));
  if (limit >= LISTPACK_VALUE_BYTES || !storeWarning.hasSubscribers) return;
  storeWarning.publish({
    message: `The online store ${shown} has hash-max-listpack-value ${limit}: an entity with a row above it takes about twice the memory. Set it to ${LISTPACK_VALUE_BYTES} (CONFIG SET hash-max-listpack-value ${LISTPACK_VALUE_BYTES}, and in redis.conf).`,
  });
}

/** Returns the server's limit, or Infinity where it does not tell. */
async function checkServer(shown: string, expectedMode: string, master: RedisMaster): Promise<number> {
  const about = String(await master.send(new Command("info", ["server"])));
  const mode = /^redis_mode:(\w+)/m.exec(about)?.[1] ?? expectedMode;
  if (mode !== expectedMode) {
    throw new HeadgateError(
      "STORE_URL_INVALID",
      `The online store ${shown} is a ${mode === "standalone" ? "server by itself" : mode}. Write its address with ${SCHEMES[mode]} in front.`,
    );
  }
  const version = /^redis_version:(\S+)/m.exec(about)?.[1];
  if (version !== undefined && Number.parseInt(version, 10) < OLDEST_MAJOR) {
    throw new HeadgateError(
      "STORE_UNREACHABLE",
      `The online store ${shown} runs Redis ${version}; Headgate needs ${OLDEST_MAJOR}.0 or newer, or Valkey. Upgrade the server.`,
    );
  }
  // Hosted ones often forbid CONFIG: then there is nothing to say.
  const setting = await master.send(new Command("config", ["GET", "hash-max-listpack-value"])).catch(() => undefined);
  const [, value] = Array.isArray(setting) ? setting : [];
  return value === undefined ? Number.POSITIVE_INFINITY : Number(String(value));
}
