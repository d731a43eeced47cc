/**
 * One real Redis server for the tests: an own one on a free port of the loopback, with its files in a temporary folder,
 * gone when the test file is done; or the one that HEADGATE_TEST_REDIS names, for the tests that change nothing of it
 * but the keys of their own projects.
 */

import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Redis, type RedisOptions } from "ioredis";
import { containerOf } from "./container.ts";
import { freePorts } from "./free-ports.ts";
import { type Running, start, temporaryFolder } from "./project.ts";

/** How a server is started. */
export interface RedisServerOptions {
  /** Words of its command line, such as "--maxmemory", "2mb". */
  readonly settings?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** A login for `command`, where the server asks for one. */
  readonly password?: string;
}

/** A server to write to. */
export interface RedisAddressed {
  readonly host: string;
  readonly port: number;
  /** redis://host:port */
  readonly url: string;
  /** Sends a command over a connection of its own; texts. */
  command(...words: readonly (string | number)[]): Promise<unknown>;
}

/** A server that runs for the test alone. */
export interface RedisServer extends RedisAddressed {
  readonly folder: string;
  signal(name: "SIGTERM" | "SIGKILL" | "SIGSTOP" | "SIGCONT"): void;
  /** Ends it and waits until it is gone. */
  stop(): Promise<void>;
  /** Starts it again on its port and folder, after `stop`. */
  restart(): Promise<void>;
}

/** The address of a server that is there already, for tests only: redis://…; undefined where there is none. */
export const GIVEN_REDIS: string | undefined = process.env.HEADGATE_TEST_REDIS || undefined;

/** The server that is there already, else a new one. */
export async function givenOrStartedRedis(program: string): Promise<RedisAddressed> {
  if (GIVEN_REDIS === undefined) return startRedis(program);
  const url = GIVEN_REDIS;
  const { hostname, port } = new URL(url);
  return Object.freeze({
    host: hostname,
    port: Number(port || 6379),
    url,
    command: (...[name, ...words]: readonly (string | number)[]) =>
      withClient(new Redis(url, ONE_CONNECTION), (client) => client.call(String(name), ...words)),
  });
}

/** Starts one server. */
export async function startRedis(program: string, options: RedisServerOptions = {}): Promise<RedisServer> {
  const [port] = await freePorts(1);
  const settings = ["--save", "", "--appendonly", "no", ...(options.settings ?? [])];
  return startServer([program], port!, settings, options);
}

/** Starts a server with these words before and after its port and folder; `port` 0 leaves the port to them. */
export async function startServer(
  [program, ...begins]: readonly string[],
  port: number,
  settings: readonly string[],
  { environment = {}, password }: RedisServerOptions,
): Promise<RedisServer> {
  const folder = temporaryFolder();
  const inContainer = containerOf(program!, environment);
  const begin = async () => {
    const own = [...begins, "--port", String(port), "--bind", "127.0.0.1", "--dir", folder, ...settings];
    const started = start([...(inContainer?.words ?? [program!]), ...own], folder, environment);
    await started.waitFor(/Ready to accept connections|\+monitor master/);
    return started;
  };
  let running: Running = await begin();
  const signal = (name: NodeJS.Signals) => (inContainer ?? running).signal(name);
  const login: RedisOptions = { port, ...ONE_CONNECTION, ...(password && { password }) };
  return Object.freeze({
    host: "127.0.0.1",
    port,
    folder,
    url: `redis://127.0.0.1:${port}`,
    command: (...[name, ...words]: readonly (string | number)[]) =>
      withClient(new Redis(login), (client) => client.call(String(name), ...words)),
    signal,
    stop: async () => {
      signal("SIGKILL");
      await running.ended;
    },
    restart: async () => {
      running = await begin();
    },
  });
}

const ONE_CONNECTION: RedisOptions = { lazyConnect: true, retryStrategy: () => null };

async function withClient<T>(client: Redis, work: (client: Redis) => Promise<T>): Promise<T> {
  client.on("error", () => {});
  try {
    return await work(client);
  } finally {
    client.disconnect();
  }
}

/** A server that speaks only TLS. */
export interface TlsRedis {
  /** rediss://…, without ?ca= */
  readonly url: string;
  /** The authority of its certificate, which names 127.0.0.1. */
  readonly caFile: string;
  readonly port: number;
}

/** Makes an authority and a certificate with openssl and starts a server with them. */
export async function startTlsRedis(program: string): Promise<TlsRedis> {
  const folder = temporaryFolder();
  const openssl = (words: string) => execFileSync("openssl", words.split(" "), { cwd: folder, stdio: "ignore" });
  const key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
  writeFileSync(join(folder, "names"), "subjectAltName=IP:127.0.0.1\n");
  openssl(`req -x509 ${key} -keyout ca.key -out ca.crt -subj /CN=test-authority -days 2`);
  openssl(`req ${key} -keyout server.key -out server.csr -subj /CN=127.0.0.1`);
  openssl("x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out server.crt -days 2 -extfile names");
  const [port] = await freePorts(1);
  const file = (name: string) => join(folder, name);
  const tls = ["--tls-port", String(port), "--tls-cert-file", file("server.crt"), "--tls-key-file", file("server.key")];
  const settings = [...tls, "--tls-ca-cert-file", file("ca.crt"), "--tls-auth-clients", "no", "--save", ""];
  await startServer([program], 0, settings, {});
  return Object.freeze({ url: `rediss://127.0.0.1:${port}`, caFile: file("ca.crt"), port: port! });
}
