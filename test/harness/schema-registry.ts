/**
 * A real Confluent-compatible schema registry for the tests: Apicurio, got by Maven once for all runs into a folder
 * outside the checkout and run by Java. HEADGATE_TEST_SCHEMA_REGISTRY names one that is there already. Where none can
 * be had the tests are skipped by name and reason; with CI=true that is a failure instead.
 */

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { INSTALL_TIMEOUT_MS, installDebianPackage, onPath } from "./program.ts";
import { start, temporaryFolder } from "./project.ts";
import { testCache } from "./test-cache.ts";

/** The last that runs on Java 17. */
const VERSION = "3.0.9";
const ARTIFACT = `io.apicurio:apicurio-registry-app:${VERSION}:tar.gz:all`;
const START_TIMEOUT_MS = 120_000;
const LOOK_PAUSE_MS = 100;

/** How to run the registry, the address of one that is there already, or why there is neither. */
export type FoundSchemaRegistry =
  | { readonly java: string; readonly folder: string; readonly jar: string }
  | { readonly url: string }
  | { readonly missing: string };

/** A registry that runs. */
export interface RunningSchemaRegistry {
  /** The base address that clients are given. */
  readonly url: string;
  /** Registers a schema; returns its id. */
  register(subject: string, schema: string, rest?: Readonly<Record<string, unknown>>): Promise<number>;
}

/** Finds or installs it. Throws instead of telling what is missing when CI=true. */
export function findSchemaRegistry(): FoundSchemaRegistry {
  const url = process.env.HEADGATE_TEST_SCHEMA_REGISTRY;
  if (url !== undefined && url !== "") return { url };
  const cache = testCache();
  const folder = join(cache, `apicurio-${VERSION}`);
  if (!existsSync(folder)) install(cache, folder);
  const java = onPath("java");
  const jar = existsSync(folder) ? readdirSync(folder).find((name) => name.endsWith("-runner.jar")) : undefined;
  if (java !== undefined && jar !== undefined) return { java, folder, jar };
  const missing = "no schema registry: install Java 17 and Maven, or name one in HEADGATE_TEST_SCHEMA_REGISTRY";
  if (process.env.CI === "true") throw new Error(missing);
  return { missing };
}

function install(cache: string, folder: string): void {
  const maven = onPath("mvn") ?? installDebianPackage("maven");
  if (maven === undefined) return;
  mkdirSync(cache, { recursive: true });
  const unpacked = mkdtempSync(join(cache, "apicurio-"));
  const options = { cwd: unpacked, stdio: "ignore", timeout: INSTALL_TIMEOUT_MS } as const;
  try {
    execFileSync(maven, ["-q", "-B", "dependency:copy", `-Dartifact=${ARTIFACT}`, "-DoutputDirectory=."], options);
    const archive = readdirSync(unpacked).find((name) => name.endsWith(".tar.gz"))!;
    execFileSync("tar", ["xzf", archive], options);
    rmSync(join(unpacked, archive));
    // Another process may have been quicker.
    if (!existsSync(folder)) renameSync(unpacked, folder);
  } catch {
    // Told as missing.
  } finally {
    rmSync(unpacked, { recursive: true, force: true });
  }
}

/** Starts one with nothing in it, or takes the one that is there. */
export async function startSchemaRegistry(
  found: Exclude<FoundSchemaRegistry, { missing: string }>,
): Promise<RunningSchemaRegistry> {
  if ("url" in found) return registryAt(found.url);
  const port = await freePort();
  const quick = ["-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];
  const address = ["-Dquarkus.http.host=127.0.0.1", `-Dquarkus.http.port=${port}`];
  const words = [found.java, ...quick, ...address, "-jar", join(found.folder, found.jar)];
  const running = start(words, temporaryFolder());
  const url = `http://127.0.0.1:${port}/apis/ccompat/v7`;
  let hasEnded = false;
  running.ended.finally(() => (hasEnded = true)).catch(() => {});
  for (let waitedMs = 0; waitedMs < START_TIMEOUT_MS && !hasEnded; waitedMs += LOOK_PAUSE_MS) {
    if (
      await fetch(`${url}/subjects`).then(
        ({ ok }) => ok,
        () => false,
      )
    )
      return registryAt(url);
    await pause(LOOK_PAUSE_MS);
  }
  throw new Error(`The schema registry did not start:\n${running.stdout()}\n${running.stderr()}`);
}

function registryAt(url: string): RunningSchemaRegistry {
  return Object.freeze({
    url,
    register: async (subject: string, schema: string, rest: Readonly<Record<string, unknown>> = {}) => {
      const response = await fetch(`${url}/subjects/${encodeURIComponent(subject)}/versions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ schema, ...rest }),
      });
      const body = (await response.json()) as { readonly id?: number };
      if (body.id === undefined) throw new Error(`${subject} was refused: ${JSON.stringify(body)}`);
      return body.id;
    },
  });
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const { port } = server.address() as { readonly port: number };
  await new Promise((closed) => server.close(closed));
  return port;
}
