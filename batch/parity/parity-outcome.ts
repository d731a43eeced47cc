/** A view's parity as a step of a night: what the night's report keeps of it, and how it is told. */

import type { ViewOutcome } from "../night.ts";
import type { ViewParity } from "./parity-result.ts";
import { formatCauses, formatStanding } from "./parity-text.ts";

/** The outcome of a view, as slim as a line of a log should be; the run's report has the rest. */
export interface ParityViewOutcome
  extends ViewOutcome,
    Pick<ViewParity, "verdict" | "reason" | "compared" | "mismatch_rate" | "standing_failure"> {
  readonly causes: ViewParity["causes"];
}

/** What became of a view. A verdict that does not pass is PARITY_FAILED, which a second try would not change. */
export function parityOutcome(parity: ViewParity): ParityViewOutcome {
  const { view, verdict, reason, compared, mismatch_rate, causes, standing_failure } = parity;
  const told = {
    view,
    verdict,
    reason,
    compared,
    mismatch_rate,
    causes,
    ...(standing_failure && { standing_failure }),
  };
  if (verdict === "pass") return { ...told, status: "done" };
  return { ...told, status: "failed", error: parity.error ?? { code: "PARITY_FAILED", detail: reason } };
}

/** One line, one where another verdict counts, and two more for each cause. */
export function formatParityOutcome(outcome: ParityViewOutcome): string {
  const { view, verdict, reason, error, causes } = outcome;
  const code = error === undefined ? "" : ` [${error.code}]`;
  return [`${view}: parity ${verdict}. ${reason}${code}`, ...formatStanding(outcome), ...formatCauses(causes)].join(
    "\n",
  );
}
