/**
 * A project to measure: the churn example's definitions and model in a temporary folder, with a store of its own and
 * as many customers as wanted. The example's own folder is never touched. Everything is done by the built command line.
 */

import { spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { writeSnapshot } from "./customer-snapshot.ts";
import { readAnonymousBytes } from "./process-cpu.ts";

/** The built command line. */
export const CLI = fileURLToPath(new URL("../dist/cli.js", import.meta.url));
const EXAMPLE = fileURLToPath(new URL("../examples/churn/", import.meta.url));
/** How often a command's memory is looked at, ms. */
const MEMORY_SAMPLE_MS = 20;
const HOUR_MS = 3_600_000;

/** A temporary project folder. */
export interface BenchProject {
  readonly directory: string;
  readonly environment: NodeJS.ProcessEnv;
  /** Runs a command of headgate to its end. Rejects with what it wrote when it fails. */
  run(...args: readonly string[]): Promise<CommandCost>;
  remove(): void;
}

/** What a command took. */
export interface CommandCost {
  /** From its start to its end, loading Node and all modules included. */
  readonly seconds: number;
  /** The most anonymous resident memory seen; undefined without /proc. */
  readonly peakAnonymousBytes: number | undefined;
  readonly stdout: string;
}

/** Makes a project whose source file holds customers 1 … `customers`, an hour old; applies its definitions. */
export async function makeProject(customers: number, nowMs: number): Promise<BenchProject> {
  const directory = mkdtempSync(join(tmpdir(), "headgate-bench-"));
  const environment = {
    ...process.env,
    HEADGATE_ONLINE_STORE: `lmdb:${join(directory, "online")}`,
    HEADGATE_PORT: "0",
    HEADGATE_HOST: "127.0.0.1",
    HEADGATE_ADMIN_TOKEN: "",
  };
  const project: BenchProject = Object.freeze({
    directory,
    environment,
    run: (...args: readonly string[]) => runCommand([...args, "--project", directory], environment),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  });
  try {
    for (const part of ["headgate.config.ts", "features", "models"]) {
      cpSync(join(EXAMPLE, part), join(directory, part), { recursive: true });
    }
    mkdirSync(join(directory, ".headgate"));
    const file = join(directory, ".headgate/customer_30d.parquet");
    await writeSnapshot({ file, rows: customers, eventMs: nowMs - HOUR_MS - HOUR_MS, seed: 1 });
    await project.run("apply");
  } catch (thrown) {
    project.remove();
    throw thrown;
  }
  return project;
}

function runCommand(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<CommandCost> {
  const startMs = performance.now();
  const child = spawn(process.execPath, [CLI, ...args], { env: environment, stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    stderr = (stderr + chunk.toString()).slice(-4_000);
  });
  let peakAnonymousBytes: number | undefined;
  const sampling = setInterval(() => {
    const bytes = readAnonymousBytes(child.pid!);
    if (bytes !== undefined && bytes > (peakAnonymousBytes ?? 0)) peakAnonymousBytes = bytes;
  }, MEMORY_SAMPLE_MS);
  return new Promise<CommandCost>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      const seconds = (performance.now() - startMs) / 1_000;
      if (code === 0) resolve({ seconds, peakAnonymousBytes, stdout });
      else reject(new Error(`headgate ${args.join(" ")} ended with ${code}:\n${stderr}${stdout}`));
    });
  }).finally(() => clearInterval(sampling));
}
