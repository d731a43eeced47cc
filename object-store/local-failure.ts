/**
 * What the file system's failures mean: that a file is gone, that it may not be read or written, or that it can't be
 * for now. Only the first may pass in silence: what is there and was not read must not look as if it were not there.
 */

import { HeadgateError, reasonOf } from "../errors.ts";

/** ESTALE: gone from a network's file system; the others are of names that no file can have. */
const GONE = /^(?:ENOENT|ENOTDIR|ESTALE|ENAMETOOLONG|ERR_INVALID_ARG_VALUE)$/;
const DENIED = /^(?:EACCES|EPERM|EROFS)$/;

/** True when there is no such file or folder, or no more. */
export function isGone(cause: unknown): boolean {
  return GONE.test(codeOf(cause));
}

/** A file or folder that is there and could not be read: SOURCE_DENIED, or SOURCE_UNREACHABLE for what may pass. */
export function unreadable(path: string, cause: unknown): HeadgateError {
  const reason = reasonOf(cause);
  if (!DENIED.test(codeOf(cause))) {
    const next = "Check the disk or its mount, and how many files may be open.";
    return new HeadgateError("SOURCE_UNREACHABLE", `${path} can't be read: ${reason}. ${next}`, cause);
  }
  const next = "Let this process's user read it; a folder must let it in, too.";
  return new HeadgateError("SOURCE_DENIED", `${path} can't be read: ${reason}. ${next}`, cause);
}

/** Runs what writes; rights that a folder lacks become SOURCE_DENIED. */
export async function denials<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (!DENIED.test(codeOf(cause))) throw cause;
    throw new HeadgateError("SOURCE_DENIED", `${path} can't be written: ${reasonOf(cause)}.`, cause);
  }
}

function codeOf(cause: unknown): string {
  return (cause as NodeJS.ErrnoException | undefined)?.code ?? "";
}
