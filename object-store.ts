/**
 * Where source files live: listing, a file's version, and ranged reads of that version. Nothing here knows Parquet.
 *
 * A reader states the version (ETag) it began with on every read, so a file replaced between two reads is noticed and
 * never mixed. Local files are what there is so far; `s3://` goes behind the same four calls.
 */

import { type FileHandle, open, stat } from "node:fs/promises";
import { posix, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { glob } from "tinyglobby";
import { HeadgateError } from "./errors.ts";

/** One version of a file. */
export interface ObjectVersion {
  readonly bytes: number;
  /** Changes whenever the content may have. */
  readonly etag: string;
  /** When the content was last written, epoch ms. */
  readonly lastModifiedMs: number;
}

/** Files by path. Relative paths start at the store's directory and are given back relative. */
export interface ObjectStore {
  /**
   * The files a path stands for, sorted by code point; none is an empty list. A folder stands for the `.parquet` files
   * below it; a glob (`*` and `?` within a name, `**` across folders, `{a,b}`) for the files and folders it matches. Left
   * out are names that begin with "_" or "." below that folder or the glob's fixed head: what writers leave behind. A
   * path that is there is no glob, whatever its characters.
   */
  list(pattern: string): Promise<readonly string[]>;
  /** The current version. Throws SOURCE_NOT_FOUND. */
  stat(path: string): Promise<ObjectVersion>;
  /** Bytes [start, end) of the version `etag`. Throws SOURCE_CHANGED when the file is another one now. */
  read(path: string, start: number, end: number, etag: string): Promise<ArrayBuffer>;
}

/** Opens the files that are reachable from a directory. */
export function openObjectStore(options: { readonly directory: string }): ObjectStore {
  const absolute = (path: string): string => resolve(options.directory, localPath(path));
  return Object.freeze({
    list: async (pattern: string) => listFiles(options.directory, localPath(pattern)),
    stat: async (path: string) => statFile(path, absolute(path)),
    read: async (path: string, start: number, end: number, etag: string) =>
      readFileRange(path, absolute(path), [start, end], etag),
  });
}

function localPath(path: string): string {
  if (path.startsWith("file://")) return fileURLToPath(path);
  const scheme = /^([a-z][a-z0-9+.-]+):\/\//i.exec(path)?.[1];
  if (scheme === undefined) return path;
  throw new HeadgateError(
    "SOURCE_NOT_FOUND",
    `${path} can't be read: ${scheme}:// is not supported. Copy the files to a local folder and name that.`,
  );
}

async function listFiles(directory: string, written: string): Promise<readonly string[]> {
  const path = posix.normalize(written).replace(/(?<=.)\/$/, "");
  const there = await stat(resolve(directory, path)).catch(() => undefined);
  if (there?.isFile()) return [path];
  if (there?.isDirectory()) return filesBelow(directory, path, [PARQUET_BELOW]);
  const wildcard = path.search(/[*?{]/);
  if (wildcard < 0) return [];
  const slash = path.lastIndexOf("/", wildcard);
  // "/*.parquet" begins at the root, "*.parquet" at the directory itself.
  const head = slash < 0 ? "." : slash === 0 ? "/" : path.slice(0, slash);
  const globs = alternatives(path.slice(slash + 1)).map(escapeOthers);
  // The second kind is for the folders among the matches.
  return filesBelow(directory, head, [...globs, ...globs.map((glob) => `${glob}/${PARQUET_BELOW}`)]);
}

const PARQUET_BELOW = "**/*.parquet";
const LEFTOVERS = ["**/_*", "**/_*/**"];

/** The files that match, below a folder whose own name says nothing about them. */
async function filesBelow(directory: string, folder: string, globs: readonly string[]): Promise<readonly string[]> {
  const names = await glob(globs, { cwd: resolve(directory, folder), ignore: LEFTOVERS, expandDirectories: false });
  const head = folder === "." ? "" : folder === "/" ? "/" : `${folder}/`;
  // By code point, not by locale: the order must be the same on every machine.
  return names.map((name) => head + name).sort();
}

/** A pattern without `{a,b}`: what it stands for, each written out. Braces that hold no comma or have no pair stay. */
function alternatives(pattern: string): readonly string[] {
  const [braces, choices] = /\{([^{}]*,[^{}]*)\}/.exec(pattern) ?? [];
  if (braces === undefined) return [pattern];
  return choices!.split(",").flatMap((choice) => alternatives(pattern.replace(braces, () => choice)));
}

/** Takes their meaning from all characters that have one to tinyglobby, but `*` and `?`. */
function escapeOthers(pattern: string): string {
  return pattern.replace(/[\\()[\]{}!+@|^$]/g, "\\$&");
}

async function statFile(path: string, absolute: string): Promise<ObjectVersion> {
  const found = await stat(absolute, { bigint: true }).catch(() => undefined);
  if (found === undefined || !found.isFile()) {
    throw new HeadgateError("SOURCE_NOT_FOUND", `${path} is not there or can't be read. Check the source's path.`);
  }
  return { bytes: Number(found.size), etag: etagOf(found), lastModifiedMs: Number(found.mtimeMs) };
}

async function readFileRange(
  path: string,
  absolute: string,
  [start, end]: readonly [number, number],
  etag: string,
): Promise<ArrayBuffer> {
  const handle = await open(absolute, "r").catch(() => undefined);
  if (handle === undefined) throw changed(path, "was removed");
  try {
    const bytes = await fill(handle, new Uint8Array(end - start), start);
    // Looked at after the read, so that a file written to in the meantime is caught as well as a replaced one.
    if (bytes === undefined || etagOf(await handle.stat({ bigint: true })) !== etag) throw changed(path, "changed");
    return bytes.buffer;
  } finally {
    await handle.close();
  }
}

async function fill(
  handle: FileHandle,
  into: Uint8Array<ArrayBuffer>,
  start: number,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  let filled = 0;
  while (filled < into.length) {
    const { bytesRead } = await handle.read(into, filled, into.length - filled, start + filled);
    if (bytesRead === 0) return undefined;
    filled += bytesRead;
  }
  return into;
}

function etagOf(file: { readonly mtimeNs: bigint; readonly size: bigint }): string {
  return `${file.mtimeNs.toString(36)}-${file.size.toString(36)}`;
}

function changed(path: string, what: string): HeadgateError {
  return new HeadgateError(
    "SOURCE_CHANGED",
    `${path} ${what} while it was read; nothing of the old and the new version was mixed. Run the command again.`,
  );
}
