/** A fingerprint: a short name for a definition or a schema by which two processes can tell whether they hold the same. */

import { createHash } from "node:crypto";

/** First 16 hex digits of SHA-256 over the JSON of a value. */
export function fingerprintOf(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("hex").slice(0, 16);
}
