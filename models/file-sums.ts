/** What a version's files are, to be compared: with what was deployed, and with what another gateway serves. */

import { createHash } from "node:crypto";
import { MODEL_FILE } from "./repository-layout.ts";
import type { WeightFile } from "./session.ts";

/** Size and SHA-256 (hexadecimal) of a file. */
export interface FileSum {
  readonly bytes: number;
  readonly sha256: string;
}

/** A version's files, each alone and all of them, the model first. */
export interface FileSums {
  readonly sha256: string;
  readonly modelBytes: number;
  /** By name. */
  readonly files: ReadonlyMap<string, FileSum>;
}

/** Sums up the files as they lie in the repository. */
export function sumsOf(content: Uint8Array, weights: readonly WeightFile[]): FileSums {
  const all = [{ name: MODEL_FILE, content }, ...weights];
  const files = new Map(
    all.map((one) => [one.name, { bytes: one.content.byteLength, sha256: sha256Of(one.content) }] as const),
  );
  const sha256 = weights.length === 0 ? files.get(MODEL_FILE)!.sha256 : sha256Of(...all.map((one) => one.content));
  return { sha256, modelBytes: all.reduce((bytes, one) => bytes + one.content.byteLength, 0), files };
}

/** The SHA-256 of files' bytes, one after the other, hexadecimal: how two gateways tell that they serve the same model. */
export function sha256Of(...files: readonly Uint8Array[]): string {
  const hash = createHash("sha256");
  for (const bytes of files) hash.update(bytes);
  return hash.digest("hex");
}
