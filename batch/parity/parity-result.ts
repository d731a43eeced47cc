/**
 * What a parity run found, as it is kept in `reports/<date>/parity.json` and drawn on the page: per view a verdict, the
 * counts that add up to it, the causes of what differs, and per feature how often and how far. JSON in the field's snake
 * case, so that the file is its own documentation; whoever compares writes it, whoever reports only reads it.
 */

import type { ErrorCode } from "../../errors.ts";
import type { JsonValue } from "../../features/json-value.ts";

/** What became of an entity of a view. `newer` (streamed, or loaded, since) and `expired` on both sides are no mismatch. */
export type ParityOutcome = "match" | "newer" | "different" | "stale" | "missing" | "extra";

/** Why the two sides differ, as far as it can be told from the rows alone. */
export type ParityCause =
  | "late_event"
  | "missed_interval"
  | "null_for_missing"
  | "type_narrowing"
  | "expired"
  | "created_tie"
  | "rewritten_file"
  | "withdrawn_row"
  | "other_fingerprint"
  | "written_by_feast"
  | "clock_skew"
  | "unknown";

/** A cause of mismatches, with one of them. */
export interface CauseCount {
  readonly cause: ParityCause;
  readonly entities: number;
  /** Join keys of the first such entity. */
  readonly example: Readonly<Record<string, JsonValue>>;
  /** A command line that shows that entity's row, to be pasted. */
  readonly shown_by: string;
  /** One sentence: what happened and what mends it. */
  readonly meaning: string;
}

/** Counts of values in `edges.length - 1` bins of equal width, both ends in; the outermost are cut at the least and greatest value. */
export interface Histogram {
  readonly edges: readonly number[];
  readonly counts: readonly number[];
}

/** A feature on both sides. */
export interface FeatureParity {
  readonly feature: string;
  readonly type: string;
  /** Entities whose row has the same event time on both sides. */
  readonly compared: number;
  readonly mismatched: number;
  /** Of all rows that are served, and of all that the files have, compared or not. */
  readonly online_nulls: number;
  readonly offline_nulls: number;
  /** Of numbers, over the same edges on both sides; null for other types. */
  readonly online: Histogram | null;
  readonly offline: Histogram | null;
}

/** An entity whose sides differ; `feature` and the values are null where the row as a whole is stale, missing or extra. */
export interface ParityExample {
  readonly entity: Readonly<Record<string, JsonValue>>;
  readonly outcome: ParityOutcome;
  readonly cause: ParityCause;
  readonly feature: string | null;
  readonly online: JsonValue;
  readonly offline: JsonValue;
  /** RFC 3339; null where that side has no row. */
  readonly online_event_timestamp: string | null;
  readonly offline_event_timestamp: string | null;
}

/** What a repair did, or as a dry run would do, in entities. */
export interface RepairCounts {
  readonly dry_run: boolean;
  /** Rows of the files that are newer than what was stored, or where nothing was. */
  readonly written: number;
  /** Rows of the same times with other values, or dated ahead of the clock. */
  readonly replaced: number;
  /** Left alone: what is stored was made later than the files' row. */
  readonly left_newer: number;
  /** Left alone: no file has the entity. */
  readonly left_extra: number;
  /** Left alone: something was written meanwhile. */
  readonly overtaken: number;
}

/** An earlier verdict of a view, of a run over all its entities, that failed and still counts. */
export interface StandingFailure {
  readonly run: string;
  /** RFC 3339. */
  readonly at: string;
  readonly reason: string;
}

/** What was found of one view. */
export interface ViewParity {
  readonly view: string;
  /** Match: enough was compared and nothing differs beyond what is allowed. */
  readonly verdict: "pass" | "fail" | "error";
  /** A sentence for the verdict. */
  readonly reason: string;
  /** The end of the interval that was compared, RFC 3339; null when the view was never materialized, or could not be compared. */
  readonly materialized_to: string | null;
  /** Rows of the files that a load would not take, and so in no comparison. */
  readonly rows_bad: number;
  /** Entities of the files; of the sample, where one was taken. */
  readonly offline_entities: number;
  /** Entities that were looked at: all, or the sample. */
  readonly checked: number;
  /** Entities with a row on both sides of the same event time. */
  readonly compared: number;
  readonly outcomes: Readonly<Record<ParityOutcome, number>>;
  /** (different + stale + missing + extra) / checked; 0 where nothing was checked. */
  readonly mismatch_rate: number;
  /** With 95 % confidence the rate in the files' entities is at most this; the rate itself when all entities were checked. */
  readonly mismatch_rate_bound: number;
  readonly sample: { readonly share: number; readonly seed: number } | null;
  readonly causes: readonly CauseCount[];
  readonly features: readonly FeatureParity[];
  /** Ages of the served rows, seconds; null where nothing was served. */
  readonly freshness_seconds: Histogram | null;
  readonly examples: readonly ParityExample[];
  readonly seconds: number;
  /** Present when a repair was asked for and its rows are what a load would take. The verdict is of what was found before it. */
  readonly repair?: RepairCounts;
  readonly error?: { readonly code: ErrorCode; readonly detail: string };
  /** Present when this verdict is not the one that the store keeps of the view; see recordParityVerdict. */
  readonly standing_failure?: StandingFailure;
}

/** One run over all views. */
export interface ParityReport {
  readonly run: string;
  /** RFC 3339. */
  readonly started_at: string;
  readonly seconds: number;
  /** True when every view passes, by what this run found. */
  readonly ok: boolean;
  readonly views: readonly ViewParity[];
}
