/**
 * Everything below a local folder, on a bounded number of levels. Unlike a listing of source files (local-listing.ts) it
 * tells of folders too, and one that can't be read is told of and takes no other down: a folder of models is many
 * people's. Links are followed, and end with the levels.
 */

import type { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { HeadgateError } from "../errors.ts";
import { isGone, unreadable } from "./local-failure.ts";
import { localEtag } from "./local-version.ts";
import type { FolderEntry } from "./object-version.ts";

/** Names of a folder looked at together. */
const LOOKS_AT_ONCE = 64;

/** What it asks of the file system. */
export interface TreeCalls {
  readonly readdir: typeof readdir;
  readonly stat: typeof stat;
}

/** See ObjectStore.listBelow; `folder` is as it was written, for messages. */
export async function listLocalTree(
  calls: TreeCalls,
  folder: string,
  absolute: string,
  levels: number,
): Promise<readonly FolderEntry[]> {
  const entries: FolderEntry[] = [];
  await look(calls, { folder, absolute, name: "", levels }, entries);
  const [root] = entries;
  if (root?.name === "" && root.unreadable !== undefined) throw root.unreadable;
  return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
}

interface Place {
  readonly folder: string;
  readonly absolute: string;
  /** Below the folder, with its "/"; "" is the folder itself. */
  readonly name: string;
  readonly levels: number;
}

async function look(calls: TreeCalls, place: Place, into: FolderEntry[]): Promise<void> {
  const { folder, absolute, name } = place;
  let names: readonly string[];
  try {
    names = await calls.readdir(join(absolute, name));
  } catch (cause) {
    const isAbsentRoot = name === "" && isGone(cause);
    const missing = new HeadgateError("SOURCE_NOT_FOUND", `${folder} is not there or is no folder.`, cause);
    const why = isAbsentRoot ? missing : unreadable(join(folder, name), cause);
    if (name === "" || !isGone(cause)) into.push({ name, version: undefined, unreadable: why });
    return;
  }
  if (name !== "") into.push({ name, version: undefined });
  const visible = names.filter((one) => !one.startsWith("."));
  for (let i = 0; i < visible.length; i += LOOKS_AT_ONCE) {
    await Promise.all(visible.slice(i, i + LOOKS_AT_ONCE).map((one) => lookAt(calls, place, one, into)));
  }
}

async function lookAt(calls: TreeCalls, place: Place, entry: string, into: FolderEntry[]): Promise<void> {
  const name = place.name + entry;
  try {
    const found = await calls.stat(join(place.absolute, name), { bigint: true });
    if (found.isFile()) {
      const version = { bytes: Number(found.size), etag: localEtag(found), lastModifiedMs: Number(found.mtimeMs) };
      into.push({ name, version });
    } else if (found.isDirectory()) {
      if (place.levels === 1) into.push({ name: `${name}/`, version: undefined });
      else await look(calls, { ...place, name: `${name}/`, levels: place.levels - 1 }, into);
    }
  } catch (cause) {
    if (!isGone(cause))
      into.push({ name, version: undefined, unreadable: unreadable(join(place.folder, name), cause) });
  }
}
