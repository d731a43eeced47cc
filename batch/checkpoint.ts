/**
 * How far a view has been materialized: a control record `checkpoint/<view>`, so that another machine goes on where the
 * last one stopped. It moves only forward, and only by compare-and-set on what was read before the work began.
 *
 * Its invariant: of a file that it lists, in the version that it lists, every row whose event is before `through_us` is
 * in the online store. So an incremental materialization has to read a known file only when it holds something at or
 * after that, and reads a new file or version whole, which is how late rows get in.
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
  /** The latest end of a materialization of this view, µs. */
  readonly end_us: number;
  /** What rows were made by: the applied generation and the view's definition. Another one begins anew. */
  readonly definition: string;
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
  const forward = { ...next, end_us: Math.max(next.end_us, before.checkpoint?.end_us ?? next.end_us) };
  const bytes = Buffer.from(JSON.stringify(forward));
  if (await control.compareAndSet(recordName(view), before.bytes, bytes)) return;
  // An earlier attempt may have been done and its answer lost; two last shards put the same.
  if (sameBytes(await control.get(recordName(view)), bytes)) return;
  throw new HeadgateError(
    "CONTROL_CONFLICT",
    `The checkpoint of feature view "${view}" was moved by another process. Its rows are in the store; run the command again.`,
  );
}

/**
 * What an incremental materialization to `endUs` has to read of a file: nothing of one that is known and has nothing
 * new, the lookback and what follows of one that has, all of one that is not known.
 */
export function incrementalInterval(
  known: LoadedFile | undefined,
  etag: string,
  endUs: number,
  lookbackUs: number,
): Interval | undefined {
  if (known?.etag !== etag) return { startUs: Number.NEGATIVE_INFINITY, endUs };
  if ((known.last_event_us ?? Number.NEGATIVE_INFINITY) < known.through_us || endUs <= known.through_us)
    return undefined;
  return { startUs: known.through_us - lookbackUs, endUs };
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
