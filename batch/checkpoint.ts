/**
 * How far a view has been materialized: a control record `checkpoint/<view>`, so that another machine goes on where the
 * last one stopped. It moves only forward, and only by compare-and-set on what was read before the work began.
 *
 * Its invariant: of a file that it lists, in the version that it lists, every row whose event is before `through_us` is
 * in the online store. So an incremental materialization has to read a known file only when it holds something at or
 * after that, and reads a new file or version whole, which is how late rows get in.
 *
 * A store that restarts or fails over may lose rows that it had acknowledged, and the checkpoint that says they are there
 * may outlive them. So the checkpoint keeps the store's history; an incremental materialization that finds another one
 * reads the files it knows once more from the lookback on. What was lost is most often what was written last, and that
 * is most often of late; the lookback bounds what is read again, and no proof is claimed for what is older.
 */

import { HeadgateError } from "../errors.ts";
import { type ControlStore, sameBytes } from "../features/store/online-store.ts";
import type { Interval } from "./interval.ts";

/** A file that has been loaded. */
export interface LoadedFile {
  readonly etag: string;
  /** Every row whose event is before this is loaded, µs. */
  readonly through_us: number;
  /** The latest event in the file, µs; absent when it has no row with an event. */
  readonly last_event_us?: number;
}

/** The record. */
export interface Checkpoint {
  /** The latest end of a materialization of this view by this definition, µs. */
  readonly end_us: number;
  /** What rows were made by: the applied generation and the view's definition. Another one begins anew. */
  readonly definition: string;
  /** The store's history (OnlineStore.history) under which every row that it answers for was written or read again. */
  readonly history: string;
  readonly files: Readonly<Record<string, LoadedFile>>;
}

/** A record as it was read; `bytes` are what it must still be when it is replaced. */
export interface ReadCheckpoint {
  readonly bytes: Uint8Array | undefined;
  readonly checkpoint: Checkpoint | undefined;
}

/** Reads the view's checkpoint. */
export async function readCheckpoint(control: ControlStore, view: string): Promise<ReadCheckpoint> {
  const bytes = await control.get(recordName(view));
  const text = bytes === undefined ? undefined : Buffer.from(bytes).toString("utf8");
  return { bytes, checkpoint: text === undefined ? undefined : (JSON.parse(text) as Checkpoint) };
}

/** Replaces it; that it is there already is as good. Throws CONTROL_CONFLICT when another process did in the meantime. */
export async function moveCheckpoint(
  control: ControlStore,
  view: string,
  before: ReadCheckpoint,
  next: Checkpoint,
): Promise<void> {
  const sameMade = before.checkpoint?.definition === next.definition ? before.checkpoint : undefined;
  const forward = { ...next, end_us: Math.max(next.end_us, sameMade?.end_us ?? next.end_us) };
  const bytes = Buffer.from(JSON.stringify(forward));
  if (await control.compareAndSet(recordName(view), before.bytes, bytes)) return;
  // An earlier attempt may have been done and its answer lost; two last shards put the same.
  if (sameBytes(await control.get(recordName(view)), bytes)) return;
  throw new HeadgateError(
    "CONTROL_CONFLICT",
    `The checkpoint of feature view "${view}" was moved by another process. Its rows are in the store; run the command again.`,
  );
}

/** What an incremental materialization goes by. */
export interface IncrementalBounds {
  readonly endUs: number;
  readonly lookbackUs: number;
  /** True when the store may have lost rows since the checkpoint moved. */
  readonly mayHaveLost: boolean;
}

/**
 * What an incremental materialization has to read of a file: nothing of one that is known and has nothing new, the
 * lookback and what follows of one that has, or where rows may have been lost; all of one that is not known.
 */
export function incrementalInterval(
  known: LoadedFile | undefined,
  etag: string,
  { endUs, lookbackUs, mayHaveLost }: IncrementalBounds,
): Interval | undefined {
  if (known?.etag !== etag) return { startUs: Number.NEGATIVE_INFINITY, endUs };
  const lastUs = known.last_event_us ?? Number.NEGATIVE_INFINITY;
  const startUs = known.through_us - lookbackUs;
  if (lastUs >= known.through_us && endUs > known.through_us) return { startUs, endUs };
  return mayHaveLost && lastUs >= startUs ? { startUs, endUs: Math.max(endUs, known.through_us) } : undefined;
}

/**
 * What is known of a file after an interval of it was loaded; undefined when rows before the interval may be missing.
 * `firstEventUs` and `lastEventUs` are of the whole file.
 */
export function loadedFile(
  known: LoadedFile | undefined,
  etag: string,
  interval: Interval,
  events: { readonly firstEventUs: number; readonly lastEventUs: number },
): LoadedFile | undefined {
  const same = known?.etag === etag ? known : undefined;
  const throughUs = same?.through_us ?? events.firstEventUs;
  // An interval that leaves a gap behind what is loaded adds nothing that can be relied on.
  if (interval.startUs > throughUs) return same;
  const last = Number.isFinite(events.lastEventUs) ? { last_event_us: events.lastEventUs } : undefined;
  return { etag, through_us: Math.max(interval.endUs, same?.through_us ?? interval.endUs), ...last };
}

function recordName(view: string): string {
  return `checkpoint/${view}`;
}
