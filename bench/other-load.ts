/**
 * What others take of the machine while something is measured: the CPU time that all processes used, less that of the
 * bench and everything it started. A run beside which others were busy tells of them, whatever it shows; it is found
 * out by this and not by its figures, so that making it again is no choice among results. Linux only, like process-cpu.ts.
 */

import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { setTimeout as pause } from "node:timers/promises";
import { readCpuMicros, TICK_MICROS } from "./process-cpu.ts";

/** CPU time so far, µs. */
export interface CpuReading {
  readonly all: number;
  readonly own: number;
  /** When it was read, µs of any clock. */
  readonly at: number;
}

/** Of all cores, over this the others disturb. */
export const OTHERS_SHARE_MAX = 0.1;
/** How long the machine is looked at to see whether it is quiet, ms. */
const LOOK_MS = 200;

/** The share of all cores that others used between two readings, 0 … 1. */
export function othersShare(before: CpuReading, after: CpuReading, cores: number): number {
  const others = after.all - before.all - (after.own - before.own);
  return Math.min(1, Math.max(0, others / ((after.at - before.at) * cores)));
}

/**
 * CPU time of processes by the first line of /proc/stat, with what the host took from a virtual machine. Interrupts are
 * left out: those of the bench's own traffic are in no process's time.
 */
export function processMicros(stat: string): number {
  const [user, nice, system, , , , , steal] = stat
    .slice(0, stat.indexOf("\n"))
    .trim()
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return (user! + nice! + system! + (steal ?? 0)) * TICK_MICROS;
}

/** Reads the machine and this process with all below it; undefined without /proc. */
export function readCpu(): CpuReading | undefined {
  const own = readCpuMicros(process.pid);
  if (own === undefined) return undefined;
  return { all: processMicros(readFileSync("/proc/stat", "utf8")), own, at: performance.now() * 1_000 };
}

/** What others have used since a reading; undefined without /proc. */
export function othersSince(before: CpuReading | undefined): number | undefined {
  const after = readCpu();
  return before === undefined || after === undefined ? undefined : othersShare(before, after, availableParallelism());
}

/** How the machine is looked at, and by what clock, ms. */
interface Looking {
  /** Takes a while; answers what others used of all cores meanwhile, undefined where nothing tells it. */
  readonly look: () => Promise<number | undefined>;
  readonly now: () => number;
}

const LOOKING: Looking = Object.freeze({
  look: async () => {
    const before = readCpu();
    await pause(LOOK_MS);
    return othersSince(before);
  },
  now: () => performance.now(),
});

/** Waits until others leave the machine alone, at most so long; answers how long they made it wait, 0 where they did not, ms. */
export async function waitForQuiet(maxMs: number, { look, now }: Looking = LOOKING): Promise<number> {
  const startMs = now();
  let waitedMs = 0;
  while (waitedMs < maxMs && ((await look()) ?? 0) > OTHERS_SHARE_MAX) waitedMs = now() - startMs;
  return waitedMs;
}
