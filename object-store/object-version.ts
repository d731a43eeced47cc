/**
 * What an object store promises: files by path, each with a version, read by ranges of one version and written under a
 * condition. local-files.ts and s3.ts keep the promise; nothing here knows either, or Parquet.
 *
 * A reader states the version (ETag) it began with on every read, so a file replaced between two reads is noticed and
 * never mixed.
 */

import { HeadgateError } from "../errors.ts";

/** One version of a file. */
export interface ObjectVersion {
  readonly bytes: number;
  /** Changes whenever the content may have. */
  readonly etag: string;
  /** When the content was last written, epoch ms; in S3 whole seconds. */
  readonly lastModifiedMs: number;
}

/** A file that a path stands for, as it was when it was listed. */
export interface ListedObject {
  readonly path: string;
  readonly version: ObjectVersion;
}

/** What a folder holds, on any level; see ObjectStore.listBelow. */
export interface FolderEntry {
  /** Below the folder, with "/" between names; a folder's own ends in "/". */
  readonly name: string;
  /** Undefined for a folder, and for what could not be looked at. */
  readonly version: ObjectVersion | undefined;
  /** Why a folder's content, or a file, is not known. */
  readonly unreadable?: HeadgateError;
}

/** What must hold for a file to be written: that there is none, or that it is still this version. */
export type PutCondition = { readonly ifAbsent: true } | { readonly ifMatch: string };

/**
 * Files by path: local ones (`file://` or a plain path) and those of S3 (`s3://bucket/key`). Relative paths start at the
 * store's directory and are given back relative. Whatever refuses access throws SOURCE_DENIED, and what does not answer
 * SOURCE_UNREACHABLE.
 */
export interface ObjectStore {
  /**
   * The files a path stands for, sorted by code point; none is an empty list. A folder stands for the `.parquet` files
   * below it; a glob (`*` and `?` within a name, `**` across folders, `{a,b}`) for the files and folders it matches. Left
   * out are names that begin with "_" or "." below that folder or the glob's fixed head: what writers leave behind. A
   * path that is there is no glob, whatever its characters. Throws SOURCE_NOT_FOUND for a bucket that is not there.
   */
  list(pattern: string): Promise<readonly ListedObject[]>;
  /**
   * Everything below a folder, whose name is no glob, down to as many levels of names, sorted by code point: files and, on
   * disk, folders too, empty ones among them. Names that begin with "." are left out. A folder inside that can't be read
   * is told of and ends nothing; in a bucket it is one list, of a moment for as long as it has up to 1,000 files. Throws
   * SOURCE_NOT_FOUND for a folder or a bucket that is not there; in a bucket a folder without files is empty.
   */
  listBelow(folder: string, levels: number): Promise<readonly FolderEntry[]>;
  /** The current version. Throws SOURCE_NOT_FOUND. */
  stat(path: string): Promise<ObjectVersion>;
  /** Bytes [start, end) of the version `etag`. Throws SOURCE_CHANGED when the file is another one now. */
  read(path: string, start: number, end: number, etag: string): Promise<ArrayBuffer>;
  /**
   * Writes a whole file, which no reader ever sees in part, and returns its ETag. Throws CONTROL_CONFLICT when the
   * condition does not hold; of writers with conditions that exclude each other one wins.
   */
  put(path: string, bytes: Uint8Array, condition?: PutCondition): Promise<string>;
  /** Removes a file; one that is not there is no failure. */
  delete(path: string): Promise<void>;
  /** Removes what puts that were killed left in a folder, but not below it; a bucket has nothing of the kind. */
  removeLeftovers(folder: string): Promise<void>;
  /** Removes a folder that is empty; another stays, and one that is not there is no failure. A bucket has no folders. */
  removeFolder(folder: string): Promise<void>;
  /** Ends what is under way and lets go of connections. */
  close(): Promise<void>;
}

/** SOURCE_CHANGED: the file `changed` or `was removed` between two reads of it. */
export function changedWhileRead(path: string, what: "changed" | "was removed"): HeadgateError {
  return new HeadgateError(
    "SOURCE_CHANGED",
    `${path} ${what} while it was read; nothing of the old and the new version was mixed. Run the command again.`,
  );
}

/** CONTROL_CONFLICT: the condition of a put does not hold. */
export function putConflict(path: string, condition: PutCondition): HeadgateError {
  const why = "ifAbsent" in condition ? "is there already" : "is another version now";
  return new HeadgateError(
    "CONTROL_CONFLICT",
    `${path} ${why}: another process wrote it first. Read it and try again.`,
  );
}
