/**
 * One view from its files and its store to its verdict: both sides are spilled by parts of the entity key's hash, then
 * held against each other part by part.
 *
 * Memory is bounded by a part of each side (some 16,384 rows, or a 512th of all), a range of a file that is decoded, and
 * the blocks being gathered: whatever the number of entities. The temporary files take about the size of both sides'
 * rows and keys.
 */

import { HeadgateError, reasonOf } from "../../errors.ts";
import { readMaterialized } from "../../features/materialized-view.ts";
import { compileDecodeValues } from "../../features/row-codec.ts";
import { formatTimestampUs } from "../../features/timestamp.ts";
import { recordOrigin } from "../../features/writer.ts";
import { readCheckpoint } from "../checkpoint.ts";
import { type OfflineFiles, planOfflineFiles, spillOfflineRows } from "./offline-rows.ts";
import { createPacedReads, createServeRows } from "./online-rows.ts";
import { type CauseEvidence, causeOf } from "./parity-cause.ts";
import { isMismatch, type PairRules } from "./parity-pair.ts";
import { comparePart } from "./parity-part.ts";
import { createParityRepair } from "./parity-repair.ts";
import type { ViewParity } from "./parity-result.ts";
import type { ComparedPair, ViewParityOptions } from "./parity-run.ts";
import { createParityTally } from "./parity-tally.ts";
import { gatherEntities } from "./part-entities.ts";
import { partsFor, RowSpill } from "./row-spill.ts";
import { settledView, unjudgedView } from "./view-verdict.ts";

/** Compares a view. Throws the signal's reason; whatever else goes wrong is in the answer. */
export async function compareView(options: ViewParityOptions): Promise<ViewParity> {
  const startMs = options.now();
  const seconds = () => (options.now() - startMs) / 1_000;
  try {
    return { ...(await judgeView(options)), seconds: seconds() };
  } catch (cause) {
    options.signal?.throwIfAborted();
    const code = cause instanceof HeadgateError ? cause.code : "INTERNAL";
    const error = { code, detail: reasonOf(cause) };
    return { ...unjudgedView(options, "error", error.detail), seconds: seconds(), error };
  }
}

async function judgeView(options: ViewParityOptions): Promise<ViewParity> {
  const { store, view, applied, settings, repair } = options;
  const { checkpoint } = await readCheckpoint(store.control, view.name);
  if (checkpoint === undefined) return unjudgedView(options, "fail", NEVER_MATERIALIZED);
  const success = (await readMaterialized(store.control, [view.name])).get(view.name)?.success;
  const files = await planOfflineFiles(options, checkpoint);
  const evidence: CauseEvidence = {
    files: files.records,
    loadedAtUs: success === undefined ? checkpoint.end_us : success.at_ms * 1_000,
    schemaId: applied.schemaId,
    hasTtl: view.ttlMs !== undefined,
    maxFutureUs: settings.maxFuture * 1_000,
  };
  const maxAgeUs = (view.ttlMs ?? Number.POSITIVE_INFINITY) * 1_000;
  const rules = { maxAgeUs, endUs: checkpoint.end_us, maxFutureUs: evidence.maxFutureUs };
  const tally = createParityTally(view);
  const repairing = repair === undefined ? undefined : createParityRepair(options);
  await compareAll(options, files, rules, async (pairs, nowMs) => {
    for (const { pair, verdict } of pairs) {
      tally.add(pair, verdict, isMismatch(verdict) ? causeOf(pair, verdict, evidence) : undefined, nowMs);
    }
    options.observer?.take(pairs);
    await repairing?.take(pairs, nowMs);
  });
  const to = formatTimestampUs(checkpoint.end_us);
  return {
    ...settledView(options, tally.finish(), to, options.observer?.finish()),
    ...(repairing && { repair: repairing.counts() }),
  };
}

const NEVER_MATERIALIZED =
  "The view was never materialized, so there is nothing to hold it against; run headgate materialize-incremental now.";

type TakePairs = (pairs: readonly ComparedPair[], nowMs: number) => Promise<void>;

async function compareAll(
  options: ViewParityOptions,
  files: OfflineFiles,
  rules: PairRules,
  take: TakePairs,
): Promise<void> {
  const { view, schemas, sample, signal, now } = options;
  const parts = partsFor(files.rowsToRead * (sample?.share ?? 1));
  const offline = new RowSpill(parts);
  const online = sample === undefined ? new RowSpill(parts) : undefined;
  const reads = createPacedReads(options);
  const serve = createServeRows(view, schemas);
  const decode = compileDecodeValues(Object.values(view.schema));
  try {
    await spillBoth(
      options,
      files,
      offline,
      online === undefined ? undefined : (failed) => reads.scanInto(online, failed),
    );
    const progress = phase(options, "compared", files.rowsToRead);
    for (let part = 0; part < parts; part++) {
      const entities = gatherEntities(offline.take(part), online?.take(part));
      const counted: TakePairs = (pairs, nowMs) => {
        progress.add(pairs.length);
        return take(pairs, nowMs);
      };
      await comparePart({ rules, serve, reads, decode, isScanned: online !== undefined, now, take: counted }, entities);
      // Of rows in memory all of this is one turn of the event loop, in which no signal is heard.
      await new Promise(setImmediate);
      signal?.throwIfAborted();
    }
    progress.end();
  } finally {
    offline.close();
    online?.close();
  }
}

/** Both at once: one mostly decodes, in a thread of its own, the other mostly waits for the store. */
async function spillBoth(
  options: ViewParityOptions,
  files: OfflineFiles,
  offline: RowSpill,
  scan: ((failed: AbortSignal) => Promise<void>) | undefined,
): Promise<void> {
  const progress = phase(options, "files", files.rowsToRead);
  const originId = options.repair === "write" ? await recordRepairOrigin(options, files) : 0;
  const failed = new AbortController();
  const fail = (cause: unknown) => failed.abort(cause);
  const onRows = (rows: number) => {
    failed.signal.throwIfAborted();
    progress.add(rows);
  };
  // Both are waited for, since either may write to its file until it is done.
  await Promise.all([
    spillOfflineRows(options, files, offline, originId, onRows).catch(fail),
    scan?.(failed.signal).catch(fail),
  ]);
  failed.signal.throwIfAborted();
  progress.end();
}

function recordRepairOrigin({ store, view, run }: ViewParityOptions, { files }: OfflineFiles): Promise<number> {
  return recordOrigin(store.control, { run, view: view.name, repair: "true", file_count: files.length });
}

/** One of the two lines of progress that a view has. */
function phase({ onProgress, view, now }: ViewParityOptions, name: string, rowsTotal: number) {
  const startMs = now();
  let rowsRead = 0;
  const tell = (ended: boolean) => onProgress({ view: `${view.name} ${name}`, rowsRead, rowsTotal, startMs, ended });
  return {
    add: (rows: number) => {
      rowsRead += rows;
      tell(false);
    },
    end: () => tell(true),
  };
}
