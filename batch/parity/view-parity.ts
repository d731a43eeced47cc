/**
 * One view from its files and its store to its verdict: both sides are spilled by parts of the entity key's hash, then
 * held against each other part by part.
 *
 * Memory is bounded by what is worked on at once (some 4,096 rows, or a 512th of all), a range of a file that is decoded,
 * and the blocks being gathered. The temporary files take about the size of both sides' rows and keys.
 */

import { HeadgateError, reasonOf } from "../../errors.ts";
import { type MaterializedSuccess, readMaterialized } from "../../features/materialized-view.ts";
import { compileDecodeValues } from "../../features/row-codec.ts";
import { formatTimestampUs } from "../../features/timestamp.ts";
import { recordOrigin } from "../../features/writer.ts";
import { type Checkpoint, readCheckpoint } from "../checkpoint.ts";
import { type OfflineFiles, planOfflineFiles, type SpilledRows, spillOfflineRows } from "./offline-rows.ts";
import { createPacedReads, createServeRows } from "./online-rows.ts";
import { type CauseEvidence, causeOf } from "./parity-cause.ts";
import { isMismatch, type PairRules } from "./parity-pair.ts";
import { comparePart } from "./parity-part.ts";
import { createParityRepair, type ParityRepair } from "./parity-repair.ts";
import type { ViewParity } from "./parity-result.ts";
import type { ComparedPair, ViewParityOptions } from "./parity-run.ts";
import { createParityTally } from "./parity-tally.ts";
import { gatherEntities } from "./part-entities.ts";
import { unfitByBadRows, unfitBySuite } from "./repair-fitness.ts";
import { PARTS_MOST, partGroups, partsFor, RowSpill } from "./row-spill.ts";
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
  const { store, view, repair } = options;
  // Before the checkpoint: what was loaded since is newer than the files that are compared, or among them.
  const success = (await readMaterialized(store.control, [view.name])).get(view.name)?.success;
  const { checkpoint } = await readCheckpoint(store.control, view.name);
  if (checkpoint === undefined) return unjudgedView(options, "fail", NEVER_MATERIALIZED);
  const observer = await options.observe();
  const files = await planOfflineFiles(options, checkpoint);
  const { evidence, rules } = knownOf(options, files, checkpoint, success);
  const tally = createParityTally(view);
  const unfit = repair === undefined ? undefined : await unfitBySuite(options, files, checkpoint.end_us);
  const begun: Begun = { rowsBad: 0, refusal: unfit, repairing: undefined };
  await compareAll(options, files, rules, (spilled) => {
    begun.rowsBad = spilled.all.rows_bad;
    if (repair !== undefined) begun.refusal ??= unfitByBadRows(options, spilled.unknown);
    if (repair !== undefined && begun.refusal === undefined) begun.repairing = createParityRepair(options);
    return async (pairs, nowMs) => {
      for (const { pair, verdict } of pairs) {
        tally.add(pair, verdict, isMismatch(verdict) ? causeOf(pair, verdict, evidence) : undefined, nowMs);
      }
      observer?.take(pairs);
      await begun.repairing?.take(pairs, nowMs);
    };
  });
  const { refusal, repairing, rowsBad } = begun;
  const compared = { materializedTo: formatTimestampUs(checkpoint.end_us), rowsBad };
  const failures = [...(observer?.finish() ?? []), ...(refusal === undefined ? [] : [refusal])];
  return {
    ...settledView(options, tally.finish(), compared, failures),
    ...(repairing && { repair: repairing.counts() }),
  };
}

/** What is known once the files are read. */
interface Begun {
  rowsBad: number;
  /** Why nothing is repaired, in a sentence. */
  refusal: string | undefined;
  repairing: ParityRepair | undefined;
}

const NEVER_MATERIALIZED =
  "The view was never materialized, so there is nothing to hold it against; run headgate materialize-incremental now.";

/** What a view's records say for its verdict, and for its causes. */
function knownOf(
  { view, applied, settings }: ViewParityOptions,
  { records }: OfflineFiles,
  checkpoint: Checkpoint,
  success: MaterializedSuccess | undefined,
): { readonly evidence: CauseEvidence; readonly rules: PairRules } {
  const maxFutureUs = settings.maxFuture * 1_000;
  const evidence: CauseEvidence = {
    files: records,
    loadStartedUs: success === undefined ? checkpoint.end_us : success.started_at_ms * 1_000,
    schemaId: applied.schemaId,
    generation: applied.generation,
    maxFutureUs,
  };
  const rules: PairRules = {
    maxAgeUs: (view.ttlMs ?? Number.POSITIVE_INFINITY) * 1_000,
    endUs: checkpoint.end_us,
    maxFutureUs,
    loadedAtMs: success?.at_ms ?? Number.POSITIVE_INFINITY,
  };
  return { evidence, rules };
}

type TakePairs = (pairs: readonly ComparedPair[], nowMs: number) => Promise<void>;

/** Compares; `begin` is told once what the files' rows were, and gives who takes the pairs. */
async function compareAll(
  options: ViewParityOptions,
  files: OfflineFiles,
  rules: PairRules,
  begin: (spilled: SpilledRows) => TakePairs,
): Promise<void> {
  const { view, schemas, sample, signal, now } = options;
  // How many rows a store has is not known, and may be far more than the files'.
  const parts = sample === undefined ? PARTS_MOST : partsFor(files.rowsToRead * sample.share);
  const spills: RowSpill[] = [];
  const open = () => spills[spills.push(new RowSpill(parts)) - 1]!;
  const reads = createPacedReads(options);
  const serve = createServeRows(view, schemas);
  const decode = compileDecodeValues(Object.values(view.schema));
  try {
    const offline = open();
    const online = sample === undefined ? open() : undefined;
    const scan = online && ((failed: AbortSignal) => reads.scanInto(online, failed));
    const take = begin(await spillBoth(options, files, offline, scan));
    const progress = phase(options, "compared", files.rowsToRead);
    const counted: TakePairs = (pairs, nowMs) => {
      progress.add(pairs.length);
      return take(pairs, nowMs);
    };
    const onlineRows = online?.rowsOfParts();
    const rowsOfParts = offline.rowsOfParts().map((rows, part) => rows + (onlineRows?.[part] ?? 0));
    // Of few rows, parts would be read and written a handful at a time.
    for (const group of partGroups(rowsOfParts)) {
      const entities = group.flatMap((part) =>
        gatherEntities(rowsOfParts[part]!, offline.take(part), online?.take(part)),
      );
      await comparePart({ rules, serve, reads, decode, isScanned: online !== undefined, now, take: counted }, entities);
      // Of rows in memory all of this is one turn of the event loop, in which no signal is heard.
      await new Promise(setImmediate);
      signal?.throwIfAborted();
    }
    progress.end();
  } finally {
    for (const spill of spills) spill.close();
  }
}

/** Both at once: one mostly decodes, in a thread of its own, the other mostly waits for the store. */
async function spillBoth(
  options: ViewParityOptions,
  files: OfflineFiles,
  offline: RowSpill,
  scan: ((failed: AbortSignal) => Promise<void>) | undefined,
): Promise<SpilledRows> {
  const progress = phase(options, "files", files.rowsToRead);
  const originId = options.repair === "write" ? await recordRepairOrigin(options, files) : 0;
  const failed = new AbortController();
  const fail = (cause: unknown) => failed.abort(cause);
  const onRows = (rows: number) => {
    failed.signal.throwIfAborted();
    progress.add(rows);
  };
  // Both are waited for, since either may write to its file until it is done.
  const [spilled] = await Promise.all([
    spillOfflineRows(options, files, offline, originId, onRows).catch(fail),
    scan?.(failed.signal).catch(fail),
  ]);
  failed.signal.throwIfAborted();
  progress.end();
  return spilled!;
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
