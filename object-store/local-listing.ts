/**
 * Which local files a path stands for. Every folder that may hold one is read, links to folders too, and one that can't
 * be read fails the list: files left out in silence would be rows that are never loaded. What goes away meanwhile is
 * not there.
 */

import type { readdir, realpath, stat } from "node:fs/promises";
import { join, posix, resolve } from "node:path";
import { isGone, unreadable } from "./local-failure.ts";
import { compileGlob, isLeftover, isParquetBelow } from "./path.ts";

/** Folders and links looked at together. */
const LOOKS_AT_ONCE = 64;

/** What a listing asks of the file system. */
export interface ListingCalls {
  readonly readdir: typeof readdir;
  readonly realpath: typeof realpath;
  readonly stat: typeof stat;
}

/** The paths, sorted by code point; see ObjectStore.list. Throws SOURCE_DENIED and SOURCE_UNREACHABLE naming the folder. */
export async function listLocalPaths(
  calls: ListingCalls,
  directory: string,
  written: string,
): Promise<readonly string[]> {
  const path = posix.normalize(written).replace(/(?<=.)\/$/, "");
  const there = await unlessGone(path, calls.stat(resolve(directory, path)));
  if (there?.isFile()) return [path];
  // "/" is the root's own name, and what is in "." needs no name before it.
  const below = (head: string, matches: (name: string) => boolean) => filesBelow(calls, directory, head, matches);
  if (there?.isDirectory()) return below(path === "." ? "" : path.replace(/\/?$/, "/"), isParquetBelow);
  const compiled = compileGlob(path);
  return compiled === undefined ? [] : below(compiled.head, compiled.matches);
}

/** A folder on the way down. */
interface Folder {
  /** Below the head, with its "/"; "" is the head. */
  readonly name: string;
  /** The folder's own path without links, and those it was reached through: a link back to one of them is a circle. */
  readonly real: string;
  readonly above: readonly string[];
}

/** The files that match, below a folder whose own name says nothing about them. */
async function filesBelow(
  calls: ListingCalls,
  directory: string,
  head: string,
  matches: (name: string) => boolean,
): Promise<readonly string[]> {
  const root = resolve(directory, head);
  const real = await unlessGone(head, calls.realpath(root));
  const left: Folder[] = real === undefined ? [] : [{ name: "", real, above: [] }];
  const names: string[] = [];
  while (left.length > 0) {
    const looked = left.splice(0, LOOKS_AT_ONCE).map(async (folder) => {
      const shown = head + folder.name;
      const entries = await unlessGone(shown, calls.readdir(join(root, folder.name), { withFileTypes: true }));
      for (const entry of entries ?? []) {
        const name = folder.name + entry.name;
        if (entry.isFile()) names.push(name);
        else if (entry.isDirectory()) enter(left, folder, name, join(folder.real, entry.name));
        else if (entry.isSymbolicLink()) await follow(calls, { left, names, folder, name }, join(root, name), shown);
      }
    });
    await Promise.all(looked);
  }
  // By code point, not by locale: the order must be the same on every machine.
  return names
    .filter(matches)
    .map((name) => head + name)
    .sort();
}

function enter(left: Folder[], from: Folder, name: string, real: string): void {
  const above = [...from.above, from.real];
  if (!isLeftover(`${name}/`) && !above.includes(real)) left.push({ name: `${name}/`, real, above });
}

interface Link {
  readonly left: Folder[];
  readonly names: string[];
  readonly folder: Folder;
  readonly name: string;
}

async function follow(calls: ListingCalls, link: Link, absolute: string, shown: string): Promise<void> {
  if (isLeftover(`${link.name}/`)) return;
  const to = await unlessGone(shown, calls.stat(absolute));
  if (to?.isFile()) link.names.push(link.name);
  if (!to?.isDirectory()) return;
  const real = await unlessGone(shown, calls.realpath(absolute));
  if (real !== undefined) enter(link.left, link.folder, link.name, real);
}

/** What was asked, or undefined where there is nothing. */
async function unlessGone<T>(path: string, asked: Promise<T>): Promise<T | undefined> {
  return asked.catch((cause: unknown) => {
    if (isGone(cause)) return undefined;
    throw unreadable(path === "" ? "." : path, cause);
  });
}
