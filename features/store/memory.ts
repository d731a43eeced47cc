/**
 * The store that is gone with its process: maps of rows. For tests, trials and `memory:`; the plainest statement of
 * what a driver does. Rows are kept as the reader left them, so what it decoded of one is decoded once.
 */

import { HeadgateError } from "../../errors.ts";
import { compareRows } from "../row-order.ts";
import {
  type ControlStore,
  type EntityRows,
  type InvalidationListener,
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

/** Opens an empty store in this process's memory. It grows with its rows: nothing is evicted but by `sweep`. */
export function openMemoryStore(): OnlineStore {
  return new MemoryStore();
}

interface MemoryRow extends StoredRow {
  readonly expireAtMs: number;
}

/** The rows of one field; `sortedKeys` is made when a scan needs it and dropped when a key comes or goes. */
interface FieldRows {
  readonly byKey: Map<string, MemoryRow>;
  sortedKeys: readonly string[] | undefined;
}

class MemoryStore implements OnlineStore {
  readonly address = "memory:";
  readonly tiers: readonly StoreTier[];
  readonly control: ControlStore;
  readonly #fields = new Map<string, FieldRows>();
  readonly #records = new Map<string, Uint8Array>();
  readonly #listeners = new Set<InvalidationListener>();
  #isOpen = true;

  constructor() {
    this.tiers = Object.freeze([
      Object.freeze({ name: "memory", read: (requests) => this.read(requests) } as StoreTier),
    ]);
    this.control = Object.freeze({
      get: async (name: string) => this.#whenOpen(() => this.#records.get(name)),
      compareAndSet: async (name: string, expected: Uint8Array | undefined, next: Uint8Array | undefined) =>
        this.#whenOpen(() => this.#setIf(name, expected, next)),
      list: async (prefix: string) =>
        this.#whenOpen(() => [...this.#records.keys()].filter((name) => name.startsWith(prefix)).sort()),
    });
  }

  read(requests: readonly ReadRequest[]): readonly EntityRows[] {
    return this.#whenOpen(() =>
      requests.map(({ key, fields }) => ({
        tier: "memory",
        rows: fields.map((field) => this.#fields.get(field)?.byKey.get(key)),
      })),
    );
  }

  async write(rows: readonly RowWrite[]): Promise<readonly WriteOutcome[]> {
    return this.#whenOpen(() => rows.map((row) => this.#writeNewest(row)));
  }

  async replace(row: RowWrite, ifStored: Uint8Array | undefined): Promise<boolean> {
    return this.#whenOpen(() => {
      if (!sameBytes(this.#fields.get(row.field)?.byKey.get(row.key)?.bytes, ifStored)) return false;
      this.#put(row);
      return true;
    });
  }

  async scan(field: string, limit: number, cursor?: string): Promise<ScanPage> {
    return this.#whenOpen(() => {
      const fieldRows = this.#fields.get(field);
      if (fieldRows === undefined) return { rows: [] };
      fieldRows.sortedKeys ??= [...fieldRows.byKey.keys()].sort();
      const keys = fieldRows.sortedKeys;
      const from = cursor === undefined ? 0 : firstAfter(keys, cursor);
      const page = keys.slice(from, from + limit);
      const rows = page.map((key) => ({ key, bytes: fieldRows.byKey.get(key)!.bytes }));
      const next = from + limit < keys.length ? page.at(-1) : undefined;
      return next === undefined ? { rows } : { rows, cursor: next };
    });
  }

  /** Tells of a change before the write is acknowledged, so nothing is ever stale. */
  subscribe(listener: InvalidationListener): InvalidationSubscription {
    this.#listeners.add(listener);
    listener.armed();
    return Object.freeze({
      stalenessBoundMs: 0,
      lagMs: () => 0,
      stop: () => void this.#listeners.delete(listener),
    });
  }

  async sweep(nowMs: number): Promise<number> {
    return this.#whenOpen(() => {
      let removed = 0;
      for (const fieldRows of this.#fields.values()) {
        for (const [key, row] of fieldRows.byKey) {
          if (row.expireAtMs >= nowMs) continue;
          fieldRows.byKey.delete(key);
          fieldRows.sortedKeys = undefined;
          this.#tell(key);
          removed++;
        }
      }
      return removed;
    });
  }

  /** What is lost with the process is all of it, and the writer with it. */
  async history(): Promise<string> {
    return this.#whenOpen(() => "memory");
  }

  async ping(): Promise<void> {
    this.#whenOpen(() => undefined);
  }

  async close(): Promise<void> {
    this.#isOpen = false;
    this.#fields.clear();
    this.#records.clear();
  }

  #whenOpen<T>(work: () => T): T {
    if (this.#isOpen) return work();
    throw new HeadgateError("STORE_UNREACHABLE", "The online store memory: has been closed.");
  }

  #writeNewest(row: RowWrite): WriteOutcome {
    const stored = this.#fields.get(row.field)?.byKey.get(row.key);
    if (stored !== undefined) {
      const newer = compareRows(row.bytes, stored.bytes);
      if (newer <= 0) return newer === 0 ? "equal" : "stale";
    }
    this.#put(row);
    return "written";
  }

  #put({ key, field, bytes, expireAtMs }: RowWrite): void {
    const fieldRows: FieldRows = this.#fields.get(field) ?? { byKey: new Map(), sortedKeys: undefined };
    this.#fields.set(field, fieldRows);
    if (!fieldRows.byKey.has(key)) fieldRows.sortedKeys = undefined;
    fieldRows.byKey.set(key, { bytes: Uint8Array.from(bytes), decoded: undefined, expireAtMs });
    this.#tell(key);
  }

  #tell(key: string): void {
    for (const listener of this.#listeners) listener.invalidated([key]);
  }

  #setIf(name: string, expected: Uint8Array | undefined, next: Uint8Array | undefined): boolean {
    if (!sameBytes(this.#records.get(name), expected)) return false;
    if (next === undefined) this.#records.delete(name);
    else this.#records.set(name, Uint8Array.from(next));
    return true;
  }
}

/** The index of the first of the sorted keys that is greater. */
function firstAfter(sortedKeys: readonly string[], key: string): number {
  let low = 0;
  let high = sortedKeys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sortedKeys[middle]! <= key) low = middle + 1;
    else high = middle;
  }
  return low;
}
