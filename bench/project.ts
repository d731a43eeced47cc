/**
 * A project to measure: the churn example's definitions and model in a temporary folder, with a store of its own and
 * as many customers as wanted. The example's own folder is never touched. Everything is done by the built command line.
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { writeSnapshot } from "./customer-snapshot.ts";
import { watchAnonymousBytes } from "./process-cpu.ts";
import { lastWordsOf, type ServerUnderTest, startServer } from "./server-under-test.ts";

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
  /** The same with variables of its own over the project's environment. */
  runWith(environment: NodeJS.ProcessEnv, ...args: readonly string[]): Promise<CommandCost>;
  /** Starts its gateway as users run it, with settings of its own over the project's environment. */
  serve(settings?: NodeJS.ProcessEnv, isPinned?: boolean): Promise<ServerUnderTest>;
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

/** How a project differs from the churn example. */
export interface ProjectOptions {
  /** Its online store's address; an LMDB of its own by default. */
  readonly onlineStore?: string;
  /** Its model's features come from five views of the customer, each like the example's one, in place of one. */
  readonly hasFiveViews?: boolean;
}

/** Makes a project whose source file holds customers 1 … `customers`, an hour old; applies its definitions. */
export async function makeProject(
  customers: number,
  nowMs: number,
  { onlineStore, hasFiveViews = false }: ProjectOptions = {},
): Promise<BenchProject> {
  const directory = mkdtempSync(join(tmpdir(), "headgate-bench-"));
  const environment = {
    ...process.env,
    HEADGATE_ONLINE_STORE: onlineStore ?? `lmdb:${join(directory, "online")}`,
    HEADGATE_PORT: "0",
    HEADGATE_HOST: "127.0.0.1",
    HEADGATE_ADMIN_TOKEN: "",
  };
  const project: BenchProject = Object.freeze({
    directory,
    environment,
    run: (...args: readonly string[]) => runCommand([...args, "--project", directory], environment),
    runWith: (own: NodeJS.ProcessEnv, ...args: readonly string[]) =>
      runCommand([...args, "--project", directory], { ...environment, ...own }),
    serve: (settings: NodeJS.ProcessEnv = {}, isPinned = true) =>
      startServer([CLI, "serve", "--json", "--project", directory], { ...environment, ...settings }, isPinned),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  });
  try {
    for (const part of ["headgate.config.ts", "features", "models"]) {
      cpSync(join(EXAMPLE, part), join(directory, part), { recursive: true });
    }
    if (hasFiveViews) spreadOverFiveViews(directory);
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

/** The four inputs come from a view each; a fifth is read beside them. The project has a name of its own. */
function spreadOverFiveViews(directory: string): void {
  const rewrite = (file: string, change: (text: string) => string) =>
    writeFileSync(join(directory, file), change(readFileSync(join(directory, file), "utf8")));
  const fields = ["orders_30d", "aov_30d", "returns_rate_30d", "time_since_last_d", "orders_30d"];
  rewrite("headgate.config.ts", (text) => text.replace('"churn"', '"churn_5_views"'));
  rewrite("features/customer.ts", (text) => {
    const [before, view] = /^([\s\S]*?)(export const customer30d[\s\S]*?\n}\);\n)/.exec(text)!.slice(1);
    const views = fields.map((_, i) =>
      view!.replace("customer30d", `customer${i}`).replace("customer_30d_features", `customer_${i}`),
    );
    const selected = fields.map((field, i) => `customer${i}.select("${field}")`);
    return `${before}${views.join("\n")}\nexport const churn_v1 = featureService("churn_v1", [${selected.join(", ")}]);\n`;
  });
  rewrite("models/churn/model.json", (text) => {
    const { examples: _, ...manifest } = JSON.parse(text) as Record<string, unknown>;
    const inputs = { input: fields.slice(0, 4).map((field, i) => `customer_${i}:${field}`) };
    return JSON.stringify({ ...manifest, inputs });
  });
}

async function runCommand(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<CommandCost> {
  const startMs = performance.now();
  const child = spawn(process.execPath, [CLI, ...args], { env: environment, stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  child.stdout.on("data", (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  const stderr = lastWordsOf(child.stderr);
  const closed = () => once(child, "close") as Promise<[number | null]>;
  const { result, peakBytes } = await watchAnonymousBytes(child.pid!, MEMORY_SAMPLE_MS, closed);
  const seconds = (performance.now() - startMs) / 1_000;
  const [code] = result;
  if (code !== 0) throw new Error(`headgate ${args.join(" ")} ended with ${code}:\n${stderr()}${stdout}`);
  return { seconds, peakAnonymousBytes: peakBytes, stdout };
}
