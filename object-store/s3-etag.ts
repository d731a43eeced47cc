/**
 * ETags of S3, between the header and a version. A strong one is kept without the quotes that go around it; a weak one
 * (`W/"…"`, as proxies make of a strong one) whole, since it can't be a condition of a read: a server must answer as if
 * it never matched. It is compared with the answer's own instead, which is of the version that was read all the same.
 */

import { HeadgateError } from "../errors.ts";
import type { PutCondition } from "./object-version.ts";

/** The version that a header tells of. Throws SOURCE_UNSUPPORTED where it tells none: a change would go unnoticed. */
export function etagOf(path: string, header: string | undefined): string {
  const etag = (header ?? "").replace(/^"(.*)"$/, "$1");
  if (etag !== "") return etag;
  throw new HeadgateError(
    "SOURCE_UNSUPPORTED",
    `S3 gives no ETag for ${path}, so a change of it while it is read would go unnoticed. Where it was put beside S3, as a file into its folder, put the file through the S3 API.`,
  );
}

/** The condition of a read of this version; the answer's own ETag is to be looked at as well. */
export function readCondition(etag: string): { readonly IfMatch?: string } {
  return isWeak(etag) ? {} : { IfMatch: quoted(etag) };
}

/** The condition of a put. */
export function writeCondition(condition: PutCondition | undefined): {
  readonly IfNoneMatch?: string;
  readonly IfMatch?: string;
} {
  if (condition === undefined) return {};
  return "ifAbsent" in condition ? { IfNoneMatch: "*" } : { IfMatch: quoted(condition.ifMatch) };
}

function isWeak(etag: string): boolean {
  return etag.startsWith("W/");
}

function quoted(etag: string): string {
  return isWeak(etag) ? etag : `"${etag}"`;
}
