/**
 * Where a proven version runs: on this thread when a run is short against what a hand-over costs and may hold the event
 * loop for as long, else in worker processes, so that one heavy model never delays a light one.
 */

import type { OpenedModel, ProvenModel, VersionFiles } from "./opened-model.ts";
import { type ModelSession, openSession, type RunModel } from "./session.ts";
import { openPool } from "./session-pool.ts";
import type { SpareWorker } from "./spare-worker.ts";
import { WORKERS_WORK } from "./worker-session.ts";

/** Where a version runs. */
export type Placement = "inline" | "workers";

/** A run of one row that takes less is run on this thread, µs: to hand it to another process and back takes a third of it. */
const INLINE_MAX_MICROS = 1_000;

/** A model that takes longer to be opened stays where it was proven, ms: to open it here would hold the event loop for as long. */
const INLINE_OPEN_MAX_MS = 50;

/** What decides where a version belongs. */
export interface Weight {
  /** Of a run of one row, µs. */
  readonly runMicros: number;
  /** CPU time to open it, ms; 0 where it was opened on this thread. */
  readonly openMs: number;
}

/** Where a version runs from now on. */
export interface Place {
  readonly placement: Placement;
  readonly run: RunModel;
  readonly maxRuns: number;
  /** Why it can't run now; undefined while it can. */
  failure(): string | undefined;
  release(): Promise<void>;
}

/**
 * Whether a version that takes so long belongs on this thread. `aside`: nobody waits for it, such as a shadow, and it
 * stays in workers, however quick it is.
 */
export const belongsInline = ({ openMs, runMicros }: Weight, aside: boolean): boolean =>
  !WORKERS_WORK || (runMicros < INLINE_MAX_MICROS && openMs < INLINE_OPEN_MAX_MS && !aside);

/**
 * Leaves the model where it was proven when that is where it belongs, or opens it there and closes it here. `threads` is
 * how many workers it gets where it runs in workers.
 */
export async function settle(
  { name, version }: VersionFiles,
  opened: OpenedModel,
  { run, runMicros, signature }: ProvenModel,
  threads: number,
  aside: boolean,
  spare?: SpareWorker,
): Promise<Place> {
  const { file, openMs, session, weights, worker } = opened;
  const isInline = belongsInline({ runMicros, openMs }, aside);
  const inline = (here: ModelSession, itsRun: RunModel): Place => ({
    placement: "inline",
    run: itsRun,
    maxRuns: 1,
    failure: () => undefined,
    release: () => here.release(),
  });
  if (isInline && worker === undefined) return inline(session, run);
  const bytes = await opened.bytes();
  if (isInline && worker !== undefined) {
    const here = await openSession(bytes, file, weights);
    // It may be kept for the next version.
    await (spare?.giveBack(worker) ?? session.release());
    return inline(here, here.compileRun(signature));
  }
  await worker?.call("keepOpen", null);
  const first = worker && { worker, graph: session.graph };
  const pool = await openPool({ name, version, file, bytes, weights, signature, size: threads, first });
  if (worker === undefined) await session.release();
  return {
    placement: "workers",
    run: pool.run,
    maxRuns: threads,
    failure: () => pool.failure,
    release: () => pool.close(),
  };
}
