/** Versions of a project's models, put as an operator puts them: whole at once, by a rename, while a gateway serves. */

import { cpSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { BenchProject } from "./project.ts";
import type { ServerUnderTest } from "./server-under-test.ts";

/** A model of some 20 ms a row, see models/fixtures/zoo_slow.py: a chain of 300 products, of which each takes the same. */
export const SLOW_MODEL = fileURLToPath(new URL("../models/fixtures/slow/slow.onnx", import.meta.url));
/** How long after it is put a version may take to serve, ms. */
const SERVES_WITHIN_MS = 30_000;
const LOOK_PAUSE_MS = 100;

/** The manifest of the slow model, which takes what the example's model takes. */
export function slowManifest({ directory }: BenchProject): string {
  const text = readFileSync(join(directory, "models/churn/model.json"), "utf8");
  const { inputs } = JSON.parse(text) as { readonly inputs: { readonly input: readonly string[] } };
  return JSON.stringify({ service: "churn_v1", inputs: { X: inputs.input }, outputs: { mean: "Y" }, max_batch: 1 });
}

/** Puts a version of a model, a copy of the file. */
export function putVersion({ directory }: BenchProject, model: string, version: number, file: string): void {
  const hidden = join(directory, `${model}-${version}`);
  mkdirSync(hidden);
  cpSync(file, join(hidden, "model.onnx"));
  renameSync(hidden, join(directory, "models", model, String(version)));
}

/** Waits until the example's model serves by a version. Rejects when it does not within half a minute. */
export async function servesVersion({ url }: ServerUnderTest, version: number): Promise<void> {
  let stable: number | undefined;
  for (const untilMs = performance.now() + SERVES_WITHIN_MS; stable !== version; ) {
    if (performance.now() > untilMs) throw new Error(`Version ${version} does not serve, ${stable} does.`);
    await pause(LOOK_PAUSE_MS);
    const model = (await (await fetch(`${url}/models/churn`)).json()) as { stable: { version: number } | null };
    stable = model.stable?.version;
  }
}
