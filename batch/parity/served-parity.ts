/**
 * Served parity: whether the feature vectors that predictions were made from are those that training would be made from,
 * which is the skew that Chronon's online/offline consistency measures. The served log says what was served and when;
 * the views' files say what was known then; each value is held against the other, bit by bit.
 *
 * Memory is bounded by how many served vectors are taken, not by the log's nor the history's length: views are done one
 * after another, their files stream by, and only rows of logged entities are looked at.
 */

import { HeadgateError } from "../../errors.ts";
import type { Registry } from "../../features/registry.ts";
import type { OnlineStoreLayout } from "../../features/store/key-refusal.ts";
import { formatTimestampUs } from "../../features/timestamp.ts";
import type { ObjectStore } from "../../object-store.ts";
import { DEFAULT_RANGE_ROWS } from "../file-load.ts";
import type { Interval } from "../interval.ts";
import type { ViewProgress } from "../view-run.ts";
import { percentNumber } from "./percent-text.ts";
import { readServedFiles } from "./served-files.ts";
import { joinHistory } from "./served-history.ts";
import { type ComparedView, compileTakeLine, type ServedRow, type ServedVector } from "./served-line.ts";
import type {
  ServedFeatureParity,
  ServedLogRead,
  ServedOutcome,
  ServedParityReport,
  ServedViewParity,
  SkippedFeature,
} from "./served-result.ts";
import { NO_OUTCOMES, tallyView } from "./served-tally.ts";

/** What to compare. */
export interface ServedParityOptions {
  readonly registry: Registry;
  /** Opened on the project folder. */
  readonly objects: ObjectStore;
  /** Where the served log is. */
  readonly folder: string;
  /** Of when it was served. */
  readonly interval: Interval;
  /** The most vectors taken, the newest; memory grows with it. */
  readonly maxVectors: number;
  /** The share of a feature's values that may differ, and of the log's lines and files that may be unreadable. */
  readonly maxMismatchShare: number;
  /** The fewest served rows that must have been compared, all views together. */
  readonly minCompared: number;
  /** How far an event may be dated ahead of its record, ms. */
  readonly maxFutureMs: number;
  /** Of the online store: the same rows are refused as by a materialization. */
  readonly onlineStoreLayout: OnlineStoreLayout;
  /** Epoch ms. */
  readonly now: () => number;
  readonly onProgress?: ((progress: ViewProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** See DEFAULT_RANGE_ROWS. */
  readonly rangeRows?: number;
  /** See FILE_BYTES_MAX of served-files.ts. */
  readonly fileBytesMax?: number;
}

/**
 * Compares. A view whose files can't be read fails the run and no other view. Throws what reading the log throws, and the
 * signal's reason.
 */
export async function servedParity(options: ServedParityOptions): Promise<ServedParityReport> {
  const { registry, interval, maxMismatchShare, minCompared, now } = options;
  const startMs = now();
  const { vectors, log } = await readServedFiles({ ...options, takeLine: compileTakeLine(registry) });
  const views: ServedViewParity[] = [];
  for (const [view, served] of rowsByView(vectors)) views.push(await compareView(options, view, served));
  return {
    started_at: new Date(startMs).toISOString(),
    seconds: (now() - startMs) / 1_000,
    from: formatTimestampUs(interval.startUs),
    to: formatTimestampUs(interval.endUs),
    ...verdictOf(log, views, options),
    max_mismatch_share: maxMismatchShare,
    min_compared: minCompared,
    log,
    views,
    skipped: skippedOf(vectors),
  };
}

function rowsByView(vectors: readonly ServedVector[]): ReadonlyMap<ComparedView, readonly ServedRow[]> {
  const byView = new Map<ComparedView, ServedRow[]>();
  for (const { rows } of vectors) {
    for (const { view, row } of rows) {
      const known = byView.get(view);
      if (known === undefined) byView.set(view, [row]);
      else known.push(row);
    }
  }
  return byView;
}

function skippedOf(vectors: readonly ServedVector[]): readonly SkippedFeature[] {
  const counts = new Map<string, SkippedFeature>();
  for (const { skipped } of vectors) {
    for (const { feature, reason } of skipped)
      counts.set(feature, { feature, reason, values: (counts.get(feature)?.values ?? 0) + 1 });
  }
  return [...counts.values()];
}

async function compareView(
  options: ServedParityOptions,
  view: ComparedView,
  served: readonly ServedRow[],
): Promise<ServedViewParity> {
  const { now, onProgress, rangeRows = DEFAULT_RANGE_ROWS, signal } = options;
  const startMs = now();
  let last: ViewProgress = { view: view.name, rowsRead: 0, rowsTotal: 0, startMs, ended: false };
  const onRead = (rowsRead: number, rowsTotal: number) => {
    last = { ...last, rowsRead, rowsTotal };
    onProgress?.(last);
  };
  try {
    const joined = await joinHistory({ ...options, view, served, rangeRows, onRead });
    return tallyView(view, joined);
  } catch (cause) {
    if (!(cause instanceof HeadgateError) || signal?.aborted) throw cause;
    return unreadView(view, served, cause);
  } finally {
    onProgress?.({ ...last, ended: true });
  }
}

function unreadView(
  view: ComparedView,
  served: readonly ServedRow[],
  { code, message }: HeadgateError,
): ServedViewParity {
  return {
    ...{ view: view.name, served: served.length, outcomes: NO_OUTCOMES },
    ...{ offline_rows_read: 0, offline_rows_bad: 0, features: [] },
    error: { code, detail: message },
  };
}

function verdictOf(
  log: ServedLogRead,
  views: readonly ServedViewParity[],
  { maxMismatchShare: maxShare, minCompared }: ServedParityOptions,
) {
  const features = views.flatMap((view) => view.features);
  const unread = views.find(({ error }) => error !== undefined);
  const compared = features.reduce((sum, feature) => sum + feature.compared, 0);
  const worst = features.toSorted((a, b) => b.mismatch_share - a.mismatch_share)[0];
  if (unread !== undefined) return { ok: false, reason: `Feature view "${unread.view}": ${unread.error!.detail}` };
  if (compared === 0) return { ok: false, reason: `Nothing was compared: ${whyNothing(log, views)}.` };
  if (worst!.mismatch_share > maxShare) {
    const others = features.filter((feature) => feature.mismatch_share > maxShare).length - 1;
    const more = others === 0 ? "" : `, and ${others} more above that`;
    return { ok: false, reason: `${mismatchOf(worst!, maxShare)}; at most ${percentNumber(maxShare)} % may${more}.` };
  }
  const incomplete = unreadOf(log, maxShare) ?? tooFewOf(views, minCompared);
  if (incomplete !== undefined) return { ok: false, reason: incomplete };
  const mismatched = features.reduce((sum, feature) => sum + feature.mismatched, 0);
  if (mismatched === 0)
    return { ok: true, reason: `All ${compared.toLocaleString("en-US")} compared values are equal.` };
  return {
    ok: true,
    reason: `${mismatchOf(worst!, maxShare)}, the most of all; up to ${percentNumber(maxShare)} % may.`,
  };
}

/** Why what was compared is not what was served; undefined where the log could be read. */
function unreadOf(log: ServedLogRead, maxShare: number): string | undefined {
  const parts = [
    { what: "files", unread: log.files_unreadable, all: log.files },
    { what: "lines", unread: log.lines_bad, all: log.lines },
  ];
  const part = parts.find(({ unread, all }) => unread > maxShare * all);
  if (part === undefined) return undefined;
  const { what, unread, all } = part;
  const share = percentNumber(unread / all, maxShare);
  return `${unread.toLocaleString("en-US")} of the log's ${all.toLocaleString("en-US")} ${what} can't be read (${share} %); at most ${percentNumber(maxShare)} % may.`;
}

function tooFewOf(views: readonly ServedViewParity[], minCompared: number): string | undefined {
  const compared = views
    .flatMap(({ outcomes: { match, different, stale, missing } }) => [match, different, stale, missing])
    .reduce((sum, rows) => sum + rows, 0);
  if (compared >= minCompared) return undefined;
  const [of, least] = [compared, minCompared].map((count) => count.toLocaleString("en-US"));
  return `Only ${of} served rows could be compared, fewer than parityMinCompared (${least}): a parity that compares next to nothing proves nothing.`;
}

function mismatchOf(
  { feature, mismatched, compared, mismatch_share: share }: ServedFeatureParity,
  maxShare: number,
): string {
  const [of, all] = [mismatched, compared].map((count) => count.toLocaleString("en-US"));
  return `${feature} differs in ${of} of ${all} served values (${percentNumber(share, maxShare)} %)`;
}

function whyNothing(
  { vectors, files, lines_bad: bad, files_unreadable: unreadable }: ServedLogRead,
  views: readonly ServedViewParity[],
): string {
  if (vectors === 0) {
    if (files === 0)
      return "the served log has no file of that time; is servedLog the folder that the gateways write to";
    return `${bad + unreadable > 0 ? "no vector that can be read" : "no vector of that time"} is in the log's files (${files})`;
  }
  if (views.length === 0) return "no feature view of what was served has a fileSource";
  const counts = Object.entries(NO_OUTCOMES).flatMap(([outcome]) => {
    const count = views.reduce((sum, view) => sum + view.outcomes[outcome as ServedOutcome], 0);
    return count === 0 ? [] : [`${count.toLocaleString("en-US")} ${outcome}`];
  });
  return `of what was served is ${counts.join(", ")}`;
}
