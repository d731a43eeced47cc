/**
 * What a materialization of a view begins with: the view's checkpoint, and the store's history, which tells at the end
 * whether what was written meanwhile is sure to be there.
 */

import { HeadgateError } from "../errors.ts";
import { type Checkpoint, type ReadCheckpoint, readCheckpoint } from "./checkpoint.ts";
import { throughOutage } from "./outage.ts";
import { checkPlan } from "./plan-check.ts";
import { planView, type ViewPlan } from "./view-plan.ts";
import { lookbackUsOf, outageBoundsOf, type ViewLoadOptions } from "./view-run.ts";

/** What a run begins with. */
export interface RunStart {
  /** See OnlineStore.history; read before anything is written. */
  readonly history: string;
  readonly before: ReadCheckpoint;
  /** The checkpoint, where it is of rows made as this run's will be. */
  readonly checkpoint: Checkpoint | undefined;
}

/** Reads it. */
export async function readStart(options: ViewLoadOptions): Promise<RunStart> {
  const { store, view, definition } = options;
  const history = await readHistory(options);
  const before = await throughOutage(() => readCheckpoint(store.control, view.name), outageBoundsOf(options));
  const checkpoint = before.checkpoint?.definition === definition ? before.checkpoint : undefined;
  return { history, before, checkpoint };
}

/** The store's history as it is now. */
export function readHistory(options: ViewLoadOptions): Promise<string> {
  return throughOutage(() => options.store.history(), outageBoundsOf(options));
}

/**
 * Plans from there, and runs the project's suite over what the plan will load. Throws what planView throws, SUITE_INVALID,
 * and EXPECTATIONS_FAILED where the rows are not what the suite calls critical.
 */
export async function planFrom(options: ViewLoadOptions, { history, checkpoint }: RunStart): Promise<ViewPlan> {
  const { objects, range, rangeRows, signal, encoder, loadedView: view } = options;
  const plan = await planView({
    ...{ view, objects, range, rangeRows, signal },
    known: checkpoint?.files ?? {},
    lookbackUs: lookbackUsOf(options),
    mayHaveLost: checkpoint !== undefined && checkpoint.history !== history,
    open: (file) => encoder.open(file),
  });
  return { ...plan, warnings: [...plan.warnings, ...(await checkPlan(options, plan))] };
}

/** The history that the next checkpoint may name: the store's, unless files that the last one knows were not looked at again. */
export function nextHistory({ range }: ViewLoadOptions, { history, checkpoint }: RunStart): string {
  return checkpoint === undefined || "incremental" in range ? history : checkpoint.history;
}

/** The failure of a load whose rows the store may have lost. */
export function rowsMayBeLost(view: string, next: string): HeadgateError {
  return new HeadgateError(
    "STORE_UNREACHABLE",
    `The online store was restarted or failed over while feature view "${view}" was loaded, so rows that it had acknowledged may be lost; the checkpoint has not moved. ${next}`,
  );
}
