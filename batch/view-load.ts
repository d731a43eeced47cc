/**
 * One view's materialization: under its lease planned, read, written and counted, and the checkpoint moved when all of
 * it is in the store.
 *
 * Everything that can be refused is refused before the first row is written (see view-plan.ts). After that only bad
 * rows, a changed or damaged file, a lost lease or the store can stop it; the checkpoint has not moved then, and what is
 * written is what a later run would have written.
 */

import { HeadgateError, reasonOf } from "../errors.ts";
import { recordMaterialized } from "../features/materialized-view.ts";
import { formatTimestampUs } from "../features/timestamp.ts";
import { type LoadedFile, loadedFile, moveCheckpoint, type ReadCheckpoint, readCheckpoint } from "./checkpoint.ts";
import { openFileEncoder } from "./file-encoder.ts";
import { type Lease, takeLease } from "./lease.ts";
import { throughOutage } from "./outage.ts";
import { emptyCounts, type ViewReport } from "./report.ts";
import { checkBadRows, type EventSpan, flowRows, joinSpans } from "./row-flow.ts";
import { loadShard } from "./shard-load.ts";
import { type PlannedFile, planView } from "./view-plan.ts";
import {
  loadedViewOf,
  lookbackUsOf,
  outageBoundsOf,
  recordRunOrigin,
  type ViewLoadOptions,
  type ViewRun,
} from "./view-run.ts";

/** Loads a view, or a shard of it. Never throws: what goes wrong is in the report. */
export async function loadView(options: ViewLoadOptions): Promise<ViewReport> {
  const { store, view, now } = options;
  const startMs = now();
  const counts = emptyCounts();
  const outcome = await outcomeOf(options, (lease) => loadUnderLease(options, lease, counts, startMs));
  await recordOutcome(options, outcome, counts.rows_written);
  const rowsTotal = counts.rows_read;
  options.onProgress?.({ view: view.name, rowsRead: counts.rows_read, rowsTotal, startMs, ended: true });
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

type Outcome = Pick<ViewReport, "status" | "error" | "shard">;

async function outcomeOf(
  options: ViewLoadOptions,
  work: (lease: Lease) => Promise<ViewReport["shard"]>,
): Promise<Outcome> {
  const { store, view, shard, settings, now, holder, signal } = options;
  let lease: Lease | undefined;
  try {
    lease = await takeLease({ control: store.control, view: view.name, shard, holder, ttlMs: settings.leaseTtl, now });
    const done = await work(lease);
    return { status: "done", ...(done === undefined ? {} : { shard: done }) };
  } catch (cause) {
    if (signal?.aborted && cause === signal.reason) return { status: "aborted" };
    return { status: "failed", error: told(cause) };
  } finally {
    await lease?.release();
  }
}

function told(cause: unknown): NonNullable<ViewReport["error"]> {
  return { code: cause instanceof HeadgateError ? cause.code : "INTERNAL", detail: reasonOf(cause) };
}

/** That another process loads the view is no failure of the view; the success of shards is recorded by the last. */
async function recordOutcome(
  { store, view, run, now, range }: ViewLoadOptions,
  { status, error, shard }: Outcome,
  rowsWritten: number,
): Promise<void> {
  if (error !== undefined && error.code !== "MATERIALIZE_RUNNING") {
    await recordMaterialized(store.control, view.name, { failure: { run, at_ms: now(), code: error.code } });
  }
  if (status !== "done" || shard !== undefined) return;
  const success = { run, at_ms: now(), end_us: range.endUs, rows_written: rowsWritten };
  await recordMaterialized(store.control, view.name, { success });
}

async function loadUnderLease(
  options: ViewLoadOptions,
  lease: Lease,
  counts: ViewRun["counts"],
  startMs: number,
): Promise<ViewReport["shard"]> {
  const encoder = openFileEncoder({
    directory: options.projectDirectory,
    decodeTimeoutMs: options.settings.decodeTimeout,
    signal: options.signal,
  });
  const run = { options, lease, encoder, counts, startMs, loadedView: loadedViewOf(options) };
  try {
    if (options.shard !== undefined) return await loadShard(run, options.shard);
    await loadWhole(run);
    return undefined;
  } finally {
    await encoder.close();
  }
}

async function loadWhole(run: ViewRun): Promise<void> {
  const { options, lease, counts, encoder, loadedView } = run;
  const { store, view, range, objects, rangeRows, signal } = options;
  const before = await readCheckpoint(store.control, view.name);
  const known = before.checkpoint?.definition === options.definition ? before.checkpoint.files : {};
  const plan = await planView({
    ...{ view: loadedView, objects, range, known, rangeRows, signal },
    lookbackUs: lookbackUsOf(options),
    open: (file) => encoder.open(file),
  });
  const work = plan.files.flatMap((file) => (file.work === undefined ? [] : [{ ...file, ...file.work }]));
  counts.warnings = plan.warnings;
  counts.bytes_read = plan.bytesRead;
  counts.files = work.length;
  counts.files_skipped = plan.files.length - work.length;
  for (const { summary } of work) counts.rows_skipped += summary.rows - summary.rowsToRead;

  // What a footer alone has told to be all outside is not opened again.
  const files = work.filter(({ summary }) => summary.rowsToRead > 0);
  const spans = new Map<string, EventSpan>();
  if (files.length > 0) {
    const originId = await recordRunOrigin(
      options,
      options.run,
      files.map(({ path }) => path),
    );
    const { rowsToRead } = plan;
    const toLoad = files.map(({ path, version, interval: { startUs, endUs } }) => ({
      ...{ path, version },
      interval: { startUs, endUs },
    }));
    const read = await flowRows(run, { files: toLoad, originId, rowsToRead, rowsTotal: rowsToRead });
    for (const [i, span] of read.entries()) spans.set(files[i]!.path, span);
  }
  checkBadRows(options, counts, counts.rows_read - counts.rows_outside);
  // The token is checked by renewing it: a lease that was lost must not move the checkpoint.
  await throughOutage(() => lease.renew(), outageBoundsOf(options));
  await moveTo(options, before, plan.files, spans);
}

async function moveTo(
  options: ViewLoadOptions,
  before: ReadCheckpoint,
  files: readonly PlannedFile[],
  spans: ReadonlyMap<string, EventSpan>,
): Promise<void> {
  const { store, view, range, definition } = options;
  const known = files.map(({ path, version, known, work }): [string, LoadedFile | undefined] => {
    if (work === undefined) return [path, known];
    const { skippedFirstEventUs, skippedLastEventUs } = work.summary;
    const skipped = { firstEventUs: skippedFirstEventUs, lastEventUs: skippedLastEventUs };
    const span = spans.get(path);
    const events = span === undefined ? skipped : joinSpans(skipped, span);
    return [path, loadedFile(known, version.etag, work.interval, events)];
  });
  const listed = known.filter((entry): entry is [string, LoadedFile] => entry[1] !== undefined);
  const next = { end_us: range.endUs, definition, files: Object.fromEntries(listed) };
  const move = () => moveCheckpoint(store.control, view.name, before, next);
  await throughOutage(move, outageBoundsOf(options));
}
