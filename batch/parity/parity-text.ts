/** What a parity run found, as lines for people: a verdict a view, below it each cause and the command that shows it. */

import { count } from "../report.ts";
import type { CauseCount, RepairCounts, StandingFailure, ViewParity } from "./parity-result.ts";
import { percentNumber } from "./percent-text.ts";

/** A line with the verdict, one where another one counts, then two for each cause, and one for what a repair did. */
export function formatViewParity(view: ViewParity): string {
  const { error, repair } = view;
  const code = error === undefined ? "" : ` [${error.code}]`;
  const head = `${view.view}: ${view.verdict}. ${view.reason}${code}${sampleText(view)}`;
  const repaired = repair === undefined ? [] : [`  ${repairText(repair)}`];
  return [head, ...formatStanding(view), ...formatCauses(view.causes), ...repaired].join("\n");
}

/** That an earlier verdict of the view counts, and what may lift it: a line, indented, or none. */
export function formatStanding({
  view,
  standing_failure: failure,
}: Pick<ViewParity, "view" | "standing_failure">): readonly string[] {
  if (failure === undefined) return [];
  const { why, command, effect } = standingParts(view, failure);
  return [`  ${why} ${command} ${effect}`];
}

/** What is said of an earlier verdict that counts, in the parts that a line and a page set apart; `at` as it is to be read. */
export function standingParts(view: string, { at, reason }: Pick<StandingFailure, "at" | "reason">) {
  return {
    why: `The failing verdict of ${at} stays, as it is of all entities: ${reason}`,
    command: `headgate parity --views ${view} --sample 1`,
    effect: "looks at all of them again.",
  };
}

/** Of each cause what it is, and below it a command line that shows one of its entities; indented. */
export function formatCauses(causes: readonly CauseCount[]): readonly string[] {
  return causes.flatMap(({ cause, entities, shown_by, meaning }) => [
    `  ${cause} (${count(entities)}): ${meaning}`,
    `    ${shown_by}`,
  ]);
}

/** Of a view that was not looked at it would say nothing. */
function sampleText({ sample, checked, mismatch_rate_bound: bound }: ViewParity): string {
  if (sample === null || checked === 0) return "";
  return ` A sample of ${percentNumber(sample.share)}% (seed ${sample.seed}): with 95% confidence at most ${percentNumber(bound)}% of the entities in the files differ; rows that only the store has are not looked for in a sample.`;
}

function repairText(repair: RepairCounts): string {
  const { dry_run, written, replaced, left_newer, left_extra, overtaken } = repair;
  const left = [
    ...(left_newer > 0 ? [`; ${count(left_newer)} left alone, as what is stored was made later`] : []),
    ...(left_extra > 0 ? [`; ${count(left_extra)} left alone, as no file has them`] : []),
    ...(overtaken > 0 ? [`; ${count(overtaken)} left alone, as they were written meanwhile`] : []),
  ];
  const [wrote, put] = dry_run ? ["A repair would write", "replace"] : ["Repaired: wrote", "replaced"];
  const next = dry_run && written + replaced > 0 ? ". headgate parity --repair --yes does it" : "";
  return `${wrote} ${count(written)} that the files have newer, or alone, and ${put} ${count(replaced)} of the same times, or ahead of the clock${left.join("")}${next}.`;
}
