/**
 * What a plan is about to load, held against the project's suite (view-suite.ts), before a row is written: rows that are
 * wrong by the thousand are better not served at all than served till somebody notices.
 */

import { HeadgateError } from "../errors.ts";
import type { ValidationResult } from "./expectations/validation-result.ts";
import type { FileCheck } from "./file-check.ts";
import type { ViewPlan } from "./view-plan.ts";
import type { ViewLoadOptions } from "./view-run.ts";
import { criticalFailure, unmetText } from "./view-suite.ts";

/**
 * Runs the suite where there is one and something to load; warnings for what is not met and is not critical. Throws
 * SUITE_INVALID, EXPECTATIONS_FAILED, and what reading throws.
 */
export async function checkPlan(options: ViewLoadOptions, plan: ViewPlan): Promise<readonly string[]> {
  const works = plan.files.flatMap(({ path, version, work }) => (work === undefined ? [] : [{ path, version, work }]));
  if (works.length === 0) return [];
  // A new file without a row is not opened again, and is a batch of no rows to the suite.
  const files = works
    .filter(({ work }) => work.summary.rowsToRead > 0)
    .map(({ path, version, work }) => ({ path, version, interval: boundsOf(work.interval) }));
  const result = await runFileSuite(options, files);
  if (result === undefined) return [];
  const failure = criticalFailure(result);
  if (failure === undefined) return warningsOf(result);
  const view = options.loadedView;
  throw new HeadgateError(
    "EXPECTATIONS_FAILED",
    `Feature view "${view.name}": ${failure} Nothing was written; mend the files, or the suite.`,
  );
}

/** Whose rows are checked, by what. */
export type FileSuiteOptions = Pick<
  ViewLoadOptions,
  "loadedView" | "encoder" | "rangeRows" | "run" | "now" | "readSuite"
>;

/** Runs the project's suite over the rows of files; undefined where it has none. Throws SUITE_INVALID, and what reading throws. */
export async function runFileSuite(
  { loadedView: view, encoder, rangeRows, run, now, readSuite }: FileSuiteOptions,
  files: FileCheck["files"],
): Promise<ValidationResult | undefined> {
  const suite = await readSuite();
  if (suite === undefined) return undefined;
  const names = { runTime: new Date(now()).toISOString(), runName: run, assetName: view.name };
  return encoder.check({ view, files, rangeRows, suite, names });
}

/** A range of a run is more than an interval; a thread is told no more than it needs. */
function boundsOf({ startUs, endUs }: { readonly startUs: number; readonly endUs: number }) {
  return { startUs, endUs };
}

function warningsOf(result: ValidationResult): readonly string[] {
  const { unsuccessful_expectations: unmet, evaluated_expectations: all } = result.statistics;
  const first = result.results.find(({ success }) => !success);
  if (first === undefined) return [];
  return [
    `Suite "${result.suite_name}": ${unmet} of ${all} expectations are not met, none of them critical; the first is ${unmetText(first)}.`,
  ];
}
