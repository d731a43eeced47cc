/**
 * Why the two sides of an entity differ, as far as the rows and the records of the loads can tell. Each rule asks for
 * evidence of its own; the first that has it names the cause, the more particular ones first.
 */

import { STATUS } from "../../features/feature-status.ts";
import { readRowHeader } from "../../features/row-codec.ts";
import { compareRows, isOfFeast, isTombstone, readRowOrder } from "../../features/row-order.ts";
import { isNarrowed } from "./narrowed-value.ts";
import { isSkewed, type OfflineRow, type PairVerdict, type ParityPair } from "./parity-pair.ts";
import type { ParityCause } from "./parity-result.ts";

/** A file as the view's checkpoint knows it. */
export interface FileRecord {
  /** Every row whose event is before this was loaded, µs; undefined when this version of the file never was. */
  readonly loadedThroughUs: number | undefined;
  readonly modifiedUs: number;
}

/** What is known besides the rows. */
export interface CauseEvidence {
  readonly files: readonly FileRecord[];
  /** When the last materialization that was done had begun, µs: it knows of no file that came later. */
  readonly loadStartedUs: number;
  /** The schema and the generation that rows are written under today. */
  readonly schemaId: number;
  readonly generation: number;
  readonly maxFutureUs: number;
}

/** The cause of a mismatch. */
export function causeOf(pair: ParityPair, verdict: PairVerdict, evidence: CauseEvidence): ParityCause {
  switch (verdict.outcome) {
    case "different":
      if (verdict.isCompared) return causeOfDifference(pair, verdict, evidence);
      break;
    case "stale":
    case "missing":
      return causeOfAbsence(pair, verdict, evidence);
    default:
  }
  // A row that no file has. One that a stream, a later load or Feast brought is no mismatch: a load brought it from a file.
  if (isSkewed(pair, verdict, evidence)) return "clock_skew";
  return isOfOtherDefinition(pair.stored, evidence) ? "other_fingerprint" : "withdrawn_row";
}

/** Values differ in rows of the same event. */
function causeOfDifference(pair: ParityPair, verdict: PairVerdict, evidence: CauseEvidence): ParityCause {
  const { differing } = verdict;
  const { stored, served, offline } = pair;
  const all = (isSo: (online: (typeof served.values)[number], offline: (typeof served.values)[number]) => boolean) =>
    differing.every((i) => isSo(served.values[i]!, pair.offline!.values[i]!));
  if (isOfFeast(readRowOrder(stored!))) return "written_by_feast";
  if (isOfOtherSchema(stored, evidence)) return "other_fingerprint";
  if (all((online, offline) => (online === null) !== (offline === null))) return "null_for_missing";
  if (all(isNarrowed)) return "type_narrowing";
  if (isSkewed(pair, verdict, evidence)) return "clock_skew";
  const created = (row: Uint8Array) => readRowOrder(row).createdTimestampUs;
  if (created(stored!) !== created(offline!.bytes)) return "created_tie";
  const isLate = arrivalOf(offline!, evidence) === "late";
  if (isLate && compareRows(offline!.bytes, stored!) > 0) return "late_event";
  if (isOfOtherDefinition(stored, evidence)) return "other_fingerprint";
  return isLate || isRewrittenSince(stored!, offline!, evidence) ? "rewritten_file" : "unknown";
}

/** The file is younger than the row that was loaded of it, or of another. */
function isRewrittenSince(stored: Uint8Array, { file }: OfflineRow, { files }: CauseEvidence): boolean {
  return files[file]!.modifiedUs > readRowHeader(stored).writtenAtMs * 1_000;
}

/** The row of the files is not there: an older one is, or none that is served. */
function causeOfAbsence(pair: ParityPair, verdict: PairVerdict, evidence: CauseEvidence): ParityCause {
  const { stored, served, offline } = pair;
  const { status } = served.views[0]!;
  // What is stored can't be read by today's definition, or was deleted.
  const isUnreadable = status === STATUS.NOT_FOUND && stored !== undefined && !isTombstone(stored);
  if (isUnreadable) return "other_fingerprint";
  if (isSkewed(pair, verdict, evidence)) return "clock_skew";
  const arrival = arrivalOf(offline!, evidence);
  if (arrival === "late") return "late_event";
  if (arrival === "missed") return "missed_interval";
  if (stored !== undefined && isOfFeast(readRowOrder(stored))) return "written_by_feast";
  if (isOfOtherDefinition(stored, evidence)) return "other_fingerprint";
  const isGone = stored === undefined || status === STATUS.OUTSIDE_MAX_AGE;
  return isGone ? "expired" : "unknown";
}

function isOfOtherSchema(stored: Uint8Array | undefined, { schemaId }: CauseEvidence): boolean {
  return stored !== undefined && !isTombstone(stored) && readRowHeader(stored).schemaId !== schemaId;
}

/** Its values may have been made of other columns, though their types are today's. */
function isOfOtherDefinition(stored: Uint8Array | undefined, evidence: CauseEvidence): boolean {
  if (stored === undefined || isTombstone(stored)) return false;
  return isOfOtherSchema(stored, evidence) || readRowOrder(stored).generation !== evidence.generation;
}

/** Whether a row's file was read since it was there: "late" when it came after the last load had begun, "missed" when before. */
function arrivalOf(offline: OfflineRow, { files, loadStartedUs }: CauseEvidence): "loaded" | "late" | "missed" {
  const { loadedThroughUs, modifiedUs } = files[offline.file]!;
  if (loadedThroughUs !== undefined) return offline.eventTimestampUs < loadedThroughUs ? "loaded" : "missed";
  return modifiedUs > loadStartedUs || readRowOrder(offline.bytes).createdTimestampUs > loadStartedUs
    ? "late"
    : "missed";
}

/** What each cause means and what mends it, in a sentence. */
export const CAUSE_MEANING: Readonly<Record<ParityCause, string>> = Object.freeze({
  late_event:
    "The file came, or was written anew, after the last materialization had begun; headgate materialize-incremental now loads it.",
  missed_interval:
    "The row was there and lies outside of what was materialized of its file; run headgate materialize over its event time.",
  null_for_missing:
    "One side has null where the other has a value: a writer put null, or a default, for a feature that it did not have; mend that writer, then run headgate parity --repair.",
  type_narrowing:
    "The online value is the offline one squeezed through float32, int32 or a double; let the writer carry the declared type, then run headgate parity --repair.",
  expired:
    "The row was loaded and is gone, or shadowed by one beyond the ttl: it expired under a shorter ttl, was evicted, or was lost by the store; headgate parity --repair puts it back.",
  created_tie:
    "Both sides have the event, made at different times: the source corrected or repeated it; where the files' row is the later, run headgate materialize over its event time, or headgate parity --repair; where the stored one is, bring the correction into the files.",
  rewritten_file:
    "The file has other values under the same event and created timestamps as before, and no load replaces a row by one of the same age; give corrections a later created timestamp, or run headgate parity --repair, which puts the files' row in its place.",
  withdrawn_row:
    "A load brought the row from a file that has it no more: the file was written anew without it, or taken away. Where files were written since, run headgate materialize-incremental now; what else no file has, as an entity that dropped out of a snapshot, is served until the view's ttl is over, and no load or repair takes it away: delete it by POST /features/{view}/rows or the view's stream, or keep the entity in the file, with nulls.",
  other_fingerprint:
    "The stored row was written under another schema or definition than today's; run headgate materialize over its event time, or headgate parity --repair.",
  written_by_feast:
    "Feast itself wrote the stored row, with other values for the same event or over a later one (skip_dedup); headgate parity --repair puts the files' row in its place. Load the view by Feast or by Headgate, or Feast's next load may do it again.",
  clock_skew:
    "The stored row, or delete, was dated ahead of the clock and shadows every row until then; mend the source's clock, then run headgate parity --repair, which puts the files' row in its place.",
  unknown:
    "The rows and the records of the loads do not tell; look at the row's origin. headgate parity --repair puts the files' row in its place.",
});
