/** `headgate parity --served`: what was served, by the served log, against what the files say was known then. */

import { parseInstantUs } from "../batch/interval.ts";
import { formatServedParity } from "../batch/parity/served-format.ts";
import { servedParity } from "../batch/parity/served-parity.ts";
import { progressWriter } from "../batch/progress.ts";
import { HeadgateError } from "../errors.ts";
import type { JsonValue } from "../features/json-value.ts";
import { formatTimestampUs } from "../features/timestamp.ts";
import { openObjectStore } from "../object-store.ts";
import { answer, type CommandContext, EXIT, type OpenedProject } from "./command.ts";

/** Options as the command line has them: when it was served, from the first on and before the second. */
export interface ServedParityFlags {
  readonly from?: string;
  readonly to?: string;
}

/** What is compared unless --from says otherwise, µs: a day. */
const DEFAULT_SPAN_US = 86_400_000_000;

/**
 * Compares and prints. 0: it passes; 1: a feature differs too often, too little was compared, or too much of the log can't
 * be read. Throws CONFIG_INVALID where there is no log, and the signal's reason.
 */
export async function runServedParity(
  context: CommandContext,
  project: Pick<OpenedProject, "config" | "registry">,
  flags: ServedParityFlags,
  signal: AbortSignal,
): Promise<number> {
  const { config, registry } = project;
  const interval = intervalOf(flags, context.now());
  if (config.servedLog === "") {
    const next = "Set servedLog (HEADGATE_SERVED_LOG) to the folder that the gateways write to.";
    throw new HeadgateError("CONFIG_INVALID", `There is no served log to compare. ${next}`);
  }
  const objects = openObjectStore({ directory: config.projectDirectory, signal });
  try {
    const report = await servedParity({
      registry,
      objects,
      folder: config.servedLog,
      interval,
      maxVectors: config.servedParityRows,
      maxMismatchShare: config.servedParityMaxMismatch,
      minCompared: config.parityMinCompared,
      maxFutureMs: config.maxFuture,
      onlineStoreLayout: config.onlineStoreLayout,
      now: context.now,
      onProgress: progressWriter(context.json ? "silent" : context.stderr, context.now),
      signal,
    });
    answer(context, report as unknown as JsonValue, formatServedParity(report));
    return report.ok ? EXIT.done : EXIT.failed;
  } finally {
    await objects.close();
  }
}

function intervalOf({ from, to }: ServedParityFlags, nowMs: number) {
  const endUs = parseInstantUs(to ?? "now", "--to", nowMs);
  const startUs = from === undefined ? endUs - DEFAULT_SPAN_US : parseInstantUs(from, "--from", nowMs);
  if (startUs < endUs) return { startUs, endUs };
  const why = `--from ${formatTimestampUs(startUs)} is not before --to ${formatTimestampUs(endUs)}`;
  throw new HeadgateError("INTERVAL_INVALID", `${why}; give the earlier time first.`);
}
