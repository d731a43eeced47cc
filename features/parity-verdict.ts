/**
 * What parity found of a view: a control record `parity/<view>`, for those who go by it without comparing: metrics,
 * readiness, a model's deploy. It is what the last run found, except that mismatches which a run over all entities found
 * stay until one over all of them again finds none: a sample may just not have looked at them. When the last run was done
 * is kept beside such a verdict, so that one that stays is not taken for runs that no longer happen. As with a view's
 * loads (materialized-view.ts), a record that could not be written is no fault of the run, and shows as the age of the one
 * before.
 */

import { type KeptReadingOptions, keptReading } from "./kept-reading.ts";
import type { ControlStore } from "./store/online-store.ts";

/** The record. */
export interface ParityVerdict {
  readonly run: string;
  /** When the comparison was done, epoch ms. */
  readonly at_ms: number;
  /** "error": the view could not be compared. */
  readonly verdict: "pass" | "fail" | "error";
  /** The verdict in a sentence. */
  readonly reason: string;
  /** Entities that were looked at, and those whose values were held against each other. */
  readonly checked: number;
  readonly compared: number;
  /** The share of those checked that differ; see ViewParity of the reports. */
  readonly mismatch_rate: number;
  /** With 95 % confidence the share of the entities in the files is at most this. */
  readonly mismatch_rate_bound: number;
  /** Entities by what became of them: match, newer, different, stale, missing, extra. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** Mismatches by cause; those that did not occur are absent. */
  readonly causes: Readonly<Record<string, number>>;
  /** The event time that was compared up to, RFC 3339; null for a view that was never materialized, or could not be compared. */
  readonly materialized_to: string | null;
  /** Fingerprint of the definition that was compared; see viewDefinition. */
  readonly definition: string;
  /** The part of the entities that was looked at; null: all. */
  readonly sample: { readonly share: number; readonly seed: number } | null;
  /** When a run that ended later, and whose verdict does not count, was done, epoch ms; see lastRunMs. */
  readonly last_run_at_ms?: number;
}

/** The verdicts that count, by view; a view that was never compared is not among them. */
export type ParityVerdicts = ReadonlyMap<string, ParityVerdict>;

/** A record that others change too is read and put again at most so often. */
const RECORD_TRIES = 3;

/**
 * Records a verdict, unless one of a run that ended later is there, or a failing one that it can't lift. In the latter
 * case only the time of its run is recorded, and the failing one, which counts in its stead, is given. Never throws.
 */
export async function recordParityVerdict(
  control: ControlStore,
  view: string,
  verdict: ParityVerdict,
): Promise<ParityVerdict | undefined> {
  const name = recordName(view);
  let standing: ParityVerdict | undefined;
  try {
    for (let tries = 0; tries < RECORD_TRIES; tries++) {
      const bytes = await control.get(name);
      const before = parse(bytes);
      standing = before !== undefined && outweighs(before, verdict) ? before : undefined;
      const record = nextRecord(before, verdict);
      if (record === before || (await control.compareAndSet(name, bytes, Buffer.from(JSON.stringify(record))))) break;
    }
  } catch {
    // The run has said itself what it found.
  }
  return standing;
}

/** What a view's record is after a run: the one before itself where the run changes nothing. */
function nextRecord(before: ParityVerdict | undefined, verdict: ParityVerdict): ParityVerdict {
  if (before === undefined) return verdict;
  if (outweighs(before, verdict)) return withLastRun(before, verdict.at_ms);
  if (before.at_ms > verdict.at_ms && !outweighs(verdict, before)) return before;
  return withLastRun(verdict, lastRunMs(before));
}

function withLastRun(verdict: ParityVerdict, runMs: number): ParityVerdict {
  return runMs > lastRunMs(verdict) ? { ...verdict, last_run_at_ms: runMs } : verdict;
}

/** When the view's last run was done, whichever verdict counts, epoch ms. */
export function lastRunMs({ at_ms, last_run_at_ms = at_ms }: ParityVerdict): number {
  return last_run_at_ms;
}

/** Whether a verdict counts whichever is later: the other one, of the same definition, had no look at all entities. */
function outweighs(verdict: ParityVerdict, other: ParityVerdict): boolean {
  return isStandingFailure(verdict) && !isWhole(other) && verdict.definition === other.definition;
}

/** Whether a verdict failed by a look at all entities, and so stays until another such look passes. */
export function isStandingFailure(verdict: ParityVerdict): boolean {
  return verdict.verdict === "fail" && isWhole(verdict);
}

/** A view that was never materialized, or could not be compared, was not looked at. */
function isWhole({ sample, checked }: ParityVerdict): boolean {
  return sample === null && checked > 0;
}

/** Reads the verdict that counts of each view that has one. Throws what the store throws. */
export async function readParityVerdicts(control: ControlStore, views: readonly string[]): Promise<ParityVerdicts> {
  const records = await Promise.all(
    views.map(async (view) => [view, parse(await control.get(recordName(view)))] as const),
  );
  return new Map(records.filter((entry): entry is [string, ParityVerdict] => entry[1] !== undefined));
}

/** Reads them for those who ask again and again; see keptReading. Never throws. */
export function parityVerdictReader(
  options: { readonly control: ControlStore; readonly views: readonly string[] } & KeptReadingOptions,
): () => Promise<ParityVerdicts> {
  return keptReading(() => readParityVerdicts(options.control, options.views), new Map(), options);
}

/**
 * The verdicts as they count for who serves: one of another definition than the present one does not pass, and says so.
 * By the present one nothing was looked at, so that any run takes its place.
 */
export function presentVerdicts(
  verdicts: ParityVerdicts,
  definitionOf: (view: string) => string | undefined,
): ParityVerdicts {
  const present = [...verdicts].map(([view, verdict]): [string, ParityVerdict] =>
    verdict.definition === definitionOf(view)
      ? [view, verdict]
      : [view, { ...verdict, verdict: "fail", reason: OUTDATED, checked: 0, compared: 0 }],
  );
  return new Map(present);
}

const OUTDATED = "It was compared by another definition than it has now.";

function recordName(view: string): string {
  return `parity/${view}`;
}

function parse(bytes: Uint8Array | undefined): ParityVerdict | undefined {
  return bytes === undefined ? undefined : (JSON.parse(Buffer.from(bytes).toString("utf8")) as ParityVerdict);
}
