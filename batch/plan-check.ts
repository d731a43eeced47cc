/**
 * What a plan is about to load, held against the project's suite (view-suite.ts), before a row is written: rows that are
 * wrong by the thousand are better not served at all than served till somebody notices.
 */

import { HeadgateError } from "../errors.ts";
import type { ValidationResult } from "./expectations/validation-result.ts";
import type { ViewPlan } from "./view-plan.ts";
import type { ViewLoadOptions } from "./view-run.ts";
import { criticalFailure } from "./view-suite.ts";

/**
 * Runs the suite where there is one and something to load; warnings for what is not met and is not critical. Throws
 * SUITE_INVALID, EXPECTATIONS_FAILED, and what reading throws.
 */
export async function checkPlan(options: ViewLoadOptions, plan: ViewPlan): Promise<readonly string[]> {
  const { loadedView: view, encoder, rangeRows, run, now } = options;
  const suite = await options.readSuite();
  const files = plan.files.flatMap(({ path, version, work }) =>
    work === undefined || work.summary.rowsToRead === 0 ? [] : [{ path, version, interval: boundsOf(work.interval) }],
  );
  if (suite === undefined || files.length === 0) return [];
  const names = { runTime: new Date(now()).toISOString(), runName: run, assetName: view.name };
  const result = await encoder.check({ view, files, rangeRows, suite, names });
  const failure = criticalFailure(result);
  if (failure === undefined) return warningsOf(result);
  throw new HeadgateError(
    "EXPECTATIONS_FAILED",
    `Feature view "${view.name}": ${failure} Nothing was written; mend the files, or the suite.`,
  );
}

/** A range of a run is more than an interval; a thread is told no more than it needs. */
function boundsOf({ startUs, endUs }: { readonly startUs: number; readonly endUs: number }) {
  return { startUs, endUs };
}

function warningsOf({ suite_name, success, statistics }: ValidationResult): readonly string[] {
  const { unsuccessful_expectations: unmet, evaluated_expectations: all } = statistics;
  return success ? [] : [`Suite "${suite_name}": ${unmet} of ${all} expectations are not met, none of them critical.`];
}
