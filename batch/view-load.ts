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
import { readCheckpoint } from "./checkpoint.ts";
import { type Lease, takeLease } from "./lease.ts";
import { emptyCounts, type ViewReport } from "./report.ts";
import { loadShard } from "./shard-load.ts";
import { outageBoundsOf, type ViewLoadOptions } from "./view-run.ts";
import { loadWhole } from "./whole-load.ts";

/** Loads a view, or a shard of it. Never throws: what goes wrong is in the report. */
export async function loadView(options: ViewLoadOptions): Promise<ViewReport> {
  const { store, view, now } = options;
  const startMs = now();
  const counts = emptyCounts();
  const outcome = await outcomeOf(options, async (lease) => {
    const run = { options, lease, counts, startMs };
    if (options.shard !== undefined) return loadShard(run, options.shard);
    await loadWhole(run);
    return undefined;
  });
  await recordOutcome(options, outcome, { startMs, rowsWritten: counts.rows_written });
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
    const patience = { outage: outageBoundsOf(options), onWait: options.onWait ?? (() => {}) };
    const ttlMs = settings.leaseTtl;
    lease = await takeLease({ control: store.control, view: view.name, shard, holder, ttlMs, now, patience });
    const done = await work(lease);
    return { status: "done", ...(done === undefined ? {} : { shard: done }) };
  } catch (cause) {
    // Whatever an abort makes what is under way throw, nothing has failed.
    if (signal?.aborted) return { status: "aborted" };
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
  { store, view, run, now, range, definition }: ViewLoadOptions,
  { status, error, shard }: Outcome,
  { startMs, rowsWritten }: { readonly startMs: number; readonly rowsWritten: number },
): Promise<void> {
  if (error !== undefined && error.code !== "MATERIALIZE_RUNNING") {
    await recordMaterialized(store.control, view.name, { failure: { run, at_ms: now(), code: error.code } });
  }
  if (status !== "done" || shard !== undefined) return;
  const times = { started_at_ms: startMs, at_ms: now() };
  const success = { run, ...times, end_us: range.endUs, rows_written: rowsWritten, definition };
  await recordMaterialized(store.control, view.name, { success });
}
