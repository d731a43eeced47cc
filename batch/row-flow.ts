/**
 * Rows of files on their way into the store: encoded elsewhere, counted here, written in batches of their own size
 * (ten thousand small files must not be ten thousand small writes), at a bounded rate, through a short outage of the
 * store. Reading, encoding and writing overlap.
 */

import { HeadgateError } from "../errors.ts";
import type { RowWrite } from "../features/store/online-store.ts";
import type { FileToLoad } from "./file-open.ts";
import { throughOutage } from "./outage.ts";
import { addBatch, addOutcomes, count, type LoadCounts, rows } from "./report.ts";
import { unpackRows } from "./row-batch.ts";
import { createRowRate } from "./row-rate.ts";
import { type MaterializeSettings, outageBoundsOf, type ViewLoadOptions, type ViewRun } from "./view-run.ts";

/** Default of ViewLoadOptions.writeRows. More is held in memory for longer and loads hardly quicker. */
export const DEFAULT_WRITE_ROWS = 16_384;

/** Where the events of a file lie; ±Infinity when it has none. */
export interface EventSpan {
  readonly firstEventUs: number;
  readonly lastEventUs: number;
}

/** No event. */
export const NO_EVENTS: EventSpan = Object.freeze({
  firstEventUs: Number.POSITIVE_INFINITY,
  lastEventUs: Number.NEGATIVE_INFINITY,
});

/** The span of both. */
export function joinSpans(a: EventSpan, b: EventSpan): EventSpan {
  return {
    firstEventUs: Math.min(a.firstEventUs, b.firstEventUs),
    lastEventUs: Math.max(a.lastEventUs, b.lastEventUs),
  };
}

/** What flows. */
export interface RowFlow {
  readonly files: readonly FileToLoad[];
  readonly originId: number;
  /** Rows that this process reads, for its progress. */
  readonly rowsToRead: number;
  /** Rows that the whole load reads, of which some may be bad. */
  readonly rowsTotal: number;
}

/**
 * Loads the files; where the events read of each lie. All rows are in the store then. Throws what reading and writing
 * throw, TOO_MANY_BAD_ROWS once the rest can't make up for them, MATERIALIZE_RUNNING for a lost lease, the signal's
 * reason.
 */
export async function flowRows(run: ViewRun, flow: RowFlow): Promise<readonly EventSpan[]> {
  const { options, counts, startMs } = run;
  const { settings, applied, rangeRows, signal, encoder, loadedView } = options;
  const spans: EventSpan[] = flow.files.map(() => NO_EVENTS);
  const sink = createSink(run);
  const batches = encoder.encode({
    view: loadedView,
    applied,
    files: flow.files,
    originId: flow.originId,
    maxFutureMs: settings.maxFuture,
    expiryGraceMs: settings.expiryGrace,
    onlineStoreLayout: settings.onlineStoreLayout,
    nowMs: options.now(),
    rangeRows,
  });
  for await (const batch of batches) {
    spans[batch.file] = joinSpans(spans[batch.file]!, batch);
    addBatch(counts, batch);
    checkBadRows(options, counts, flow.rowsTotal);
    for (const slice of unpackRows(batch.rows, options.writeRows)) await sink.put(slice);
    const { rowsToRead: rowsTotal } = flow;
    options.onProgress?.({ view: loadedView.name, rowsRead: counts.rows_read, rowsTotal, startMs, ended: false });
    signal?.throwIfAborted();
  }
  await sink.end();
  return spans;
}

interface Sink {
  put(rows: readonly RowWrite[]): Promise<void>;
  /** Writes what is left. */
  end(): Promise<void>;
}

function createSink({ options, lease, counts }: ViewRun): Sink {
  const { store, settings, now, wait, signal } = options;
  const rate = createRowRate(settings.materializeRate, now, wait);
  const outage = outageBoundsOf(options);
  const mostRows = Math.min(options.writeRows, rate.pieceRows);
  let waiting: readonly RowWrite[] = [];
  const write = async (batch: readonly RowWrite[]): Promise<void> => {
    await rate.take(batch.length, signal);
    const outcomes = await throughOutage(() => {
      lease.check();
      return store.write(batch);
    }, outage);
    addOutcomes(counts, outcomes);
  };
  return Object.freeze({
    put: async (added: readonly RowWrite[]) => {
      waiting = waiting.length === 0 ? added : [...waiting, ...added];
      let from = 0;
      for (; waiting.length - from >= mostRows; from += mostRows) await write(waiting.slice(from, from + mostRows));
      if (from > 0) waiting = waiting.slice(from);
    },
    end: async () => {
      if (waiting.length > 0) await write(waiting);
      waiting = [];
    },
  });
}

/** Throws TOO_MANY_BAD_ROWS when more of `ofRows` are bad than the setting allows. */
export function checkBadRows(
  { view, settings }: Pick<ViewLoadOptions, "view"> & { readonly settings: Pick<MaterializeSettings, "maxBadRows"> },
  { rows_bad, bad_samples }: Pick<LoadCounts, "rows_bad" | "bad_samples">,
  ofRows: number,
): void {
  if (rows_bad <= settings.maxBadRows * ofRows) return;
  const first = bad_samples[0]!;
  throw new HeadgateError(
    "TOO_MANY_BAD_ROWS",
    `${count(rows_bad)} of ${rows(ofRows)} of feature view "${view.name}" can't be taken, more than maxBadRows (${Number((settings.maxBadRows * 100).toPrecision(6))}%) allows. The first is row ${first.row} of ${first.file}: ${first.reason.replace(/\.$/, "")}. Repair the files, or raise maxBadRows.`,
  );
}
