/**
 * What a put leaves that was killed: its new file beside the one that it would have become, under a name that no listing
 * shows, so that nobody would ever find it on a full disk.
 */

import { randomUUID } from "node:crypto";
import { open, readdir, rm, rmdir, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { isGone } from "./local-failure.ts";

/** A file that nothing was written to for so long is of a put that was killed, ms; one that lives pauses for seconds. */
const LEFTOVER_STALE_MS = 10 * 60 * 1_000;

/** As `beside` names a new file: `.model.onnx.` and a UUID. */
const LEFTOVER = /^\..+\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** A name beside a file that no listing shows, since it begins with ".". */
export function beside(absolute: string, suffix: string): string {
  return resolve(dirname(absolute), `.${basename(absolute)}.${suffix}`);
}

/** Removes them from a folder, but not from those below it; a folder that is not there has none. */
export async function removeLocalLeftovers(folder: string): Promise<void> {
  const names = await readdir(folder).catch((cause: unknown) => {
    if (isGone(cause)) return [];
    throw cause;
  });
  const left = names.filter((name) => LEFTOVER.test(name));
  if (left.length === 0) return;
  const nowMs = await clockOf(folder);
  for (const name of left) {
    const path = join(folder, name);
    const found = await stat(path).catch(() => undefined);
    if (found?.isFile() && nowMs - found.mtimeMs > LEFTOVER_STALE_MS) await rm(path, { force: true });
  }
}

/** Removes a folder where nothing is in it, shown or not. */
export async function removeEmptyFolder(folder: string): Promise<void> {
  await rmdir(folder).catch((cause: NodeJS.ErrnoException) => {
    if (!isGone(cause) && cause.code !== "ENOTEMPTY" && cause.code !== "EEXIST") throw cause;
  });
}

/** The time by the clock that its files go by, which on a network's disk is another machine's; epoch ms. */
async function clockOf(folder: string): Promise<number> {
  const probe = beside(join(folder, "clock"), randomUUID());
  const handle = await open(probe, "wx");
  try {
    return (await handle.stat()).mtimeMs;
  } finally {
    await handle.close();
    await rm(probe, { force: true });
  }
}
