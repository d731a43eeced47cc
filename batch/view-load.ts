/**
 * One view's materialization: under its lease, file by file read, written and counted, and the checkpoint moved when
 * all of it is in the store.
 *
 * Everything that can be refused is refused before the first row is written (see view-plan.ts). After that only bad
 * rows, a changed file, a lost lease or the store can stop it; the checkpoint has not moved then, and what is written
 * is what a later run would have written.
 */

import { HeadgateError, reasonOf } from "../errors.ts";
import type { AppliedView } from "../features/applied-registry.ts";
import type { FeatureView } from "../features/feature-view.ts";
import type { FileSource } from "../features/source.ts";
import type { OnlineStore } from "../features/store/online-store.ts";
import { formatTimestampUs } from "../features/timestamp.ts";
import { encodedView, recordOrigin } from "../features/writer.ts";
import type { ObjectStore } from "../object-store.ts";
import { type LoadedFile, loadedFile, moveCheckpoint, type ReadCheckpoint, readCheckpoint } from "./checkpoint.ts";
import { type FileEncoder, inlineEncoder, THREADS_WORK, threadEncoder } from "./file-encoder.ts";
import type { LoadedView } from "./file-load.ts";
import { type Lease, type LeaseHolder, takeLease } from "./lease.ts";
import { addBatch, addOutcomes, count, emptyCounts, type LoadCounts, rows, type ViewReport } from "./report.ts";
import { unpackRows } from "./row-batch.ts";
import { type MaterializeRange, type PlannedFile, planView } from "./view-plan.ts";

/** Rows given to the store at once: between two such writes an abort and a lost lease are noticed. */
const WRITE_ROWS = 16_384;
/** The most files that a row's origin names; the record of a run with more is this long and tells their number. */
const ORIGIN_FILES = 20;
/** From so many rows on, a thread of its own repays its start of about 0.2 s. */
const THREAD_ROWS = 100_000;

/** Settings of config.ts that a materialization depends on; lengths of time in ms. */
export interface MaterializeSettings {
  /** How far before its last end an incremental one looks again, for a view without ttl. */
  readonly lookback: number;
  /** The share of rows that may be bad before the view fails. */
  readonly maxBadRows: number;
  /** How far an event may be dated ahead of its record. */
  readonly maxFuture: number;
  /** How long a row is kept beyond its ttl. */
  readonly expiryGrace: number;
  /** How long a dead materialization keeps its view locked. */
  readonly leaseTtl: number;
}

/** How far a view has come. */
export interface ViewProgress {
  readonly view: string;
  readonly rowsRead: number;
  /** Rows there are to read, by the files' footers. */
  readonly rowsTotal: number;
  /** When the view's load began, epoch ms. */
  readonly startMs: number;
  /** True once, when the view is done, failed or aborted. */
  readonly ended: boolean;
}

/** What to load. */
export interface ViewLoadOptions {
  readonly store: OnlineStore;
  readonly objects: ObjectStore;
  readonly projectDirectory: string;
  readonly view: FeatureView & { readonly source: FileSource };
  readonly applied: AppliedView;
  /** Fingerprint of what the rows are made by; another one than the checkpoint's loads every file anew. */
  readonly definition: string;
  readonly run: string;
  readonly range: MaterializeRange;
  readonly settings: MaterializeSettings;
  readonly holder: LeaseHolder;
  readonly now: () => number;
  readonly onProgress?: ((progress: ViewProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly rangeRows: number;
}

/** Loads a view. Never throws: what goes wrong is in the report. */
export async function loadView(options: ViewLoadOptions): Promise<ViewReport> {
  const { store, view, settings, now, signal } = options;
  const startMs = now();
  const counts = emptyCounts();
  let lease: Lease | undefined;
  let outcome: Pick<ViewReport, "status" | "error">;
  try {
    lease = await takeLease({
      control: store.control,
      view: view.name,
      holder: options.holder,
      ttlMs: settings.leaseTtl,
      now,
    });
    await loadUnderLease(options, lease, counts, startMs);
    outcome = { status: "done" };
  } catch (cause) {
    outcome =
      signal?.aborted && cause === signal.reason ? { status: "aborted" } : { status: "failed", error: told(cause) };
  } finally {
    await lease?.release();
  }
  options.onProgress?.({
    view: view.name,
    rowsRead: counts.rows_read,
    rowsTotal: counts.rows_read,
    startMs,
    ended: true,
  });
  const end = await readCheckpoint(store.control, view.name).catch(() => undefined);
  const endUs = end?.checkpoint?.end_us;
  const seconds = (now() - startMs) / 1_000;
  return Object.freeze({
    view: view.name,
    ...outcome,
    ...counts,
    seconds,
    rows_per_second: seconds > 0 ? Math.round(counts.rows_read / seconds) : 0,
    checkpoint: endUs === undefined ? null : formatTimestampUs(endUs),
  });
}

function told(cause: unknown): NonNullable<ViewReport["error"]> {
  return { code: cause instanceof HeadgateError ? cause.code : "INTERNAL", detail: reasonOf(cause) };
}

async function loadUnderLease(
  options: ViewLoadOptions,
  lease: Lease,
  counts: LoadCounts,
  startMs: number,
): Promise<void> {
  const { store, view, settings, range, objects, rangeRows, signal } = options;
  const before = await readCheckpoint(store.control, view.name);
  const known = before.checkpoint?.definition === options.definition ? before.checkpoint.files : {};
  const loadedView: LoadedView = { ...encodedView(view), source: view.source };
  const lookbackUs = (view.ttlMs ?? settings.lookback) * 1_000;
  const plan = await planView({ view: loadedView, objects, range, lookbackUs, known, rangeRows, signal });
  counts.warnings = plan.warnings;
  const toRead = plan.files.filter((file) => file.interval !== undefined);
  counts.files_skipped = plan.files.length - toRead.length;

  const files = new Map(plan.files.map(({ path, known: file }) => [path, file]));
  const inThread = THREADS_WORK && plan.rowsToRead >= THREAD_ROWS;
  const encoder = (inThread ? threadEncoder : inlineEncoder)(options.projectDirectory);
  try {
    const originId = toRead.length === 0 ? 0 : await recordOrigin(store.control, originOf(options, toRead));
    const underWay = { lease, counts, encoder, loadedView, originId, rowsTotal: plan.rowsToRead, startMs };
    for (const file of toRead) {
      files.set(file.path, await loadFile(options, underWay, file));
      counts.files++;
    }
  } finally {
    await encoder.close();
  }
  checkBadRows(options, counts, counts.rows_read - counts.rows_outside);
  // The token is checked by renewing it: a lease that was lost must not move the checkpoint.
  await lease.renew();
  await moveTo(options, before, files);
}

/** What a row tells of where it is from. One for all files of a run, because the store keeps each for ever. */
function originOf({ run, view }: ViewLoadOptions, files: readonly PlannedFile[]): Parameters<typeof recordOrigin>[1] {
  const paths = files.map(({ path }) => path);
  if (paths.length === 1) return { run, view: view.name, file: paths[0]! };
  return { run, view: view.name, files: paths.slice(0, ORIGIN_FILES), file_count: paths.length };
}

interface LoadUnderWay {
  readonly lease: Lease;
  readonly counts: LoadCounts;
  readonly encoder: FileEncoder;
  readonly loadedView: LoadedView;
  readonly originId: number;
  readonly rowsTotal: number;
  readonly startMs: number;
}

/** Loads one file; returns what the checkpoint is to know of it. */
async function loadFile(
  options: ViewLoadOptions,
  { lease, counts, encoder, loadedView, originId, rowsTotal, startMs }: LoadUnderWay,
  { path, version, known, interval }: PlannedFile,
): Promise<LoadedFile | undefined> {
  const { store, settings, applied, signal, rangeRows } = options;
  const events = { firstEventUs: Number.POSITIVE_INFINITY, lastEventUs: Number.NEGATIVE_INFINITY };
  const batches = encoder.encode({
    view: loadedView,
    applied,
    path,
    version,
    interval: interval!,
    originId,
    maxFutureMs: settings.maxFuture,
    expiryGraceMs: settings.expiryGrace,
    nowMs: options.now(),
    rangeRows,
  });
  for await (const batch of batches) {
    events.firstEventUs = Math.min(events.firstEventUs, batch.firstEventUs);
    events.lastEventUs = Math.max(events.lastEventUs, batch.lastEventUs);
    addBatch(counts, batch);
    // So many that the rows to come can't make up for them.
    checkBadRows(options, counts, rowsTotal);
    for (const slice of unpackRows(batch.rows, WRITE_ROWS)) {
      signal?.throwIfAborted();
      lease.check();
      addOutcomes(counts, await store.write(slice));
    }
    options.onProgress?.({ view: loadedView.name, rowsRead: counts.rows_read, rowsTotal, startMs, ended: false });
    signal?.throwIfAborted();
  }
  return loadedFile(known, version.etag, interval!, events);
}

function checkBadRows({ view, settings }: ViewLoadOptions, counts: LoadCounts, ofRows: number): void {
  if (counts.rows_bad <= settings.maxBadRows * ofRows) return;
  const first = counts.bad_samples[0]!;
  throw new HeadgateError(
    "TOO_MANY_BAD_ROWS",
    `${count(counts.rows_bad)} of ${rows(ofRows)} of feature view "${view.name}" can't be taken, more than maxBadRows (${Number((settings.maxBadRows * 100).toPrecision(6))}%) allows. The first is row ${first.row} of ${first.file}: ${first.reason.replace(/\.$/, "")}. Repair the files, or raise maxBadRows.`,
  );
}

async function moveTo(
  { store, view, range, definition }: ViewLoadOptions,
  before: ReadCheckpoint,
  files: ReadonlyMap<string, LoadedFile | undefined>,
): Promise<void> {
  const known = [...files].filter((entry): entry is [string, LoadedFile] => entry[1] !== undefined);
  const next = { end_us: range.endUs, definition, files: Object.fromEntries(known) };
  await moveCheckpoint(store.control, view.name, before, next);
}
