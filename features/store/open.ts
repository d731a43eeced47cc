/**
 * From an address to a driver: one table, scheme → driver. A driver's module is imported only when its scheme is used,
 * so a gateway on one store never loads another's library. A layout is imported only when it is asked for.
 */

import { mkdirSync } from "node:fs";
import { dirname, isAbsolute, resolve } from "node:path";
import { HeadgateError, reasonOf } from "../../errors.ts";
import { type Registry, viewJoinKeys } from "../registry.ts";
import type { OnlineStoreLayout } from "./key-refusal.ts";
import type { ControlStore, OnlineStore } from "./online-store.ts";
import type { RedisStoreOptions } from "./redis.ts";

/** What an address is read against. */
export interface OpenOnlineStoreOptions {
  /** Absolute; `lmdb:` folders are relative to it. */
  readonly projectDirectory: string;
  /** The project's name: what keeps its rows apart from others' on a server that several share. */
  readonly project: string;
  /** How a Redis is used, where the address is one. */
  readonly redis?: Omit<RedisStoreOptions, "keyPrefix" | "layout">;
  /** How rows lie in a Redis: packed, Headgate's own, when it is left out. */
  readonly onlineStoreLayout?: OnlineStoreLayout;
  /** Layout feast: Feast's project; empty: `project`. */
  readonly feastProject?: string;
  /** Layout feast: Feast's key_ttl_seconds; 0: keys don't expire. */
  readonly feastKeyTtlSeconds?: number;
  /** Layout feast: the definitions, as keys and fields there are made of views and their types. */
  readonly registry?: Pick<Registry, "views">;
}

type Driver = (url: string, options: OpenOnlineStoreOptions) => Promise<OnlineStore>;

/**
 * Opens the online store at an address: `lmdb:<folder>`, `memory:` or one of redis-address.ts. Throws STORE_URL_INVALID
 * for an address that is not understood, CONFIG_INVALID and DEFINITION_INVALID for a layout that does not go with the
 * store or the definitions, and what the driver throws (STORE_UNWRITABLE, STORE_UNREACHABLE) when it cannot be opened.
 */
export async function openOnlineStore(url: string, options: OpenOnlineStoreOptions): Promise<OnlineStore> {
  const scheme = schemeOf(url);
  const driver = scheme === undefined ? undefined : DRIVERS.get(scheme);
  if (driver !== undefined && driver !== openRedis && options.onlineStoreLayout === "feast") {
    throw new HeadgateError(
      "CONFIG_INVALID",
      `onlineStoreLayout "feast" is a layout of Redis, and the online store is ${scheme} Give a Redis as onlineStore, or set onlineStoreLayout to "packed".`,
    );
  }
  if (driver !== undefined) return driver(url, options);
  // What follows the scheme may hold a password.
  throw invalid(
    scheme === undefined
      ? `The online store's address is ${JSON.stringify(url)}, which names no kind of store.`
      : `The online store's address begins with "${scheme}", which is no kind of store.`,
  );
}

/** True for a store on another machine, which memory and a breaker are put before. */
export function isRemote(url: string): boolean {
  return DRIVERS.get(schemeOf(url) ?? "") === openRedis;
}

/** True for a store that no other process can see: what one writes, others of the same gateway would not find. */
export function isOfOneProcess(url: string): boolean {
  return DRIVERS.get(schemeOf(url) ?? "") === openMemory;
}

function schemeOf(url: string): string | undefined {
  return /^[a-z][a-z0-9+.-]*:/i.exec(url)?.[0].toLowerCase();
}

const DRIVERS: ReadonlyMap<string, Driver> = new Map<string, Driver>([
  ["lmdb:", openLmdb],
  ["memory:", openMemory],
  ["redis:", openRedis],
  ["rediss:", openRedis],
  ["redis+sentinel:", openRedis],
  ["rediss+sentinel:", openRedis],
  ["redis+cluster:", openRedis],
  ["rediss+cluster:", openRedis],
]);

async function openLmdb(url: string, { projectDirectory }: OpenOnlineStoreOptions): Promise<OnlineStore> {
  const folder = url.slice("lmdb:".length);
  if (folder === "" || folder.includes("\0")) throw invalid(`The online store's address "lmdb:" names no folder.`);
  const directory = resolve(projectDirectory, folder);
  // Inside the project missing parents are made; elsewhere one is more likely a typing error or a disk not mounted.
  if (!isAbsolute(folder)) makeParent(directory);
  const { openLmdbStore } = await import("./lmdb.ts");
  return openLmdbStore({ directory });
}

function makeParent(directory: string): void {
  try {
    mkdirSync(dirname(directory), { recursive: true });
  } catch (cause) {
    throw new HeadgateError(
      "STORE_UNWRITABLE",
      `The online store's folder ${directory} could not be made (${reasonOf(cause)}). Make ${dirname(directory)} a folder that can be written, or name another one.`,
      cause,
    );
  }
}

async function openMemory(url: string): Promise<OnlineStore> {
  if (url.length > "memory:".length)
    throw invalid(`The online store's address is ${JSON.stringify(url)}; "memory:" takes nothing more.`);
  const { openMemoryStore } = await import("./memory.ts");
  return openMemoryStore();
}

async function openRedis(url: string, options: OpenOnlineStoreOptions): Promise<OnlineStore> {
  const { openRedisStore } = await import("./redis.ts");
  const { project: keyPrefix, redis } = options;
  if (options.onlineStoreLayout !== "feast") return openRedisStore(url, { ...redis, keyPrefix });
  return openRedisStore(url, { ...redis, keyPrefix, layout: await feastLayout(options) });
}

async function feastLayout({ registry, project, feastProject, feastKeyTtlSeconds }: OpenOnlineStoreOptions) {
  if (registry === undefined) throw new Error("The layout feast needs the registry.");
  const { checkFeastDefinitions } = await import("./feast-definitions.ts");
  const { createFeastLayout } = await import("./feast-layout.ts");
  const views = new Map(
    [...registry.views.values()].map((view) => [
      view.name,
      { name: view.name, joinKeys: viewJoinKeys(view), schema: view.schema },
    ]),
  );
  checkFeastDefinitions(views.values());
  const options = { project: feastProject || project, keyTtlSeconds: feastKeyTtlSeconds || undefined, views };
  return (control: ControlStore) => createFeastLayout(control, options);
}

function invalid(sentence: string): HeadgateError {
  return new HeadgateError(
    "STORE_URL_INVALID",
    `${sentence} Use lmdb:<folder>, redis://host:port (also rediss://, redis+sentinel://, redis+cluster://) or memory: (HEADGATE_ONLINE_STORE).`,
  );
}
