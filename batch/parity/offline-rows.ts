/**
 * The offline truth of a view: the latest row of each entity in its files, as of the interval that is materialized.
 *
 * The rows are opened, decoded, checked and encoded by what a materialization does it with, so "a row" is the same; one
 * pass spills them by parts (row-spill.ts), and a part is reduced to the latest when its turn comes (part-entities.ts).
 */

import type { Checkpoint } from "../checkpoint.ts";
import type { FileToLoad } from "../file-open.ts";
import { addBatch, emptyCounts, type LoadCounts } from "../report.ts";
import { planView } from "../view-plan.ts";
import { isSampled, keyHash } from "./key-hash.ts";
import type { FileRecord } from "./parity-cause.ts";
import type { ViewParityOptions } from "./parity-run.ts";
import type { RowSpill } from "./row-spill.ts";

/** A view's files as far as they are compared. */
export interface OfflineFiles {
  readonly files: readonly FileToLoad[];
  /** Of each, what the checkpoint knows of it. */
  readonly records: readonly FileRecord[];
  /** Rows there are to read, by the files' footers. */
  readonly rowsToRead: number;
}

/**
 * Opens the files. Rows that are beyond ttl and grace are left out: no store holds them any more. Throws what planView
 * throws.
 */
export async function planOfflineFiles(options: ViewParityOptions, checkpoint: Checkpoint): Promise<OfflineFiles> {
  // Rows that were made by another definition are loaded anew, whatever their files.
  const known = checkpoint.definition === options.definition ? checkpoint.files : {};
  const { objects, encoder, loadedView: view, settings, signal, rangeRows } = options;
  const keptUs = ((view.ttlMs ?? Number.POSITIVE_INFINITY) + settings.expiryGrace) * 1_000;
  const interval = { startUs: Math.floor(options.now() * 1_000 - keptUs), endUs: checkpoint.end_us };
  const plan = await planView({
    ...{ view, objects, rangeRows, signal },
    range: interval,
    lookbackUs: 0,
    known,
    mayHaveLost: false,
    open: (file) => encoder.open(file),
  });
  return {
    files: plan.files.map(({ path, version }) => ({ path, version, interval })),
    records: plan.files.map(({ version, known }) => ({
      loadedThroughUs: known?.etag === version.etag ? known.through_us : undefined,
      modifiedUs: version.lastModifiedMs * 1_000,
    })),
    rowsToRead: plan.rowsToRead,
  };
}

/** Rows that were read, as far as it is told how many of them are bad. */
export type BadRowCounts = Pick<LoadCounts, "rows_read" | "rows_outside" | "rows_bad" | "bad_samples">;

/** What was read: of all files, and of those that the checkpoint doesn't know, which the next load will read. */
export interface SpilledRows {
  readonly all: BadRowCounts;
  readonly unknown: BadRowCounts;
}

/** Spills the rows of the files that are in the sample. Throws what FileEncoder.encode throws. */
export async function spillOfflineRows(
  options: ViewParityOptions,
  { files, records }: OfflineFiles,
  spill: RowSpill,
  originId: number,
  onRows: (rows: number) => void,
): Promise<SpilledRows> {
  const counts = { all: emptyCounts(), unknown: emptyCounts() };
  const { encoder, loadedView: view, applied, settings, sample, signal, rangeRows } = options;
  const batches = encoder.encode({
    ...{ view, applied, files, originId, rangeRows },
    maxFutureMs: settings.maxFuture,
    expiryGraceMs: settings.expiryGrace,
    onlineStoreLayout: settings.onlineStoreLayout,
    nowMs: options.now(),
    isUnsorted: true,
  });
  for await (const batch of batches) {
    addBatch(counts.all, batch);
    if (records[batch.file]!.loadedThroughUs === undefined) addBatch(counts.unknown, batch);
    const { keys, ends, bytes } = batch.rows;
    // As they lie in the block: an object for each would be garbage at once.
    for (const [row, key] of (ends.length === 0 ? [] : keys.split("\n")).entries()) {
      const hash = keyHash(key, sample?.seed ?? 0);
      if (sample !== undefined && !isSampled(hash, sample.share)) continue;
      spill.put(hash, key, batch.file, bytes, row === 0 ? 0 : ends[row - 1], ends[row]);
    }
    onRows(batch.read);
    signal?.throwIfAborted();
  }
  return counts;
}
