/**
 * What the online store serves of a view. Rows are found in one of two ways: all of them by scanning page by page, which
 * also finds those that no file has, or those of some keys by reading. What serving makes of a row is the reader's to
 * say either way: the one that `/predict` has, with a plan of this view alone.
 */

import { featureService } from "../../features/feature-service.ts";
import type { FeatureVector } from "../../features/feature-vector.ts";
import { compileReadPlan, type ReadPlan } from "../../features/read-plan.ts";
import { createFeatureReader } from "../../features/reader.ts";
import type { EntityRows, ScanPage } from "../../features/store/online-store.ts";
import type { StoredSchemas } from "../../features/stored-schema.ts";
import type { FileView } from "../materialize.ts";
import { createRowRate, type RowRate } from "../row-rate.ts";
import { keyHash } from "./key-hash.ts";
import type { ViewParityOptions } from "./parity-run.ts";
import type { RowSpill } from "./row-spill.ts";

/**
 * Rows of a page of a scan. A page is two round trips, one after the other, so more rows are quicker; a Redis serves
 * nobody else for about a millisecond while it names the keys of one, and reads their rows READ_ROWS at a time.
 */
const SCAN_ROWS = 4_000;

/** Makes of found rows, one an entity key, what a request would be served at a time. */
export type ServeRows = (
  keys: readonly string[],
  found: readonly EntityRows[],
  nowMs: number,
) => FeatureVector[] | Promise<FeatureVector[]>;

/** The reader of a view, over rows that were found already. */
export function createServeRows(view: FileView, schemas: StoredSchemas): ServeRows {
  let rows: readonly EntityRows[] = [];
  const reader = createFeatureReader({ read: () => rows }, schemas, keyedPlan(view));
  return (keys, found, nowMs) => {
    rows = found;
    return reader.read(
      keys.map((entity_key) => ({ entity_key })),
      [],
      nowMs,
    );
  };
}

/** A plan of all of the view's features, in its schema's order, whose entities are named by ready entity keys. */
function keyedPlan(view: FileView): ReadPlan {
  const plan = compileReadPlan(featureService("parity", [view]));
  const keys = plan.keys.map((key) => ({
    ...key,
    joinKeys: ["entity_key"],
    keyOf: ([key]: readonly unknown[]) => String(key),
  }));
  return { ...plan, keys };
}

/** Reads from the store at the rate of the settings. */
export interface PacedReads {
  /** The rows of the view under these keys, at most READ_ROWS of them. */
  read(keys: readonly string[]): Promise<readonly EntityRows[]>;
  /** Spills all rows that the store has. Rejects with STORE_UNREACHABLE, or the reason of `stop`. */
  scanInto(spill: RowSpill, stop: AbortSignal): Promise<void>;
}

/** Opens them. */
export function createPacedReads(options: ViewParityOptions): PacedReads {
  const { store, view, settings, now, wait, signal } = options;
  const rate = createRowRate(settings.parityRate, now, wait);
  const pageRows = Math.min(SCAN_ROWS, rate.pieceRows);
  const fields = [view.name];
  const read = async (keys: readonly string[]): Promise<readonly EntityRows[]> => {
    await rate.take(keys.length, signal);
    return store.read(keys.map((key) => ({ key, fields })));
  };
  return Object.freeze({
    read,
    scanInto: (spill: RowSpill, stop: AbortSignal) => scanInto(options, rate, pageRows, spill, stop),
  });
}

async function scanInto(
  { store, view, signal }: ViewParityOptions,
  rate: RowRate,
  pageRows: number,
  spill: RowSpill,
  stop: AbortSignal,
): Promise<void> {
  const look = async (cursor?: string): Promise<ScanPage> => {
    // A page costs the store the keys it looks at, whosever they are.
    await rate.take(pageRows, signal);
    return store.scan(view.name, pageRows, cursor);
  };
  let scanning: Promise<ScanPage> | undefined = look();
  while (scanning !== undefined) {
    const { rows, cursor }: ScanPage = await scanning;
    stop.throwIfAborted();
    signal?.throwIfAborted();
    // The next page is on its way while this one is put away.
    scanning = cursor === undefined ? undefined : look(cursor);
    scanning?.catch(() => {});
    for (const { key, bytes } of rows) spill.put(keyHash(key, 0), key, 0, bytes);
  }
}
