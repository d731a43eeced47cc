/**
 * The online store as everything above it sees it: rows of bytes under (entity key, field), newest wins.
 *
 * A driver knows nothing of features. It knows one thing about a row: it begins with its order (see ../row-order.ts:
 * one length byte, then bytes that compare as memcmp does). Deciding "newest" inside the store, atomically, is what
 * lets stream, nightly and replays interleave in any way and end with the same rows. A row that is nothing but its
 * order is a tombstone: a delete that an older event cannot undo.
 *
 * Expiry collects garbage and never decides: whether a value is too old is told at read from its event timestamp.
 */

/** One entity's rows to read: `fields` are feature view names. */
export interface ReadRequest {
  /** Canonical entity key (../entity-key.ts). */
  readonly key: string;
  readonly fields: readonly string[];
}

/** A stored row. `decoded` is the reader's: what it made of the bytes, kept by a tier that keeps the row. */
export interface StoredRow {
  readonly bytes: Uint8Array;
  decoded?: unknown;
}

/** The rows of one request, in the order of its fields; `undefined` where nothing is stored. */
export interface EntityRows {
  /** The tier that answered: "memory", "lmdb", "redis". */
  readonly tier: string;
  readonly rows: readonly (StoredRow | undefined)[];
  /** Where a tier keeps an entity's rows together: these, and perhaps others. */
  readonly kept?: KeptTogether;
  /** Where in `kept` each row is, −1 where it is not; absent where they are the same rows in the same order. */
  readonly places?: readonly number[];
}

/** The rows of an entity that a tier keeps together, whoever reads which of them; they never change. */
export interface KeptTogether {
  readonly rows: readonly (StoredRow | undefined)[];
  /** The reader's, as that of a row: what it made of all of them. */
  decoded: unknown;
  /** The reader's: how `decoded` lies. */
  layout: unknown;
}

/** One row to write. */
export interface RowWrite {
  readonly key: string;
  readonly field: string;
  /** Order first, then the payload; nothing after the order makes it a tombstone. Not to be changed until the write is done. */
  readonly bytes: Uint8Array;
  /** Epoch ms after which the row may be collected; Infinity keeps it for ever. */
  readonly expireAtMs: number;
}

/** What became of a row: it is the newest now, it was stored already, or what is stored goes before it by compareRows. */
export type WriteOutcome = "written" | "equal" | "stale";

/** A page of a scan; `cursor` is absent on the last one. */
export interface ScanPage {
  readonly rows: readonly { readonly key: string; readonly bytes: Uint8Array }[];
  readonly cursor?: string;
}

/** Small named records beside the rows: the applied registry, schemas, checkpoints, leases. */
export interface ControlStore {
  /** The record's bytes, or undefined. */
  get(name: string): Promise<Uint8Array | undefined>;
  /** Puts `next` if the record still is `expected` (undefined: absent; `next` undefined deletes); tells whether it did. */
  compareAndSet(name: string, expected: Uint8Array | undefined, next: Uint8Array | undefined): Promise<boolean>;
  /** The names that begin with `prefix`, sorted. */
  list(prefix: string): Promise<readonly string[]>;
}

/** One place a row can be read from, named, for the feature-debug view. Reading here fills no cache. */
export interface StoreTier {
  readonly name: string;
  read(requests: readonly ReadRequest[]): readonly EntityRows[] | Promise<readonly EntityRows[]>;
}

/** What a cache is told so that it never keeps a row that has changed. It begins in doubt. */
export interface InvalidationListener {
  /** Rows of these entity keys may have changed. */
  invalidated(keys: readonly string[]): void;
  /** Changes may go untold from now on: nothing kept may be used as current. */
  doubted(): void;
  /** Changes are told (again), though some may have gone untold before: everything kept must be dropped. */
  armed(): void;
}

/** A listener's subscription. */
export interface InvalidationSubscription {
  /** While armed, a write acknowledged longer ago than this, in ms, has been told; or `lagMs` says more than this. */
  readonly stalenessBoundMs: number;
  /**
   * How long ago, in ms, it was last proven that every write acknowledged by then had been told. It keeps growing while
   * in doubt, which makes it the most by which what is kept is out of date.
   */
  lagMs(): number;
  stop(): void;
}

/** What every driver implements and `conformance.ts` checks. Every call rejects with STORE_UNREACHABLE when it is so. */
export interface OnlineStore {
  /** The address without secrets, for messages. */
  readonly address: string;
  /** Nearest tier first. */
  readonly tiers: readonly StoreTier[];
  /** One round trip, order kept; synchronous when the data is already in this process's reach. */
  read(requests: readonly ReadRequest[]): readonly EntityRows[] | Promise<readonly EntityRows[]>;
  /**
   * Newest wins by order, atomic per key; one outcome per row, in order. Rows of one key are taken as they come. When it
   * rejects, some rows may have been written; writing the batch again is safe and ends the same.
   */
  write(rows: readonly RowWrite[]): Promise<readonly WriteOutcome[]>;
  /** Puts the row whatever its order if the stored bytes still are `ifStored` (undefined: absent); tells whether it did. */
  replace(row: RowWrite, ifStored: Uint8Array | undefined): Promise<boolean>;
  /**
   * All rows of a field, tombstones too, at most `limit` a page (fewer do not mean the last). A key that is there from
   * the first page to the last comes at least once.
   */
  scan(field: string, limit: number, cursor?: string): Promise<ScanPage>;
  readonly control: ControlStore;
  /** Tells a cache in front of the store of every row that changes, from now until it is stopped. May call back at once. */
  subscribe(listener: InvalidationListener): InvalidationSubscription;
  /** Collects rows past their expiry where the server does not do so itself; returns how many it removed. */
  sweep(nowMs: number): Promise<number>;
  /**
   * A text that changes whenever acknowledged writes may have been lost, so that whoever can write them again should: a
   * server restarted, a replica took its place. It may change for less. Always the same where no write is lost so.
   */
  history(): Promise<string>;
  /** Resolves when the store answers; the readiness probe. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

/** True when both are absent or both hold the same bytes: what "still is" means in replace and compareAndSet. */
export function sameBytes(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : Buffer.compare(a, b) === 0;
}
