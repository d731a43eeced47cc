/**
 * The embedded driver: one LMDB environment in a folder, shared by every process of the host. Readers never wait and
 * never block a writer; writers take turns.
 *
 * Two named databases: `rows` (see lmdb-row.ts) and `control` (see lmdb-control.ts). Newest wins by a read and a write inside
 * one transaction, which LMDB lets one process at a time have.
 *
 * Durability is LMDB's own: a transaction is synced to disk before its rows are acknowledged, so these survive the
 * kill of any process and, where the disk keeps its word, of the machine; a transaction cut short leaves nothing. A
 * write holds the lock and this process's event loop, so a batch is cut into transactions of bounded length.
 *
 * Beware of lmdb-js: a transaction's callback must be synchronous and return no promise (close() would hang for ever);
 * getBinaryFast gives a buffer that the next get overwrites; it crashes on a file that is not LMDB's, see lmdb-file.ts.
 */

import { setImmediate as nextTurn } from "node:timers/promises";
import { type Database, open, type RootDatabase } from "lmdb";
import { compareRows } from "../row-order.ts";
import { lmdbControl } from "./lmdb-control.ts";
import { lmdbFailure, lmdbUnreachable, OpenDataFile, prepareLmdbDirectory } from "./lmdb-file.ts";
import {
  EXPIRY_BYTES,
  FIRST_KEY,
  fieldRange,
  isDue,
  LAST_KEY,
  lmdbKey,
  TEXT_KEYS,
  writeLmdbValue,
  writeSequence,
} from "./lmdb-row.ts";
import {
  type ControlStore,
  type EntityRows,
  type InvalidationSubscription,
  type OnlineStore,
  type ReadRequest,
  type RowWrite,
  type ScanPage,
  type StoredRow,
  type StoreTier,
  sameBytes,
  type WriteOutcome,
} from "./online-store.ts";

/** Address space mapped at open, in bytes; it costs no memory and no disk, and doubles by itself when the rows outgrow it. */
const DEFAULT_MAP_SIZE_BYTES = 16 * 2 ** 30;
/**
 * The most rows of one transaction, for which other writers and this process's event loop wait: some 25 ms where keys
 * come sorted, 65 ms where they are spread over a million. Fewer cost more syncs; more load hardly quicker.
 */
const DEFAULT_TRANSACTION_ROWS = 2_000;
/** The most bytes of rows of one transaction or scanned page; bounds the wait, and the memory, where rows are large. */
const DEFAULT_TRANSACTION_BYTES = 4 * 2 ** 20;

/** How to open a store in a folder. */
export interface LmdbStoreOptions {
  /** The store's folder, absolute. It is made if only it is missing. */
  readonly directory: string;
  /** See DEFAULT_MAP_SIZE_BYTES. */
  readonly mapSizeBytes?: number;
  /** See DEFAULT_TRANSACTION_ROWS. */
  readonly transactionRows?: number;
  /** See DEFAULT_TRANSACTION_BYTES. */
  readonly transactionBytes?: number;
}

/**
 * Opens (or makes) the store in a folder. Throws STORE_UNWRITABLE when the folder cannot be made or written and
 * STORE_UNREACHABLE when what is in it is not a store or is damaged; neither changes anything.
 */
export function openLmdbStore(options: LmdbStoreOptions): OnlineStore {
  prepareLmdbDirectory(options.directory);
  let environment: RootDatabase<Buffer, string> | undefined;
  try {
    environment = open<Buffer, string>(options.directory, {
      // A folder named "store.v1" would be taken for a file.
      noSubdir: false,
      // The plain protocol: synced before acknowledged. The overlapping one was not measurably quicker.
      overlappingSync: false,
      mapSize: options.mapSizeBytes ?? DEFAULT_MAP_SIZE_BYTES,
      maxDbs: 2,
      encoding: "binary",
      cache: false,
    });
    return new LmdbStore(environment, options);
  } catch (cause) {
    void environment?.close();
    throw lmdbFailure(options.directory, cause);
  }
}

class LmdbStore implements OnlineStore {
  readonly address: string;
  readonly tiers: readonly StoreTier[];
  readonly control: ControlStore;
  readonly #directory: string;
  readonly #environment: RootDatabase<Buffer, string>;
  readonly #rows: Database<Buffer, string>;
  readonly #records: Database<Buffer, string>;
  readonly #transactionRows: number;
  readonly #transactionBytes: number;
  readonly #file: OpenDataFile;
  /** Where an expiry and a row are put together before LMDB copies them. */
  #scratch = Buffer.allocUnsafeSlow(4_096);
  #isOpen = true;
  /** True from the first read of a turn of the event loop to its end: renewing the snapshot costs as much as a read. */
  #isFresh = false;
  readonly #turnEnded = () => {
    this.#isFresh = false;
  };

  constructor(environment: RootDatabase<Buffer, string>, options: LmdbStoreOptions) {
    this.#directory = options.directory;
    this.#transactionRows = options.transactionRows ?? DEFAULT_TRANSACTION_ROWS;
    this.#transactionBytes = options.transactionBytes ?? DEFAULT_TRANSACTION_BYTES;
    this.#environment = environment;
    const asText = { encoding: "binary", keyEncoder: TEXT_KEYS } as const;
    this.#rows = environment.openDB<Buffer, string>("rows", asText);
    this.#records = environment.openDB<Buffer, string>("control", asText);
    this.#file = new OpenDataFile(options.directory);
    this.address = `lmdb:${options.directory}`;
    this.tiers = Object.freeze([Object.freeze({ name: "lmdb", read: (requests) => this.read(requests) } as StoreTier)]);
    this.control = lmdbControl(this.#records, {
      fresh: (read) =>
        this.#fresh(() => {
          // Whoever serves reads a record every second, also where nobody pings.
          this.#file.look();
          return read();
        }),
      transact: (write) => this.#transact(write),
    });
  }

  read(requests: readonly ReadRequest[]): readonly EntityRows[] {
    const rowsOf = ({ key, fields }: ReadRequest) => fields.map((field) => this.#row(lmdbKey(field, key)));
    return this.#fresh(() => requests.map((request) => ({ tier: "lmdb", rows: rowsOf(request) })));
  }

  /** A batch that fails half way has written whole transactions; writing it again changes nothing in those. */
  async write(rows: readonly RowWrite[]): Promise<readonly WriteOutcome[]> {
    const keys = rows.map((row) => lmdbKey(row.field, row.key));
    const sequence = writeSequence(keys);
    const outcomes = new Array<WriteOutcome>(rows.length);
    for (let from = 0; from < rows.length; ) {
      if (from > 0) await nextTurn();
      from = this.#transact(() => this.#writeSome(rows, keys, sequence, from, outcomes));
    }
    return outcomes;
  }

  async replace(row: RowWrite, ifStored: Uint8Array | undefined): Promise<boolean> {
    const key = lmdbKey(row.field, row.key);
    return this.#transact(() => {
      if (!sameBytes(this.#row(key)?.bytes, ifStored)) return false;
      this.#put(key, row);
      return true;
    });
  }

  async scan(field: string, limit: number, cursor?: string): Promise<ScanPage> {
    return this.#fresh(() => {
      const rows: { key: string; bytes: Uint8Array }[] = [];
      let bytes = 0;
      for (const { key, value } of this.#rows.getRange(fieldRange(field, cursor))) {
        const last = { key: key.slice(field.length + 1), bytes: value.subarray(EXPIRY_BYTES) };
        rows.push(last);
        bytes += last.bytes.length;
        if (rows.length >= limit || bytes >= this.#transactionBytes) return { rows, cursor: last.key };
      }
      return { rows };
    });
  }

  /** Other processes write without a word, so a cache in front stays in doubt; none is needed. */
  subscribe(): InvalidationSubscription {
    return Object.freeze({ stalenessBoundMs: 0, lagMs: () => Number.POSITIVE_INFINITY, stop: () => {} });
  }

  /** Looks without the lock and takes it only for what is due, one bounded page at a time. */
  async sweep(nowMs: number): Promise<number> {
    let removed = 0;
    for (let start: string | undefined = FIRST_KEY; start !== undefined; ) {
      const page: { due: string[]; next: string | undefined } = this.#fresh(() => this.#duePage(start!, nowMs));
      if (page.due.length > 0) removed += this.#transact(() => this.#removeDue(page.due, nowMs));
      start = page.next;
      await nextTurn();
    }
    // Frees the slots (and with them the old pages) of readers that were killed.
    this.#fresh(() => this.#environment.readerCheck());
    return removed;
  }

  /** What is acknowledged is on the disk. */
  async history(): Promise<string> {
    return this.#fresh(() => "lmdb");
  }

  /** Fails too when the folder was deleted or replaced: who has it open could read the old rows for ever. */
  async ping(): Promise<void> {
    const isThere = this.#fresh(() => {
      this.#records.getBinaryFast("ping");
      return this.#file.look();
    });
    if (!isThere) throw this.#file.gone();
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await this.#environment.close();
  }

  /** Reads see what any process committed before this turn; lmdb-js would keep a snapshot for a millisecond and more. */
  #fresh<T>(work: () => T): T {
    return this.#attempt(() => {
      if (!this.#isFresh) this.#environment.resetReadTxn();
      if (!this.#isFresh) setImmediate(this.#turnEnded);
      this.#isFresh = true;
      return work();
    });
  }

  #transact<T>(work: () => T): T {
    this.#isFresh = false;
    return this.#attempt(() => this.#environment.transactionSync(work));
  }

  #attempt<T>(work: () => T): T {
    if (!this.#isOpen) throw lmdbUnreachable(this.#directory, "has been closed.");
    try {
      return work();
    } catch (cause) {
      throw lmdbFailure(this.#directory, cause);
    }
  }

  #row(key: string): StoredRow | undefined {
    const stored = this.#rows.getBinaryFast(key);
    // `length` is this value's; the buffer is longer, and the next get's.
    return (
      stored && { bytes: Uint8Array.prototype.slice.call(stored, EXPIRY_BYTES, stored.length), decoded: undefined }
    );
  }

  /** Writes from the sequence until a bound is met; returns how far it came. */
  #writeSome(
    rows: readonly RowWrite[],
    keys: readonly string[],
    sequence: Uint32Array,
    from: number,
    outcomes: WriteOutcome[],
  ): number {
    const end = Math.min(rows.length, from + this.#transactionRows);
    let next = from;
    for (let bytes = 0; next < end && bytes < this.#transactionBytes; next++) {
      const at = sequence[next]!;
      const row = rows[at]!;
      bytes += row.bytes.length;
      outcomes[at] = this.#writeNewest(keys[at]!, row);
    }
    return next;
  }

  #writeNewest(key: string, row: RowWrite): WriteOutcome {
    const stored = this.#rows.getBinaryFast(key);
    if (stored !== undefined) {
      const newer = compareRows(row.bytes, stored, EXPIRY_BYTES, stored.length);
      if (newer <= 0) return newer === 0 ? "equal" : "stale";
    }
    this.#put(key, row);
    return "written";
  }

  #put(key: string, row: RowWrite): void {
    const size = EXPIRY_BYTES + row.bytes.length;
    if (size > this.#scratch.length) this.#scratch = Buffer.allocUnsafeSlow(2 * size);
    this.#rows.putSync(key, writeLmdbValue(this.#scratch, row));
  }

  #duePage(start: string, nowMs: number): { due: string[]; next: string | undefined } {
    const due: string[] = [];
    let seen = 0;
    let bytes = 0;
    for (const { key, value } of this.#rows.getRange({ start, end: LAST_KEY })) {
      if (isDue(value, nowMs)) due.push(key);
      seen++;
      bytes += value.length;
      if (seen >= this.#transactionRows || bytes >= this.#transactionBytes) return { due, next: `${key}\0` };
    }
    return { due, next: undefined };
  }

  #removeDue(keys: readonly string[], nowMs: number): number {
    // One may have been written anew since it was seen.
    const isStillDue = (stored: Buffer | undefined) => stored !== undefined && isDue(stored, nowMs);
    return keys.filter((key) => isStillDue(this.#rows.getBinaryFast(key)) && this.#rows.removeSync(key)).length;
  }
}
