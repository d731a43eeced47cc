/** Feast's connection string of a Redis, `host:port,host:port,db=0,ssl=true,password=…`, as an address of an online store. */

import { HeadgateError } from "../../errors.ts";
import { type YamlMap, yamlText } from "./feast-store-yaml.ts";

/** An address without its secret. */
export interface RedisConnection {
  readonly address: string;
  /** True where the string holds a password or a user, which belong into the environment. */
  readonly hasLogin: boolean;
  /** Parameters that have no form in an address. */
  readonly dropped: readonly string[];
}

const SCHEMES: Readonly<Record<string, string>> = {
  redis: "redis",
  redis_cluster: "redis+cluster",
  redis_sentinel: "redis+sentinel",
};
const LOGIN = ["password", "username"];
const KNOWN = new Set([...LOGIN, "db", "ssl"]);

/** A host, with its port. */
const HOST = /^[\w.-]+(?::(\d+))?$/;
const PORT_MAX = 65_535;

/** The address of `online_store:` of type redis. Throws SOURCE_UNSUPPORTED for a connection string that is not understood. */
export function redisConnection(onlineStore: YamlMap): RedisConnection {
  const parts = connectionString(onlineStore)
    .split(",")
    .map((part) => part.trim());
  const hosts = parts.filter((part) => !part.includes("="));
  if (hosts.length === 0 || !hosts.every((host) => HOST.test(host))) throw notUnderstood();
  const past = hosts.find((host) => Number(HOST.exec(host)![1] ?? 1) > PORT_MAX);
  if (past !== undefined) throw refused(`has the host ${past}; a port is at most ${PORT_MAX}`);
  const parameters = new Map(
    parts.flatMap((part) => {
      const [, name, value] = /^([^=]+)=(.*)$/.exec(part) ?? [];
      return name === undefined ? [] : [[name.trim(), value!.trim()] as const];
    }),
  );
  const scheme = SCHEMES[yamlText(onlineStore, "redis_type") ?? "redis"] ?? "redis";
  const ssl = parameters.get("ssl")?.toLowerCase() ?? "false";
  if (ssl !== "true" && ssl !== "false") throw refused(`has ssl=${ssl}; it is true or false`);
  const master = scheme === "redis+sentinel" ? `/${yamlText(onlineStore, "sentinel_master") ?? "mymaster"}` : "";
  const database = parameters.get("db") ?? "0";
  const path = `${master}${database === "0" || scheme === "redis+cluster" ? "" : `/${database}`}`;
  return {
    address: `${ssl === "true" ? scheme.replace("redis", "rediss") : scheme}://${hosts.join(",")}${path}`,
    hasLogin: LOGIN.some((name) => parameters.has(name)),
    dropped: [...parameters.keys()].filter((name) => !KNOWN.has(name)),
  };
}

/** What Feast takes where there is none. One that is there in another form must not become another Redis. */
function connectionString(onlineStore: YamlMap): string {
  const text = yamlText(onlineStore, "connection_string");
  if (text === undefined && "connection_string" in onlineStore) throw notUnderstood();
  return text ?? "localhost:6379";
}

/** Without the string, which may hold a password. */
function notUnderstood(): HeadgateError {
  return refused(
    'is not understood; write it as "host:port,host:port,name=value", and set the variables that it names',
  );
}

function refused(why: string): HeadgateError {
  return new HeadgateError("SOURCE_UNSUPPORTED", `online_store.connection_string in feature_store.yaml ${why}.`);
}
