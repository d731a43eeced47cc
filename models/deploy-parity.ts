/**
 * The parity that a manifest's `require_parity` asks for: every feature view that the model reads was held against its
 * source not longer ago than that, and passed. A model is only as right as what it is fed.
 */

import { HeadgateError } from "../errors.ts";
import { formatDuration } from "../features/duration.ts";
import { isStandingFailure, type ParityVerdict, type ParityVerdicts } from "../features/parity-verdict.ts";
import type { Manifest } from "./manifest.ts";

/** Checks the views' verdicts; gives what was found in a sentence. Throws PARITY_REQUIRED naming the views. */
export function checkParity(
  { file, requireParityMs = Number.POSITIVE_INFINITY }: Manifest,
  views: readonly string[],
  verdicts: ParityVerdicts,
  nowMs: number,
): string {
  const isProven = (verdict: ParityVerdict | undefined) =>
    verdict?.verdict === "pass" && nowMs - verdict.at_ms <= requireParityMs;
  const lacking = views.filter((view) => !isProven(verdicts.get(view)));
  if (lacking.length === 0) {
    return `${views.map((view) => `${view}${sampleText(verdicts.get(view)!)}`).join(", ")} ${views.length === 1 ? "has" : "have"} a passing verdict not older than ${formatDuration(requireParityMs)}`;
  }
  throw new HeadgateError(
    "PARITY_REQUIRED",
    `${file} asks for parity not older than ${formatDuration(requireParityMs)}: ${lacking.map((view) => lackText(view, verdicts.get(view))).join("; ")}. ${nextStep(lacking, verdicts)}`,
  );
}

function lackText(view: string, verdict: ParityVerdict | undefined): string {
  if (verdict === undefined) return `${view} was never compared`;
  const at = new Date(verdict.at_ms).toISOString();
  return verdict.verdict === "pass"
    ? `${view} was compared at ${at}`
    : `${view}, compared at ${at}, failed (${verdict.reason.replace(/\.+$/, "")})`;
}

/** What failed fails again until its rows are put right, and where all entities were looked at all must be again. */
function nextStep(lacking: readonly string[], verdicts: ParityVerdicts): string {
  const failed = lacking.filter((view) => verdicts.has(view) && verdicts.get(view)!.verdict !== "pass");
  if (failed.length === 0) return "Run headgate parity and deploy again.";
  const isWhole = failed.some((view) => isStandingFailure(verdicts.get(view)!));
  const all = (views: readonly string[]) => (isWhole ? ` --views ${views.join(",")} --sample 1` : "");
  return `See in the parity report what differs in ${failed.join(", ")}, put it right (headgate parity${all(failed)} --repair, or load it again), run headgate parity${all(lacking)} and deploy again.`;
}

/** Of a sample it is only a bound that is known, and that of the entities in the files alone. */
function sampleText({ sample, mismatch_rate_bound: bound }: ParityVerdict): string {
  if (sample === null) return "";
  const percent = (share: number) => `${Number((share * 100).toPrecision(3))}%`;
  return ` (of a sample of ${percent(sample.share)}: at most ${percent(bound)} of the entities in the files differ)`;
}
