/**
 * What a running process costs: CPU time and memory of its own, read from outside, so that the measured code knows
 * nothing of it. CPU time per request is the figure that survives a noisy machine and a load generator that is slower
 * than the server; requests per second are not.
 *
 * Linux only, where /proc tells it. Elsewhere everything is undefined and the bars say "not measured".
 */

import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";

/** Linux counts CPU time in hundredths of a second on every architecture that Node runs on (USER_HZ), µs. */
export const TICK_MICROS = 10_000;

/**
 * User and system time so far of a process, all its threads and all running processes below it, µs in steps of 10 ms;
 * undefined without /proc.
 */
export function readCpuMicros(pid: number): number | undefined {
  const own = readOwnCpuMicros(pid);
  if (own === undefined) return undefined;
  return descendantsOf(pid).reduce((sum, below) => sum + (readOwnCpuMicros(below) ?? 0), own);
}

function readOwnCpuMicros(pid: number): number | undefined {
  const stat = readProc(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  // The second field is the program's name in parentheses and may hold blanks; utime and stime are fields 14 and 15.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_MICROS;
}

/** The running processes that a process has started, and those that they have; none without /proc. */
export function descendantsOf(pid: number): readonly number[] {
  const threads = existsSync(`/proc/${pid}/task`) ? readdirSync(`/proc/${pid}/task`) : [];
  // Each thread lists its own.
  const lists = threads.map((thread) => readProc(`/proc/${pid}/task/${thread}/children`) ?? "");
  const children = lists.flatMap((list) =>
    list
      .split(" ")
      .filter((text) => text !== "")
      .map(Number),
  );
  return children.flatMap((child) => [child, ...descendantsOf(child)]);
}

/** Anonymous resident memory (RssAnon), bytes: heap and buffers, without the mapped pages of files. */
export function readAnonymousBytes(pid: number): number | undefined {
  const kilobytes = /^RssAnon:\s*(\d+) kB$/m.exec(readProc(`/proc/${pid}/status`) ?? "")?.[1];
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
}

/** Looks at a process' anonymous memory every so often while the work goes on; answers the most it saw, undefined without /proc. Rejects with the work. */
export async function watchAnonymousBytes<Result>(
  pid: number,
  everyMs: number,
  work: () => Promise<Result>,
): Promise<{ readonly result: Result; readonly peakBytes: number | undefined }> {
  let peakBytes = readAnonymousBytes(pid);
  const looking = setInterval(() => {
    const bytes = readAnonymousBytes(pid);
    if (bytes !== undefined) peakBytes = Math.max(peakBytes ?? 0, bytes);
  }, everyMs);
  try {
    const result = await work();
    return { result, peakBytes };
  } finally {
    clearInterval(looking);
  }
}

function readProc(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}

/** True where processes can be held to a core each: two cores or more, and util-linux' taskset. */
export const canPin = availableParallelism() >= 2 && spawnSync("taskset", ["--version"]).status === 0;

/** A command line held to one core where that can be. */
export function pinned(core: number, command: readonly string[]): readonly string[] {
  return canPin ? ["taskset", "--cpu-list", String(core), ...command] : command;
}
