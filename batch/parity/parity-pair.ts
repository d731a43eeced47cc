/**
 * Both sides of an entity, and what became of it. The rules are the reader's own: what it would not serve, because it is
 * too old or deleted, is as good as absent, on either side; and of values only equal bits are equal.
 */

import { STATUS } from "../../features/feature-status.ts";
import type { FeatureVector } from "../../features/feature-vector.ts";
import type { FeatureValue } from "../../features/field.ts";
import { readRowHeader } from "../../features/row-codec.ts";
import {
  compareRows,
  isOfFeast,
  isTombstone,
  readEventTimestampUs,
  readRowOrder,
  SOURCE_RANK,
} from "../../features/row-order.ts";
import type { ParityOutcome } from "./parity-result.ts";

/** The latest row of an entity in the files. */
export interface OfflineRow {
  /** As a materialization would write it. */
  readonly bytes: Uint8Array;
  /** Its file's place among the view's. */
  readonly file: number;
  readonly eventTimestampUs: number;
  /** In the order of the view's schema. */
  readonly values: readonly FeatureValue[];
}

/** An entity. */
export interface ParityPair {
  /** The entity key. */
  readonly key: string;
  /** Undefined when no file has it. */
  readonly offline: OfflineRow | undefined;
  /** What the store holds, a tombstone included; undefined when nothing. */
  readonly stored: Uint8Array | undefined;
  /** What the reader makes of it, in the order of the view's schema. */
  readonly served: FeatureVector;
}

/** What became of a pair. */
export interface PairVerdict {
  readonly outcome: ParityOutcome;
  /** True when values were held against each other. */
  readonly isCompared: boolean;
  /** Places of the features whose values differ; empty unless values were compared. */
  readonly differing: readonly number[];
}

/** What a verdict depends on besides the rows. */
export interface PairRules {
  /** The view's ttl, µs; Infinity without one. */
  readonly maxAgeUs: number;
  /** The end of the interval that is compared, µs. */
  readonly endUs: number;
  /** How far ahead of its writing a row may be dated, µs; past that a clock was wrong. */
  readonly maxFutureUs: number;
  /** When the last materialization was done, ms: what a file's row was written after it is of a load to come. */
  readonly loadedAtMs: number;
}

type StoredHeader = ReturnType<typeof readRowHeader>;

const verdict = (outcome: ParityOutcome, isCompared = false, differing: readonly number[] = []): PairVerdict =>
  Object.freeze({ outcome, isCompared, differing });

const MATCH = verdict("match");
const EQUAL = verdict("match", true);
const NEWER = verdict("newer");
const STALE = verdict("stale");
const MISSING = verdict("missing");
const EXTRA = verdict("extra");
const PINNED = verdict("different");

/** The verdict at a time; undefined for an entity that neither side serves and no file has. */
export function verdictOf(pair: ParityPair, rules: PairRules, nowMs: number): PairVerdict | undefined {
  const { offline, stored, served } = pair;
  const { status, eventTimestampUs } = served.views[0]!;
  if (offline === undefined) return status === STATUS.PRESENT ? verdictOfExtra(stored!, rules, nowMs) : undefined;
  const isTooOld = nowMs * 1_000 - offline.eventTimestampUs > rules.maxAgeUs;
  if (eventTimestampUs === undefined) {
    if (isDeletedSince(stored, offline) && !isAheadOfNow(readEventTimestampUs(stored!), rules, nowMs)) return NEWER;
    return isTooOld ? MATCH : MISSING;
  }
  if (eventTimestampUs > offline.eventTimestampUs) {
    if (isBroughtSince(stored!, rules, nowMs)) return NEWER;
    return status === STATUS.PRESENT ? PINNED : MATCH;
  }
  if (eventTimestampUs < offline.eventTimestampUs) return isTooOld ? MATCH : STALE;
  if (status !== STATUS.PRESENT) return MATCH;
  const found = compared(served.values, offline.values);
  // A correction of the event that was loaded meanwhile.
  const isCorrected =
    found !== EQUAL && isLoadedSince(readRowHeader(stored!), rules) && compareRows(stored!, offline.bytes) > 0;
  return isCorrected ? NEWER : found;
}

function verdictOfExtra(stored: Uint8Array, rules: PairRules, nowMs: number): PairVerdict {
  return isBroughtSince(stored, rules, nowMs) ? NEWER : EXTRA;
}

/** True for a mismatch whose stored row, or delete, is dated ahead of the clock: it shadows all rows until then. */
export function isSkewed(
  { stored, offline }: ParityPair,
  { outcome, isCompared }: PairVerdict,
  rules: Pick<PairRules, "maxFutureUs">,
): boolean {
  if (stored === undefined) return false;
  // Any other row of Feast's that is newer is no mismatch.
  if (isOfFeast(readRowOrder(stored))) return outcome === "extra" || (outcome === "different" && !isCompared);
  if (!isTombstone(stored)) return outcome !== "stale" && isDatedAhead(readRowHeader(stored), rules);
  // Any other delete that is newer is no mismatch.
  return outcome === "missing" && isDeletedSince(stored, offline!);
}

/** For a delete and a row of Feast's, which don't say when they were written. */
function isAheadOfNow(eventTimestampUs: number, { maxFutureUs }: PairRules, nowMs: number): boolean {
  return eventTimestampUs > nowMs * 1_000 + maxFutureUs;
}

function isDeletedSince(stored: Uint8Array | undefined, { bytes }: OfflineRow): boolean {
  return stored !== undefined && isTombstone(stored) && compareRows(stored, bytes) > 0;
}

/** True for a row that was in the future when it was written, by more than is let pass. */
function isDatedAhead({ order, writtenAtMs }: StoredHeader, { maxFutureUs }: Pick<PairRules, "maxFutureUs">): boolean {
  return order.eventTimestampUs > writtenAtMs * 1_000 + maxFutureUs;
}

/** True for mismatches: what fails a verdict. */
export function isMismatch({ outcome }: PairVerdict): boolean {
  return outcome !== "match" && outcome !== "newer";
}

/** True for a row that a stream or Feast brought, or a load since the last one that was done; not one of a wrong clock. */
function isBroughtSince(stored: Uint8Array, rules: PairRules, nowMs: number): boolean {
  const header = readRowHeader(stored);
  const { eventTimestampUs, sourceRank } = header.order;
  if (isOfFeast(header.order)) return !isAheadOfNow(eventTimestampUs, rules, nowMs);
  if (isDatedAhead(header, rules)) return false;
  return eventTimestampUs >= rules.endUs || sourceRank === SOURCE_RANK.stream || isLoadedSince(header, rules);
}

/** True for a file's row that was written after the last materialization was done: of one that goes on, or has begun since. */
function isLoadedSince({ order, writtenAtMs }: StoredHeader, { loadedAtMs }: PairRules): boolean {
  return order.sourceRank === SOURCE_RANK.file && writtenAtMs > loadedAtMs;
}

function compared(online: readonly FeatureValue[], offline: readonly FeatureValue[]): PairVerdict {
  let differing: number[] | undefined;
  for (let i = 0; i < offline.length; i++) {
    if (isSameValue(online[i]!, offline[i]!)) continue;
    differing ??= [];
    differing.push(i);
  }
  return differing === undefined ? EQUAL : verdict("different", true, differing);
}

/** Equal bit by bit, the payload of NaN aside: 0 is not −0, null not NaN. */
export function isSameValue(a: FeatureValue, b: FeatureValue): boolean {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return Object.is(a, b);
  if (a instanceof Uint8Array) return b instanceof Uint8Array && Buffer.compare(a, b) === 0;
  if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
  return a.every((one, i) => isSameValue(one, b[i]!));
}
