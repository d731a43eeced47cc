/**
 * Checksums of what is being deployed, taken in slices: hashing a model of a gigabyte at once would hold the event loop,
 * and every prediction with it, for a second.
 */

import { createHash } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import type { DeployFile } from "./deploy-graph.ts";
import type { FileSum } from "./file-sums.ts";

/** Bytes that are hashed before others have their turn, half a millisecond's worth. */
const SLICE_BYTES = 1_048_576;

/** Size and SHA-256 of each file, by its name. */
export async function gradualSums(files: readonly DeployFile[]): Promise<ReadonlyMap<string, FileSum>> {
  const sums = new Map<string, FileSum>();
  for (const { name, bytes } of files) {
    const hash = createHash("sha256");
    for (let start = 0; start < bytes.length; start += SLICE_BYTES) {
      hash.update(bytes.subarray(start, start + SLICE_BYTES));
      await setImmediate();
    }
    sums.set(name, { bytes: bytes.length, sha256: hash.digest("hex") });
  }
  return sums;
}
