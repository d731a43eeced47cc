/**
 * Where source files live: listing, a file's version, and ranged reads of that version. Nothing here knows Parquet.
 *
 * A reader states the version (ETag) it began with on every read, so a file replaced between two reads is noticed and
 * never mixed. Local files are what there is so far; `s3://` goes behind the same four calls.
 */

import { type FileHandle, open, readdir, stat } from "node:fs/promises";
import { resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
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
   * The files a path stands for, sorted by code point; none is an empty list. A glob (`*`, `?`, `**`, `{a,b}`) stands
   * for its matches, a folder for the `.parquet` files below it, except those in names that begin with "_" or "."
   * (what writers leave behind). `dt=2026-01-01` is a plain name.
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

/** Compiles a glob into a test of whole paths: `*` and `?` stay within a folder, `**` crosses folders. */
export function globToRegExp(glob: string): RegExp {
  const source = glob.replace(GLOB_TOKEN, (token) => GLOB_SOURCE[token] ?? `\\${token}`);
  return new RegExp(`^${source}$`);
}

const GLOB_TOKEN = /\*\*\/|\*\*|[*?{},]|[.+^$()|[\]\\]/g;
const GLOB_SOURCE: Readonly<Record<string, string>> = {
  "**/": "(?:.*/)?",
  "**": ".*",
  "*": "[^/]*",
  "?": "[^/]",
  "{": "(?:",
  ",": "|",
  "}": ")",
};

function localPath(path: string): string {
  if (path.startsWith("file://")) return fileURLToPath(path);
  const scheme = /^([a-z][a-z0-9+.-]+):\/\//i.exec(path)?.[1];
  if (scheme === undefined) return path;
  throw new HeadgateError(
    "SOURCE_NOT_FOUND",
    `${path} can't be read: ${scheme}:// is not supported. Copy the files to a local folder and name that.`,
  );
}

async function listFiles(directory: string, pattern: string): Promise<readonly string[]> {
  const there = await stat(resolve(directory, pattern)).catch(() => undefined);
  if (there?.isFile()) return [pattern];
  if (there?.isDirectory()) {
    const below = await filesBelow(directory, pattern.replace(/\/+$/, ""), true);
    return below.filter((path) => path.endsWith(".parquet") && !isLeftover(path.slice(pattern.length)));
  }
  const plain = pattern.search(/[*?{]/);
  if (plain < 0) return [];
  const slash = pattern.lastIndexOf("/", plain);
  // "/*.parquet" begins at the root, "*.parquet" at the directory itself.
  const base = slash < 0 ? "." : slash === 0 ? "/" : pattern.slice(0, slash);
  const recursive = pattern.includes("/", slash + 1) || pattern.includes("**");
  const matches = globToRegExp(pattern);
  return (await filesBelow(directory, base, recursive)).filter((path) => matches.test(path));
}

async function filesBelow(directory: string, base: string, recursive: boolean): Promise<readonly string[]> {
  const root = resolve(directory, base);
  const entries = await readdir(root, { withFileTypes: true, recursive }).catch(() => []);
  const head = base === "." ? "" : base === "/" ? "/" : `${base}/`;
  const paths = entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => resolve(entry.parentPath, entry.name).slice(root === "/" ? 1 : root.length + 1));
  // By code point, not by locale: the order must be the same on every machine.
  return paths.map((path) => head + path.split(sep).join("/")).sort();
}

function isLeftover(path: string): boolean {
  return path.split("/").some((name) => name.startsWith("_") || name.startsWith("."));
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
