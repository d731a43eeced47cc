/**
 * The parity that a manifest's `require_parity` asks for: every feature view that the model reads was held against its
 * source not longer ago than that, and passed. A model is only as right as what it is fed.
 */

import { HeadgateError } from "../errors.ts";
import { formatDuration } from "../features/duration.ts";
import type { ParityVerdict, ParityVerdicts } from "../features/parity-verdict.ts";
import type { Manifest } from "./manifest.ts";

/** Checks the views' verdicts; gives what was found in a sentence. Throws PARITY_REQUIRED naming the views. */
export function checkParity(
  { file, requireParityMs = Number.POSITIVE_INFINITY }: Manifest,
  views: readonly string[],
  verdicts: ParityVerdicts,
  nowMs: number,
): string {
  const failed: string[] = [];
  const lacking = views.flatMap((view) => {
    const verdict = verdicts.get(view);
    if (verdict === undefined) return [`${view} was never compared`];
    const at = new Date(verdict.at_ms).toISOString();
    if (verdict.verdict !== "pass") {
      failed.push(view);
      return [`${view}, compared at ${at}, failed (${verdict.reason.replace(/\.+$/, "")})`];
    }
    return nowMs - verdict.at_ms <= requireParityMs ? [] : [`${view} was compared at ${at}`];
  });
  if (lacking.length === 0) {
    return `${views.map((view) => `${view}${sampleText(verdicts.get(view)!)}`).join(", ")} ${views.length === 1 ? "has" : "have"} a passing verdict not older than ${formatDuration(requireParityMs)}`;
  }
  throw new HeadgateError(
    "PARITY_REQUIRED",
    `${file} asks for parity not older than ${formatDuration(requireParityMs)}: ${lacking.join("; ")}. ${nextStep(failed, verdicts)}`,
  );
}

/** What failed fails again until its rows are put right, and where all entities were looked at all must be again. */
function nextStep(failed: readonly string[], verdicts: ParityVerdicts): string {
  if (failed.length === 0) return "Run headgate parity and deploy again.";
  const isWhole = failed.some((view) => verdicts.get(view)!.sample === null);
  const all = isWhole ? ` --views ${failed.join(",")} --sample 1` : "";
  return `See in the parity report what differs in ${failed.join(", ")}, put it right (headgate parity${all} --repair, or load it again), run headgate parity${all} and deploy again.`;
}

/** Of a sample it is only a bound that is known, and that of the entities in the files alone. */
function sampleText({ sample, mismatch_rate_bound: bound }: ParityVerdict): string {
  if (sample === null) return "";
  const percent = (share: number) => `${Number((share * 100).toPrecision(3))}%`;
  return ` (of a sample of ${percent(sample.share)}: at most ${percent(bound)} of the entities in the files differ)`;
}
