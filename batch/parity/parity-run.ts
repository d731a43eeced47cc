/** What a parity run is given, and a view's part of it. What is done with it is in parity.ts and view-parity.ts. */

import type { AppliedView } from "../../features/applied-registry.ts";
import type { OnlineStoreLayout } from "../../features/store/key-refusal.ts";
import type { OnlineStore } from "../../features/store/online-store.ts";
import type { StoredSchemas } from "../../features/stored-schema.ts";
import type { ObjectStore } from "../../object-store.ts";
import type { FileEncoder } from "../decoding-thread.ts";
import type { ExpectationSuite } from "../expectations/suite.ts";
import type { LoadedView } from "../file-open.ts";
import type { FileView } from "../materialize.ts";
import type { Wait } from "../row-rate.ts";
import type { ViewProgress } from "../view-run.ts";
import type { PairVerdict, ParityPair } from "./parity-pair.ts";

/** Rows that are read from the online store at once: one script call of a Redis (DEFAULT_READ_CALL_ROWS). */
export const READ_ROWS = 1_000;

/** Settings of config.ts that a parity run depends on; lengths of time in ms. */
export interface ParitySettings {
  /** Keys looked at in the online store a second at most; 0 is no bound. */
  readonly parityRate: number;
  /** The fewest rows that must have been compared for a verdict to pass. */
  readonly parityMinCompared: number;
  /** The share of mismatches that still passes. */
  readonly parityMaxMismatch: number;
  /** Rows that a repair writes a second at most; 0 is no bound. */
  readonly materializeRate: number;
  /** The share of rows that may be bad before a repair is refused, as a load is. */
  readonly maxBadRows: number;
  readonly maxFuture: number;
  readonly expiryGrace: number;
  readonly onlineStoreLayout: OnlineStoreLayout;
  readonly decodeTimeout: number;
}

/** A part of the entities, by the hash of their keys. */
export interface ParitySample {
  /** From 0 to 1. */
  readonly share: number;
  /** Another seed chooses other entities; the same one the same. */
  readonly seed: number;
}

/** "plan" tells what a repair would do; "write" does it. */
export type RepairMode = "plan" | "write";

/** Looks at a view's pairs beside the comparison, as suites of expectations do. */
export interface PairObserver {
  /** Given every pair once, a batch at a time. */
  take(pairs: readonly ComparedPair[]): void;
  /** After the last: sentences, each of which fails the view. */
  finish(): readonly string[];
}

/** A pair with its verdict. */
export interface ComparedPair {
  readonly pair: ParityPair;
  readonly verdict: PairVerdict;
}

/** A view's comparison. */
export interface ViewParityOptions {
  readonly store: OnlineStore;
  readonly schemas: StoredSchemas;
  readonly objects: ObjectStore;
  /** One for all views of a run. */
  readonly encoder: FileEncoder;
  readonly view: FileView;
  readonly loadedView: LoadedView;
  readonly applied: AppliedView;
  /** See viewDefinition. */
  readonly definition: string;
  /** The project's suite of what is loaded; undefined where it has none. */
  readonly readSuite: () => Promise<ExpectationSuite | undefined>;
  /** Undefined: all entities. */
  readonly sample: ParitySample | undefined;
  readonly repair: RepairMode | undefined;
  readonly run: string;
  readonly settings: ParitySettings;
  readonly now: () => number;
  readonly wait: Wait;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: (progress: ViewProgress) => void;
  /** Opens who else looks at the pairs; undefined: nobody. What it throws is the view's error. */
  readonly observe: () => Promise<PairObserver | undefined>;
  /** See DEFAULT_RANGE_ROWS. */
  readonly rangeRows: number;
}
