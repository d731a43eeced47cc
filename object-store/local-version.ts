/** Which version of a local file there is: its size and its time of change, in the finest steps that the system tells. */

import type { stat } from "node:fs/promises";
import { isGone, unreadable } from "./local-failure.ts";
import type { ObjectVersion } from "./object-version.ts";

/** The ETag of a file by what `stat` tells of it. */
export function localEtag(file: { readonly mtimeNs: bigint; readonly size: bigint }): string {
  return `${file.mtimeNs.toString(36)}-${file.size.toString(36)}`;
}

/** Undefined where there is no file. Throws SOURCE_DENIED and SOURCE_UNREACHABLE naming the path. */
export async function localVersion(
  calls: { readonly stat: typeof stat },
  path: string,
  absolute: string,
): Promise<ObjectVersion | undefined> {
  const found = await calls.stat(absolute, { bigint: true }).catch((cause: unknown) => {
    if (isGone(cause)) return undefined;
    throw unreadable(path, cause);
  });
  if (!found?.isFile()) return undefined;
  return { bytes: Number(found.size), etag: localEtag(found), lastModifiedMs: Number(found.mtimeMs) };
}
