/**
 * Local files behind the object store. A file's ETag is its size and its time of change; a put is a new file renamed
 * into place, so that a reader sees the old or the new one, whole.
 */

import { randomUUID } from "node:crypto";
import { type FileHandle, link, mkdir, open, readdir, realpath, rename, rm, stat, utimes } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { HeadgateError } from "../errors.ts";
import { denials, isGone, unreadable } from "./local-failure.ts";
import { beside, removeEmptyFolder, removeLocalLeftovers } from "./local-leftovers.ts";
import { type ListingCalls, listLocalPaths } from "./local-listing.ts";
import { listLocalTree } from "./local-tree.ts";
import { localEtag, localVersion } from "./local-version.ts";
import {
  changedWhileRead,
  type ListedObject,
  type ObjectStore,
  type PutCondition,
  putConflict,
} from "./object-version.ts";

/** Files looked at together when a folder is listed. */
const STATS_AT_ONCE = 64;
/** A lock that stays for so long is of a writer that died, ms; one that lives holds it for microseconds. */
const LOCK_STALE_MS = 10_000;
/** Between two tries to get a lock, ms. */
const LOCK_PAUSE_MS = 5;

/** What reading asks of the file system; a test gives its own where it needs one that fails. */
export interface FileCalls extends ListingCalls {
  readonly open: typeof open;
}

/** Opens the files that are reachable from a directory. `lockStaleMs`: see LOCK_STALE_MS. */
export function openLocalFiles(
  directory: string,
  { lockStaleMs = LOCK_STALE_MS, ...given }: Partial<FileCalls> & { readonly lockStaleMs?: number } = {},
): ObjectStore {
  const calls: FileCalls = { readdir, realpath, stat, open, ...given };
  const absolute = (path: string): string => resolve(directory, localPath(path));
  return Object.freeze({
    list: async (pattern: string) =>
      withVersions(calls, directory, await listLocalPaths(calls, directory, localPath(pattern))),
    listBelow: async (folder: string, levels: number) => listLocalTree(calls, folder, absolute(folder), levels),
    stat: async (path: string) => {
      const version = await localVersion(calls, path, absolute(path));
      if (version !== undefined) return version;
      throw new HeadgateError("SOURCE_NOT_FOUND", `${path} is not there or is no file. Check the source's path.`);
    },
    read: async (path: string, start: number, end: number, etag: string) =>
      readFileRange(calls, path, absolute(path), [start, end], etag),
    put: async (path: string, bytes: Uint8Array, condition?: PutCondition) =>
      denials(path, () => putFile({ path, absolute: absolute(path), lockStaleMs }, bytes, condition)),
    delete: async (path: string) => denials(path, () => rm(absolute(path), { force: true })),
    removeLeftovers: async (folder: string) => denials(folder, () => removeLocalLeftovers(absolute(folder))),
    removeFolder: async (folder: string) => denials(folder, () => removeEmptyFolder(absolute(folder))),
    close: async () => {},
  });
}

function localPath(path: string): string {
  return path.startsWith("file://") ? fileURLToPath(path) : path;
}

/** What is gone since it was listed is left out, as if it had gone before. */
async function withVersions(
  calls: FileCalls,
  directory: string,
  paths: readonly string[],
): Promise<readonly ListedObject[]> {
  const listed: ListedObject[] = [];
  for (let i = 0; i < paths.length; i += STATS_AT_ONCE) {
    const batch = paths.slice(i, i + STATS_AT_ONCE);
    const versions = await Promise.all(batch.map((path) => localVersion(calls, path, resolve(directory, path))));
    for (const [j, version] of versions.entries()) if (version !== undefined) listed.push({ path: batch[j]!, version });
  }
  return listed;
}

async function readFileRange(
  calls: FileCalls,
  path: string,
  absolute: string,
  [start, end]: readonly [number, number],
  etag: string,
): Promise<ArrayBuffer> {
  let handle: FileHandle | undefined;
  let isSame: boolean;
  const bytes = new Uint8Array(end - start);
  try {
    handle = await calls.open(absolute, "r");
    // Looked at after the read, so that a file written to in the meantime is caught as well as a replaced one.
    isSame = (await fill(handle, bytes, start)) && localEtag(await handle.stat({ bigint: true })) === etag;
  } catch (cause) {
    throw isGone(cause) ? changedWhileRead(path, "was removed") : unreadable(path, cause);
  } finally {
    await handle?.close();
  }
  if (!isSame) throw changedWhileRead(path, "changed");
  return bytes.buffer;
}

/** False when the file ends before. */
async function fill(handle: FileHandle, into: Uint8Array, start: number): Promise<boolean> {
  let filled = 0;
  while (filled < into.length) {
    const { bytesRead } = await handle.read(into, filled, into.length - filled, start + filled);
    if (bytesRead === 0) return false;
    filled += bytesRead;
  }
  return true;
}

interface Target {
  readonly path: string;
  readonly absolute: string;
  readonly lockStaleMs: number;
}

async function putFile(target: Target, bytes: Uint8Array, condition?: PutCondition): Promise<string> {
  const { path, absolute } = target;
  const fresh = beside(absolute, randomUUID());
  const handle = await openFresh(fresh, path, condition);
  try {
    await handle.writeFile(bytes);
    await handle.sync();
    if (condition === undefined) await renameOver(fresh, absolute);
    else if ("ifAbsent" in condition) await linkIfAbsent(fresh, absolute, putConflict(path, condition));
    else await renameIfMatch(fresh, target, condition.ifMatch, putConflict(path, condition));
    // Of this file, whoever has replaced it since.
    return localEtag(await handle.stat({ bigint: true }));
  } finally {
    await handle.close();
    await rm(fresh, { force: true });
  }
}

/** Makes the folder, too, but not for who replaces a file: where that one's folder has vanished, so has the file. */
async function openFresh(fresh: string, path: string, condition?: PutCondition): Promise<FileHandle> {
  if (condition === undefined || "ifAbsent" in condition) {
    await mkdir(dirname(fresh), { recursive: true });
    return open(fresh, "wx");
  }
  return open(fresh, "wx").catch((cause: unknown) => {
    throw isGone(cause) ? putConflict(path, condition) : cause;
  });
}

/** A link, unlike a rename, fails where there is a file. */
async function linkIfAbsent(fresh: string, absolute: string, conflict: HeadgateError): Promise<void> {
  await link(fresh, absolute).catch((cause: NodeJS.ErrnoException) => {
    throw cause.code === "EEXIST" ? conflict : cause;
  });
}

/** Nothing renames on a condition, so writers with one take turns. */
async function renameIfMatch(
  fresh: string,
  { absolute, lockStaleMs }: Target,
  etag: string,
  conflict: HeadgateError,
): Promise<void> {
  const lock = beside(absolute, "lock");
  await takeLock(lock, lockStaleMs);
  try {
    const stored = await stat(absolute, { bigint: true }).catch(() => undefined);
    if (stored === undefined || localEtag(stored) !== etag) throw conflict;
    await renameOver(fresh, absolute);
  } finally {
    await rm(lock, { force: true });
  }
}

/** The system's clock of files moves in steps of milliseconds, but another content must have another ETag. */
async function renameOver(fresh: string, absolute: string): Promise<void> {
  const own = await stat(fresh, { bigint: true });
  const stored = await stat(absolute, { bigint: true }).catch(() => undefined);
  if (stored !== undefined && localEtag(own) === localEtag(stored)) {
    await utimes(fresh, own.atime, new Date(Number(own.mtimeMs) + 1));
  }
  await rename(fresh, absolute);
}

/** A lock is held as long as its file is there. One that stays the same for long is of a writer that died. */
async function takeLock(lock: string, staleMs: number): Promise<void> {
  let [seen, waitedMs] = [0n, 0];
  for (;;) {
    try {
      return await (await open(lock, "wx")).close();
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== "EEXIST") throw cause;
    }
    const held = await stat(lock, { bigint: true }).catch(() => undefined);
    if (held?.mtimeNs !== seen) [seen, waitedMs] = [held?.mtimeNs ?? 0n, 0];
    if (waitedMs >= staleMs) await rm(lock, { force: true });
    await pause(LOCK_PAUSE_MS);
    waitedMs += LOCK_PAUSE_MS;
  }
}
