/** From counts to a verdict, and to the sentence that says why. */

import { count, rows } from "../report.ts";
import { upperRateBound } from "./confidence-bound.ts";
import type { ParityOutcome, ViewParity } from "./parity-result.ts";
import type { ViewParityOptions } from "./parity-run.ts";
import type { ViewTally } from "./parity-tally.ts";

/** A view that nothing was counted of. */
export function unjudgedView(
  { view, sample }: Pick<ViewParityOptions, "view" | "sample">,
  verdict: "fail" | "error",
  reason: string,
): ViewParity {
  return {
    ...{ view: view.name, verdict, reason },
    materialized_to: null,
    ...{ rows_bad: 0, offline_entities: 0, checked: 0, compared: 0 },
    outcomes: { match: 0, newer: 0, different: 0, stale: 0, missing: 0, extra: 0 },
    mismatch_rate: 0,
    mismatch_rate_bound: 1,
    sample: sample ?? null,
    ...{ causes: [], features: [], freshness_seconds: null, examples: [] },
    seconds: 0,
  };
}

/** What was read, and what of it besides the pairs. */
export interface ComparedFiles {
  /** The interval's end, RFC 3339. */
  readonly materializedTo: string;
  readonly rowsBad: number;
}

/** A view whose pairs were counted. Each of `failures`, a sentence, fails it besides. */
export function settledView(
  { view, sample, settings }: Pick<ViewParityOptions, "view" | "sample" | "settings">,
  tally: ViewTally,
  { materializedTo, rowsBad }: ComparedFiles,
  failures: readonly string[] = [],
): ViewParity {
  const { outcomes, checked } = tally;
  const mismatches = MISMATCHES.reduce((sum, outcome) => sum + outcomes[outcome], 0);
  const rate = checked === 0 ? 0 : mismatches / checked;
  const isEnough = tally.compared >= settings.parityMinCompared;
  const passes = isEnough && rate <= settings.parityMaxMismatch && failures.length === 0;
  const reason = isEnough
    ? differenceReason(tally, mismatches)
    : `Only ${count(tally.compared)} of ${entities(checked)} could be compared, fewer than parityMinCompared (${count(settings.parityMinCompared)}): a parity that compares next to nothing proves nothing.`;
  return {
    view: view.name,
    verdict: passes ? "pass" : "fail",
    reason: [reason, ...badReason(rowsBad), ...failures].join(" "),
    materialized_to: materializedTo,
    rows_bad: rowsBad,
    ...tally,
    mismatch_rate: rate,
    mismatch_rate_bound: sample === undefined ? rate : upperRateBound(mismatches, checked),
    sample: sample ?? null,
    seconds: 0,
  };
}

function badReason(rowsBad: number): readonly string[] {
  return rowsBad === 0 ? [] : [`${rows(rowsBad)} of the files could not be taken.`];
}

const MISMATCHES = ["different", "stale", "missing", "extra"] as const satisfies readonly ParityOutcome[];

/** "1 entity", "2,000 entities": each has one row here, whatever number of rows a load read or wrote of it. */
function entities(value: number): string {
  return value === 1 ? "1 entity" : `${count(value)} entities`;
}

function differenceReason({ outcomes, checked, compared }: ViewTally, mismatches: number): string {
  const newer = outcomes.newer === 0 ? "" : `; ${count(outcomes.newer)} came since`;
  if (mismatches === 0) return `${entities(compared)} compared by the latest row of each, all equal${newer}.`;
  const parts = MISMATCHES.filter((outcome) => outcomes[outcome] > 0);
  const told = parts.map((outcome) => `${count(outcomes[outcome])} ${outcome}`).join(", ");
  return `${count(mismatches)} of ${entities(checked)} differ (${told})${newer}.`;
}
