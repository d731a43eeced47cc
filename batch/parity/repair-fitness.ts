/**
 * Whether a view's files are fit to be written by a repair. It writes what a load would, so it is refused what a load is:
 * files that a critical expectation of the project's suite does not hold for, and more bad rows than maxBadRows. As with a
 * load it is the files that the checkpoint doesn't know that are looked at; those that it knows were taken once.
 */

import { HeadgateError } from "../../errors.ts";
import { runFileSuite } from "../plan-check.ts";
import { checkBadRows } from "../row-flow.ts";
import { criticalFailure } from "../view-suite.ts";
import type { BadRowCounts, OfflineFiles } from "./offline-rows.ts";
import type { ViewParityOptions } from "./parity-run.ts";

/** Why no repair is made, by the project's suite, in a sentence; undefined where it is met. Throws what runFileSuite throws. */
export async function unfitBySuite(
  options: ViewParityOptions,
  { files, records }: OfflineFiles,
  endUs: number,
): Promise<string | undefined> {
  const unknown = files.filter((_, i) => records[i]!.loadedThroughUs === undefined);
  if (unknown.length === 0) return undefined;
  // The interval that a load would have: all of the file.
  const interval = { startUs: Number.NEGATIVE_INFINITY, endUs };
  const result = await runFileSuite(
    options,
    unknown.map((file) => ({ ...file, interval })),
  );
  const failure = result && criticalFailure(result);
  return failure && refused(failure);
}

/** Why no repair is made, by the rows that could not be taken, in a sentence; undefined where they are few enough. */
export function unfitByBadRows(options: ViewParityOptions, counts: BadRowCounts): string | undefined {
  try {
    checkBadRows(options, counts, counts.rows_read - counts.rows_outside);
    return undefined;
  } catch (cause) {
    if (cause instanceof HeadgateError) return refused(cause.message);
    throw cause;
  }
}

function refused(why: string): string {
  return `Nothing is repaired, since a load would refuse the files, too: ${why}`;
}
