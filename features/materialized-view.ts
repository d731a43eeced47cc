/**
 * What is known of a view's loads: a control record `materialized/<view>` with the last one that was done and the last
 * one that failed, for those who look at the view without loading it: metrics, descriptions, the nightly's catching up.
 *
 * It decides nothing that a load depends on; that is the checkpoint's part. So a record that could not be written is
 * no fault of the load, and readers are content with one that is some seconds old: a store that is away must hold up
 * neither a scrape nor a list.
 */

import { type KeptReadingOptions, keptReading } from "./kept-reading.ts";
import type { ControlStore } from "./store/online-store.ts";

/** The record. Each part is absent until there was such a load. */
export interface MaterializedView {
  readonly success?: MaterializedSuccess;
  readonly failure?: MaterializedFailure;
}

/** The last load that was done. */
export interface MaterializedSuccess {
  readonly run: string;
  /** When it began, epoch ms: a file that came later is none of its own. */
  readonly started_at_ms: number;
  /** When it was done, epoch ms. */
  readonly at_ms: number;
  /** The latest end of all loads by this definition, µs: a load of an old interval does not take it back. */
  readonly end_us: number;
  /** Rows that it wrote; those that were stored already are not among them. */
  readonly rows_written: number;
  /** Fingerprint of the definition that its rows were made by. */
  readonly definition: string;
}

/** The last load that failed; the view is in trouble when it is later than the last success. */
export interface MaterializedFailure {
  readonly run: string;
  /** When it failed, epoch ms. */
  readonly at_ms: number;
  /** A code of errors.ts. */
  readonly code: string;
}

/** The views of a store as they were last materialized; a view that was never is there without parts. */
export type MaterializedViews = ReadonlyMap<string, MaterializedView>;

/** A record that others change too is read and put again at most so often. */
const RECORD_TRIES = 3;

/** Records a load. Never throws: what can't be recorded shows as the age of what was. */
export async function recordMaterialized(control: ControlStore, view: string, load: MaterializedView): Promise<void> {
  const name = recordName(view);
  try {
    for (let tries = 0; tries < RECORD_TRIES; tries++) {
      const before = await control.get(name);
      const next = joined(parse(before), load);
      if (await control.compareAndSet(name, before, Buffer.from(JSON.stringify(next)))) return;
    }
  } catch {
    // The load has said itself what became of it.
  }
}

function joined(before: MaterializedView, { success, failure }: MaterializedView): MaterializedView {
  const isSame = success?.definition === before.success?.definition;
  const endUs = Math.max(
    success?.end_us ?? 0,
    (isSame ? before.success?.end_us : undefined) ?? Number.NEGATIVE_INFINITY,
  );
  return {
    ...before,
    ...(success === undefined ? {} : { success: { ...success, end_us: endUs } }),
    ...(failure === undefined ? {} : { failure }),
  };
}

/** Reads the record of each view. Throws what the store throws. */
export async function readMaterialized(control: ControlStore, views: readonly string[]): Promise<MaterializedViews> {
  const records = await Promise.all(views.map((view) => control.get(recordName(view))));
  return new Map(views.map((view, i) => [view, parse(records[i])]));
}

/**
 * Up to when all views are loaded, epoch ms: a load is as good as the time it ended and as the time it loaded up to.
 * Undefined when one never was, or only by another definition than the one it has now.
 */
export function materializedUpToMs(
  views: MaterializedViews,
  definitionOf: (view: string) => string | undefined,
): number | undefined {
  let upToMs = Number.POSITIVE_INFINITY;
  for (const [view, { success }] of views) {
    if (success === undefined || success.definition !== definitionOf(view)) return undefined;
    upToMs = Math.min(upToMs, success.at_ms, success.end_us / 1_000);
  }
  return upToMs;
}

/** How a reader asks. */
export interface MaterializedReaderOptions extends KeptReadingOptions {
  readonly control: ControlStore;
  readonly views: readonly string[];
}

/** Reads the records for those who ask again and again; see keptReading. Before a first answer of the store it knows of no view. */
export function materializedReader(options: MaterializedReaderOptions): () => Promise<MaterializedViews> {
  return keptReading(() => readMaterialized(options.control, options.views), new Map(), options);
}

function recordName(view: string): string {
  return `materialized/${view}`;
}

function parse(bytes: Uint8Array | undefined): MaterializedView {
  return bytes === undefined ? {} : (JSON.parse(Buffer.from(bytes).toString("utf8")) as MaterializedView);
}
