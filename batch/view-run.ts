/**
 * A materialization of one view: what it is given, and what it keeps while it lasts. What is done with it is in
 * whole-load.ts and, where several processes share the view, shard-load.ts.
 */

import type { AppliedView } from "../features/applied-registry.ts";
import type { FeatureView } from "../features/feature-view.ts";
import type { FileSource } from "../features/source.ts";
import type { OnlineStoreLayout } from "../features/store/key-refusal.ts";
import type { OnlineStore } from "../features/store/online-store.ts";
import { encodedView, recordOrigin } from "../features/writer.ts";
import type { ObjectStore } from "../object-store.ts";
import type { FileEncoder } from "./decoding-thread.ts";
import type { ExpectationSuite } from "./expectations/suite.ts";
import type { LoadedView } from "./file-open.ts";
import type { Lease, LeaseHolder } from "./lease.ts";
import { type OutageBounds, throughOutage } from "./outage.ts";
import type { LoadCounts } from "./report.ts";
import type { Wait } from "./row-rate.ts";
import type { Shard } from "./shard.ts";
import type { MaterializeRange } from "./view-plan.ts";

/** The most files that a row's origin names; the record of a run with more is this long and tells their number. */
const ORIGIN_FILES = 20;

/** Settings of config.ts that a materialization depends on; lengths of time in ms. */
export interface MaterializeSettings {
  /** How far back an incremental one looks in files that it knows, for a view without ttl; see checkpoint.ts. */
  readonly lookback: number;
  /** The share of rows that may be bad before the view fails. */
  readonly maxBadRows: number;
  /** How far an event may be dated ahead of its record. */
  readonly maxFuture: number;
  /** How long a row is kept beyond its ttl. */
  readonly expiryGrace: number;
  readonly onlineStoreLayout: OnlineStoreLayout;
  /** How long a dead materialization keeps its view locked; a store that is away is waited for half as long. */
  readonly leaseTtl: number;
  /** Rows a second at most, of this process; 0 is no bound. */
  readonly materializeRate: number;
  /** How long a file's decoder may go on without coming back. */
  readonly decodeTimeout: number;
}

/** How far a view has come. */
export interface ViewProgress {
  readonly view: string;
  readonly rowsRead: number;
  /** Rows there are to read, by the files' footers. */
  readonly rowsTotal: number;
  /** When the view's load began, epoch ms. */
  readonly startMs: number;
  /** True once, when the view is done, failed or aborted. */
  readonly ended: boolean;
}

/** What a materialization and the loads of its views are given alike. */
export interface LoadOptions {
  readonly store: OnlineStore;
  readonly range: MaterializeRange;
  /** One of several processes that share the load; undefined: all of it. */
  readonly shard?: Shard | undefined;
  /** With a shard: drops an unfinished plan that no shard is at work on. */
  readonly restart?: boolean | undefined;
  readonly settings: MaterializeSettings;
  readonly holder: LeaseHolder;
  readonly now: () => number;
  readonly onProgress?: ((progress: ViewProgress) => void) | undefined;
  /** Told in a sentence for what a view's load waits, once. */
  readonly onWait?: ((sentence: string) => void) | undefined;
  /** Stops the work between two batches, with the lease given up and the checkpoint where it was. */
  readonly signal?: AbortSignal | undefined;
}

/** What to load. */
export interface ViewLoadOptions extends LoadOptions {
  readonly objects: ObjectStore;
  /** One for all views of a run. */
  readonly encoder: FileEncoder;
  readonly view: FeatureView & { readonly source: FileSource };
  /** The view as threads are given it; see loadedViewOf. */
  readonly loadedView: LoadedView;
  readonly applied: AppliedView;
  /** Fingerprint of what the rows are made by; another one than the checkpoint's loads every file anew. */
  readonly definition: string;
  readonly run: string;
  /** The project's suite of what is loaded; undefined where it has none. */
  readonly readSuite: () => Promise<ExpectationSuite | undefined>;
  readonly wait: Wait;
  readonly rangeRows: number;
  /** Rows given to the store at once: between two such writes an abort and a lost lease are noticed. */
  readonly writeRows: number;
}

/** A run under its lease. */
export interface ViewRun {
  readonly options: ViewLoadOptions;
  readonly lease: Lease;
  readonly counts: LoadCounts;
  readonly startMs: number;
}

/** The view as threads are given it. */
export function loadedViewOf(view: ViewLoadOptions["view"]): LoadedView {
  return { ...encodedView(view), source: view.source };
}

/** How far back an incremental run looks in files that it knows, µs. */
export function lookbackUsOf({ view, settings }: ViewLoadOptions): number {
  return (view.ttlMs ?? settings.lookback) * 1_000;
}

/** A store that is away is waited for only while the lease is sure to stand. */
export function outageBoundsOf({ settings, wait, signal }: ViewLoadOptions): OutageBounds {
  return { outageMs: settings.leaseTtl / 2, wait, signal };
}

/**
 * Records what a run's rows tell of where they are from; the id of the record. One for all files of a run, because the
 * store keeps each for ever, and the same for all shards.
 */
export function recordRunOrigin(options: ViewLoadOptions, run: string, paths: readonly string[]): Promise<number> {
  const { store, view } = options;
  const of = { run, view: view.name };
  const record = () =>
    paths.length === 1
      ? recordOrigin(store.control, { ...of, file: paths[0]! })
      : recordOrigin(store.control, { ...of, files: paths.slice(0, ORIGIN_FILES), file_count: paths.length });
  return throughOutage(record, outageBoundsOf(options));
}
