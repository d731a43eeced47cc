/**
 * What a served parity found, as `headgate parity --served --json` prints it: per feature how often the served value is
 * another than the offline history had at that moment, the worst of them, and what could not be compared and why. JSON
 * in the field's snake case, as in parity-result.ts.
 */

import type { ErrorCode } from "../../errors.ts";
import type { JsonValue } from "../../features/json-value.ts";

/**
 * What became of a view of a served vector. Compared are `match`, `different` (same event time, another value), `stale`
 * (the offline history had a newer row by then) and `missing` (nothing was served, and the history had a row).
 */
export type ServedOutcome = "match" | "different" | "stale" | "missing" | ServedUncompared;

/**
 * Why nothing was compared: `absent`, neither side had a row that was young enough; `newer`, served was a row that the
 * files have not, such as one streamed since; `offline_later`, the files have it, but got it after the serving;
 * `no_history`, the files begin after the served row's event.
 */
export type ServedUncompared = "absent" | "newer" | "offline_later" | "no_history";

/** A served value that differs. */
export interface ServedExample {
  readonly request_id: string;
  /** RFC 3339. */
  readonly served_at: string;
  readonly model: string;
  readonly version: number;
  readonly entity: Readonly<Record<string, JsonValue>>;
  readonly outcome: "different" | "stale" | "missing";
  /** null unless the status is PRESENT. */
  readonly served: JsonValue;
  readonly served_status: string;
  readonly offline: JsonValue;
  readonly offline_status: string;
  /** RFC 3339; null where nothing was served. */
  readonly served_event_timestamp: string | null;
  readonly offline_event_timestamp: string;
  /** A command line that shows the row as it is now, to be pasted. */
  readonly shown_by: string;
}

/** A feature, as it was served and as the offline history had it. */
export interface ServedFeatureParity {
  readonly feature: string;
  readonly type: string;
  readonly compared: number;
  readonly mismatched: number;
  /** mismatched / compared; 0 where nothing was compared. */
  readonly mismatch_share: number;
  /** Of the mismatched. */
  readonly causes: Readonly<Record<"different" | "stale" | "missing", number>>;
  /** The largest differences first; a value that one side lacks comes before all numbers. */
  readonly examples: readonly ServedExample[];
}

/** A view of the served vectors. */
export interface ServedViewParity {
  readonly view: string;
  /** Vectors that it has a part in. */
  readonly served: number;
  readonly outcomes: Readonly<Record<ServedOutcome, number>>;
  readonly offline_rows_read: number;
  /** Rows of the logged entities that a materialization refuses, too. */
  readonly offline_rows_bad: number;
  readonly features: readonly ServedFeatureParity[];
  /** Why the files could not be read; nothing was compared then. */
  readonly error?: { readonly code: ErrorCode; readonly detail: string };
}

/** A feature that has no offline history to be compared with. */
export interface SkippedFeature {
  readonly feature: string;
  /** `undeclared`: the definitions have it no more. */
  readonly reason: "on_demand" | "request" | "no_file_source" | "undeclared";
  readonly values: number;
}

/** What was read of the log. */
export interface ServedLogRead {
  readonly files: number;
  readonly files_unreadable: number;
  /** Vectors taken: the newest of the interval. */
  readonly vectors: number;
  /** Vectors read that are older than those taken; files older still were not read. */
  readonly vectors_left_out: number;
  /** Lines of the files that were read. */
  readonly lines: number;
  /** Lines that are no vectors. */
  readonly lines_bad: number;
  /** Why the first bad lines, and files, can't be read. */
  readonly samples: readonly string[];
  /** When the oldest and the newest of the vectors taken were served, RFC 3339. */
  readonly first_served_at: string | null;
  readonly last_served_at: string | null;
}

/** One run. */
export interface ServedParityReport {
  /** RFC 3339. */
  readonly started_at: string;
  readonly seconds: number;
  /** Vectors served in [from, to), RFC 3339. */
  readonly from: string;
  readonly to: string;
  /**
   * True when `min_compared` served rows were compared, no feature differs more often than `max_mismatch_share`, and no
   * larger share of the log's lines or files can't be read.
   */
  readonly ok: boolean;
  /** A sentence for it. */
  readonly reason: string;
  readonly max_mismatch_share: number;
  readonly min_compared: number;
  readonly log: ServedLogRead;
  readonly views: readonly ServedViewParity[];
  readonly skipped: readonly SkippedFeature[];
}
