/**
 * A served row beside the offline row of that moment, and what became of it. The reader's rules hold on both sides: a row
 * that was too old then is as good as absent. What the offline history could not know, because the row was streamed or
 * came to the files later, is no skew and is told apart.
 */

import { STATUS } from "../../features/feature-status.ts";
import { readEventTimestampUs } from "../../features/row-order.ts";
import type { JoinedRow } from "./served-history.ts";
import type { ServedOutcome } from "./served-result.ts";

/** What is to be compared: the values of both sides, or that one side has none; or why nothing is. */
export type ServedComparison = Exclude<ServedOutcome, "match">;

/** What a joined row is; "different" says no more than that the values are to be compared. `firstEventUs`: of the files. */
export function comparisonOf({ served, offline, isOffline }: JoinedRow, firstEventUs: number): ServedComparison {
  const offlineUs = offline === undefined ? undefined : readEventTimestampUs(offline);
  const servedUs = served.eventTimestampUs;
  const isServed = served.status === STATUS.PRESENT;
  const isFresh = offlineUs !== undefined && served.request.servedAtUs - offlineUs <= served.maxAgeUs;
  if (!isServed && !isFresh) return "absent";
  if (servedUs === undefined) return "missing";
  if (offlineUs !== undefined && offlineUs >= servedUs) return offlineUs > servedUs ? "stale" : "different";
  if (isOffline) return "offline_later";
  return firstEventUs > servedUs ? "no_history" : "newer";
}
