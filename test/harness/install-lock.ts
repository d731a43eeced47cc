/**
 * One install at a time. Test files run in processes of their own and look for the same programs in the same cache: one
 * installs, the others wait and find what it got. The lock is a folder beside it, since only one process can make it.
 */

import { mkdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

/** Between two tries, ms. */
const LOCK_PAUSE_MS = 200;

/**
 * Does the work while nobody else has the lock of this name in the cache, which is made where it is missing. A lock
 * older than `staleMs` was left by a process that is gone and is taken from it: longer than the work may take.
 */
export async function alone(
  cache: string,
  name: string,
  staleMs: number,
  work: () => void | Promise<void>,
): Promise<void> {
  mkdirSync(cache, { recursive: true });
  const lock = join(cache, `${name}.lock`);
  while (!tryToLock(lock, staleMs)) await pause(LOCK_PAUSE_MS);
  try {
    await work();
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}

function tryToLock(lock: string, staleMs: number): boolean {
  try {
    mkdirSync(lock);
    return true;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "EEXIST") throw thrown;
    const ageMs = Date.now() - (statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if (ageMs > staleMs) rmSync(lock, { recursive: true, force: true });
    return false;
  }
}
