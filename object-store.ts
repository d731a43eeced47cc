/**
 * Where source files live, and the model repository's: one store for local paths and for `s3://`. S3's client is
 * loaded at the first path that needs it, so that whoever has local files pays nothing for it.
 */

import { HeadgateError } from "./errors.ts";
import { openLocalFiles } from "./object-store/local-files.ts";
import type { FolderEntry, ObjectStore, ObjectVersion, PutCondition } from "./object-store/object-version.ts";
import { isS3Path } from "./object-store/path.ts";
import type { S3Limits } from "./object-store/s3-attempts.ts";

export type { FolderEntry, ObjectStore, ObjectVersion, PutCondition, S3Limits };

/** How files are reached. */
export interface ObjectStoreOptions {
  /** Where relative paths start. */
  readonly directory: string;
  readonly s3?: S3Limits;
  /** Ends at once what waits for S3, which then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Opens the files that are reachable from a directory, and S3 by what the environment says of it. */
export function openObjectStore(options: ObjectStoreOptions): ObjectStore {
  const files = openLocalFiles(options.directory);
  let s3: Promise<ObjectStore> | undefined;
  const storeOf = async (path: string): Promise<ObjectStore> => {
    refuseOtherSchemes(path);
    if (!isS3Path(path)) return files;
    s3 ??= import("./object-store/s3.ts").then(({ openS3 }) => openS3(options.s3, options.signal));
    return s3;
  };
  return Object.freeze({
    list: async (pattern: string) => (await storeOf(pattern)).list(pattern),
    listBelow: async (folder: string, levels: number) => (await storeOf(folder)).listBelow(folder, levels),
    stat: async (path: string) => (await storeOf(path)).stat(path),
    read: async (path: string, start: number, end: number, etag: string) =>
      (await storeOf(path)).read(path, start, end, etag),
    put: async (path: string, bytes: Uint8Array, condition?: PutCondition) =>
      (await storeOf(path)).put(path, bytes, condition),
    delete: async (path: string) => (await storeOf(path)).delete(path),
    removeLeftovers: async (folder: string) => (await storeOf(folder)).removeLeftovers(folder),
    removeFolder: async (folder: string) => (await storeOf(folder)).removeFolder(folder),
    close: async () => (await s3)?.close(),
  });
}

/** Spark's own names of S3. */
const SPARK_S3 = /^s3[an]$/i;

function refuseOtherSchemes(path: string): void {
  const scheme = /^([a-z][a-z0-9+.-]+):\/\//i.exec(path)?.[1];
  if (scheme === undefined || /^(?:file|s3)$/i.test(scheme)) return;
  const instead = SPARK_S3.test(scheme)
    ? `Write s3://${path.slice(path.indexOf("//") + 2)}.`
    : "Use s3://, or copy the files to a local folder and name that.";
  throw new HeadgateError("SOURCE_NOT_FOUND", `${path} can't be read: ${scheme}:// is not supported. ${instead}`);
}
