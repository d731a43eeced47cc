/**
 * A project's gateway that can be asked what is left of its memory when all garbage is collected (heap-on-signal.mjs):
 * between two collections the heap grows by as much as V8 thinks fit, which tells nothing of a leak.
 */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { descendantsOf, readAnonymousBytes } from "./process-cpu.ts";
import { type BenchProject, CLI } from "./project.ts";
import { type ServerUnderTest, startServer } from "./server-under-test.ts";

const REPORTER = fileURLToPath(new URL("heap-on-signal.mjs", import.meta.url));
/** How long a collection may take, ms. */
const COLLECT_TIMEOUT_MS = 10_000;

/** What is left after a collection. */
export interface CollectedMemory {
  readonly heapBytes: number;
  /** What the heap holds outside of itself, such as buffers. */
  readonly externalBytes: number;
  /** NaN without /proc. */
  readonly anonymousBytes: number;
  /** Of the processes that it runs models in. */
  readonly childrenAnonymousBytes: number;
}

/** A running gateway that collects when it is asked to. */
export interface CollectingServer extends ServerUnderTest {
  /** Has it collect, and reads what is left. Rejects when it does not within 10 s. */
  collect(): Promise<CollectedMemory>;
}

/** Starts a project's gateway so, held to its core, with settings of its own over the project's environment. */
export async function startCollectingServer(
  project: BenchProject,
  settings: NodeJS.ProcessEnv,
): Promise<CollectingServer> {
  const heapFile = join(project.directory, "heap.jsonl");
  const words = ["--expose-gc", "--import", REPORTER, CLI, "serve", "--json", "--project", project.directory];
  const environment = { ...project.environment, ...settings, HEADGATE_BENCH_HEAP: heapFile };
  const server = await startServer(words, environment);
  const lines = () => (existsSync(heapFile) ? readFileSync(heapFile, "utf8").trimEnd().split("\n") : []);
  const collect = async (): Promise<CollectedMemory> => {
    const taken = lines().length;
    process.kill(server.pid, "SIGUSR2");
    for (const untilMs = performance.now() + COLLECT_TIMEOUT_MS; lines().length <= taken; ) {
      if (performance.now() > untilMs) throw new Error("The server does not say what its heap is.");
      await sleep(20);
    }
    const { heapUsed, external } = JSON.parse(lines().at(-1)!) as NodeJS.MemoryUsage;
    const children = descendantsOf(server.pid).reduce((sum, pid) => sum + (readAnonymousBytes(pid) ?? 0), 0);
    const anonymousBytes = readAnonymousBytes(server.pid) ?? Number.NaN;
    return { heapBytes: heapUsed, externalBytes: external, anonymousBytes, childrenAnonymousBytes: children };
  };
  return Object.freeze({ ...server, collect });
}
