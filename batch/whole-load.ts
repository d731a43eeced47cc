/**
 * A view's materialization by one process: planned, read, written and counted, and the checkpoint moved when all of it
 * is in the store.
 *
 * "In the store" is what a store acknowledged, unless it lost that again: one that restarted or failed over meanwhile is
 * loaded again from the start of this run.
 */

import { type LoadedFile, loadedFile, moveCheckpoint } from "./checkpoint.ts";
import { throughOutage } from "./outage.ts";
import { emptyCounts } from "./report.ts";
import { checkBadRows, type EventSpan, flowRows, joinSpans } from "./row-flow.ts";
import { nextHistory, planFrom, type RunStart, readHistory, readStart, rowsMayBeLost } from "./run-start.ts";
import type { PlannedFile } from "./view-plan.ts";
import { outageBoundsOf, recordRunOrigin, type ViewLoadOptions, type ViewRun } from "./view-run.ts";

/** How often a load is begun at most. A store that is never the same for as long as a load takes is not to be loaded. */
const TRIES = 3;

/** Loads a view. Throws what planView and flowRows throw, STORE_UNREACHABLE for a store that lost its history each time. */
export async function loadWhole(run: ViewRun): Promise<void> {
  const { options, lease, counts } = run;
  for (let tries = 1; ; tries++) {
    const start = await readStart(options);
    const loaded = await loadFrom(run, start);
    // The token is checked by renewing it: a lease that was lost must not move the checkpoint.
    await throughOutage(() => lease.renew(), outageBoundsOf(options));
    if ((await readHistory(options)) === start.history) return moveTo(options, start, loaded);
    if (tries === TRIES) throw rowsMayBeLost(options.view.name, "Run the command again when the store has settled.");
    Object.assign(counts, emptyCounts(), { warnings: [LOADED_AGAIN] });
  }
}

const LOADED_AGAIN = "The online store was restarted or failed over meanwhile; the view was loaded again.";

/** What was loaded. */
interface Loaded {
  readonly files: readonly PlannedFile[];
  readonly spans: ReadonlyMap<string, EventSpan>;
}

async function loadFrom(run: ViewRun, start: RunStart): Promise<Loaded> {
  const { options, counts } = run;
  const plan = await planFrom(options, start);
  const work = plan.files.flatMap((file) => (file.work === undefined ? [] : [{ ...file, ...file.work }]));
  counts.warnings = [...counts.warnings, ...plan.warnings];
  counts.bytes_read = plan.bytesRead;
  counts.files = work.length;
  counts.files_skipped = plan.files.length - work.length;
  for (const { summary } of work) counts.rows_skipped += summary.rows - summary.rowsToRead;

  // What a footer alone has told to be all outside is not opened again.
  const files = work.filter(({ summary }) => summary.rowsToRead > 0);
  const spans = new Map<string, EventSpan>();
  if (files.length > 0) {
    const paths = files.map(({ path }) => path);
    const originId = await recordRunOrigin(options, options.run, paths);
    const { rowsToRead } = plan;
    const toLoad = files.map(({ path, version, interval: { startUs, endUs } }) => ({
      ...{ path, version },
      interval: { startUs, endUs },
    }));
    const read = await flowRows(run, { files: toLoad, originId, rowsToRead, rowsTotal: rowsToRead });
    for (const [i, span] of read.entries()) spans.set(files[i]!.path, span);
  }
  checkBadRows(options, counts, counts.rows_read - counts.rows_outside);
  return { files: plan.files, spans };
}

async function moveTo(options: ViewLoadOptions, start: RunStart, { files, spans }: Loaded): Promise<void> {
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
  const history = nextHistory(options, start);
  const next = { end_us: range.endUs, definition, history, files: Object.fromEntries(listed) };
  await throughOutage(() => moveCheckpoint(store.control, view.name, start.before, next), outageBoundsOf(options));
}
