/**
 * The address of a Redis, read once: one server, a master that Sentinels name, or a cluster. Whatever a message shows
 * of it is without the password.
 *
 *   redis://[user:password@]host[:port][/database]          rediss:// for TLS
 *   redis+sentinel://[user:password@]host[:port],…/master[/database]
 *   redis+cluster://[user:password@]host[:port],…
 *
 * Each also as rediss+…; queries: ?ca=<file> (a certificate authority beside those Node trusts, which
 * NODE_EXTRA_CA_CERTS widens too) and, with Sentinel, ?sentinelPassword=<password>.
 */

import { HeadgateError } from "../../errors.ts";

/** The ways in which Redis is run. */
export type RedisShape = "standalone" | "sentinel" | "cluster";

/** One server. */
export interface RedisHost {
  readonly host: string;
  readonly port: number;
}

/** Where a Redis is and how to log in to it. */
export interface RedisAddress {
  readonly shape: RedisShape;
  /** The server, the Sentinels, or some of the cluster's nodes. */
  readonly hosts: readonly RedisHost[];
  /** What the Sentinels call the master; empty for the other shapes. */
  readonly masterName: string;
  readonly database: number;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly sentinelPassword: string | undefined;
  readonly isTls: boolean;
  /** A file of certificates in PEM. */
  readonly caFile: string | undefined;
  /** The address without secrets, for messages. */
  readonly shown: string;
}

const DEFAULT_PORTS: Readonly<Record<RedisShape, number>> = { standalone: 6379, sentinel: 26_379, cluster: 6379 };
const FORM = /^(rediss?)(?:\+(sentinel|cluster))?:\/\/(?:([^@/?#]*)@)?([^@/?#]*)(\/[^?#]*)?(?:\?([^#]*))?$/i;

/** Reads an address. Throws STORE_URL_INVALID, which shows nothing of what could be a password. */
export function parseRedisAddress(url: string): RedisAddress {
  const match = FORM.exec(url);
  if (match === null) {
    throw invalid("is not understood; a password's special characters are written percent-encoded (%40 for @)");
  }
  const [, scheme, kind, login, hostList, path = "", query = ""] = match;
  const shape = (kind?.toLowerCase() ?? "standalone") as RedisShape;
  const hosts = hostList!.split(",").map((one) => hostOf(one, shape));
  if (shape === "standalone" && hosts.length > 1) {
    throw invalid("names several hosts; several are written redis+cluster:// or redis+sentinel://");
  }
  const [username, password] = loginOf(login);
  return Object.freeze({
    shape,
    hosts: Object.freeze(hosts),
    ...pathOf(path, shape),
    username,
    password,
    ...queryOf(query, shape),
    isTls: scheme!.toLowerCase() === "rediss",
    shown: `${scheme}${kind === undefined ? "" : `+${kind}`}://${hostList}${path}`,
  });
}

function hostOf(text: string, shape: RedisShape): RedisHost {
  const match = /^(\[[0-9a-f:.%]+\]|[^:[\]]+)(?::(\d+))?$/i.exec(text);
  const port = Number(match?.[2] ?? DEFAULT_PORTS[shape]);
  if (match === null || port < 1 || port > 65_535) {
    // Not shown: of an address without "@" it may be a password.
    throw invalid(text === "" ? "names no host" : "has a host or port that is not understood");
  }
  return Object.freeze({ host: match[1]!.replace(/^\[|\]$/g, ""), port });
}

/** "password" alone is written ":password@". */
function loginOf(login: string | undefined): readonly [string | undefined, string | undefined] {
  if (login === undefined) return [undefined, undefined];
  const colon = login.indexOf(":");
  const [user, password] = colon < 0 ? [login, ""] : [login.slice(0, colon), login.slice(colon + 1)];
  return [decoded(user) || undefined, decoded(password) || undefined];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid("has a user, password or query with a % that begins no percent-encoding; a % itself is written %25");
  }
}

function pathOf(path: string, shape: RedisShape): { readonly masterName: string; readonly database: number } {
  const parts = path.split("/").slice(1);
  if (parts.at(-1) === "") parts.pop();
  const masterName = shape === "sentinel" ? decoded(parts.shift() ?? "") : "";
  if (shape === "sentinel" && masterName === "") {
    throw invalid("names no master; with Sentinel it ends in the master's name: redis+sentinel://host:port/mymaster");
  }
  const [database = "0", ...rest] = parts;
  if (rest.length > 0 || !/^\d{1,5}$/.test(database))
    throw invalid("has a path that is no database's number, such as /1");
  if (shape === "cluster" && database !== "0") throw invalid("names a database; a cluster has only one");
  return { masterName, database: Number(database) };
}

function queryOf(
  query: string,
  shape: RedisShape,
): { readonly caFile: string | undefined; readonly sentinelPassword: string | undefined } {
  const known = shape === "sentinel" ? ["ca", "sentinelPassword"] : ["ca"];
  const values = new Map<string, string>();
  for (const pair of query.split("&").filter((one) => one !== "")) {
    const name = pair.split("=", 1)[0]!;
    if (!known.includes(name)) throw invalid(`has the unknown query "${name}"; there are ${known.join(" and ")}`);
    values.set(name, decoded(pair.slice(name.length + 1)));
  }
  return { caFile: values.get("ca"), sentinelPassword: values.get("sentinelPassword") };
}

function invalid(what: string): HeadgateError {
  return new HeadgateError(
    "STORE_URL_INVALID",
    `The online store's Redis address ${what}. Write redis://[user:password@]host:port[/database], rediss:// for TLS, redis+sentinel://host:port,…/master or redis+cluster://host:port,… (HEADGATE_ONLINE_STORE).`,
  );
}
