/** `headgate ingest` as a process of its own, by the built command line, and what it takes to read a topic to its end. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { readCpuMicros, watchAnonymousBytes } from "./process-cpu.ts";
import { CLI } from "./project.ts";
import { lastWordsOf } from "./server-under-test.ts";

/** Between two looks at what was done and at memory, ms. */
const LOOK_PAUSE_MS = 100;

/** A running ingester. */
export interface BenchIngester {
  readonly pid: number;
  /** Resolves when it has read so many records since it began. Rejects when it ends before. */
  read(records: number): Promise<IngestCost>;
  stop(): Promise<void>;
}

/** What reading cost. */
export interface IngestCost {
  /** From the first rows in the store on: starting and joining the group are not counted. */
  readonly eventsPerSecond: number;
  /** Undefined without /proc, as the next. */
  readonly cpuMicrosPerEvent: number | undefined;
  /** The most anonymous resident memory seen. */
  readonly peakAnonymousBytes: number | undefined;
}

/** Starts an ingester of a project. Rejects with what it wrote when it ends before it reads. */
export async function startIngester(directory: string, environment: NodeJS.ProcessEnv): Promise<BenchIngester> {
  const words = [CLI, "ingest", "--json", "--project", directory];
  const child = spawn(process.execPath, words, { env: environment, stdio: ["ignore", "pipe", "pipe"] });
  const complaints = lastWordsOf(child.stderr);
  const exited = once(child, "exit").then(() => {
    throw new Error(`headgate ingest ended:\n${complaints()}`);
  });
  exited.catch(() => {});
  const [line] = (await Promise.race([once(createInterface(child.stdout), "line"), exited])) as [string];
  const { health } = JSON.parse(line) as { readonly health: string };
  const pid = child.pid!;
  return Object.freeze({
    pid,
    read: (records: number) => Promise.race([read(pid, health, records), exited]),
    async stop() {
      child.kill("SIGTERM");
      await exited.catch(() => {});
    },
  });
}

async function read(pid: number, health: string, records: number): Promise<IngestCost> {
  const reading = () => readToEnd(pid, health, records);
  const { result, peakBytes } = await watchAnonymousBytes(pid, LOOK_PAUSE_MS, reading);
  return { ...result, peakAnonymousBytes: peakBytes };
}

async function readToEnd(
  pid: number,
  health: string,
  records: number,
): Promise<Omit<IngestCost, "peakAnonymousBytes">> {
  let [first, firstMs] = [0, 0];
  let firstCpu: number | undefined;
  for (;;) {
    await pause(LOOK_PAUSE_MS);
    const events = await eventsRead(health);
    const nowMs = performance.now();
    if (first === 0) [first, firstMs, firstCpu] = [events, nowMs, readCpuMicros(pid)];
    if (events < records) continue;
    const cpu = readCpuMicros(pid);
    return {
      eventsPerSecond: ((events - first) * 1_000) / (nowMs - firstMs),
      cpuMicrosPerEvent: cpu === undefined || firstCpu === undefined ? undefined : (cpu - firstCpu) / (events - first),
    };
  }
}

async function eventsRead(health: string): Promise<number> {
  const text = await (await fetch(`${health}/metrics`)).text();
  const counts = [...text.matchAll(/^headgate_ingest_events_total\{[^}]*\} (\d+)$/gm)];
  return counts.reduce((sum, [, count]) => sum + Number(count), 0);
}
