/**
 * The control records of an LMDB store: a database of names and bytes beside the rows, changed by compare-and-set inside
 * a transaction, which LMDB lets one process at a time have.
 */

import type { Database } from "lmdb";
import { FIRST_KEY, LAST_KEY } from "./lmdb-row.ts";
import { type ControlStore, sameBytes } from "./online-store.ts";

/** How a store runs what reads or writes: each call throws what the store's own calls throw. */
export interface LmdbAccess {
  /** Runs a read that sees what every process has committed. */
  fresh<T>(read: () => T): T;
  /** Runs a write that is synced to disk when this returns; `write` returns no promise. */
  transact<T>(write: () => T): T;
}

/** The control store over a database of records. */
export function lmdbControl(records: Database<Buffer, string>, { fresh, transact }: LmdbAccess): ControlStore {
  const setIf = (name: string, expected: Uint8Array | undefined, next: Uint8Array | undefined): boolean => {
    if (!sameBytes(records.getBinary(name), expected)) return false;
    if (next !== undefined) records.putSync(name, Buffer.from(next));
    else if (expected !== undefined) records.removeSync(name);
    return true;
  };
  return Object.freeze({
    get: async (name: string) => fresh(() => records.getBinary(name)),
    compareAndSet: async (name: string, expected: Uint8Array | undefined, next: Uint8Array | undefined) =>
      transact(() => setIf(name, expected, next)),
    list: async (prefix: string) =>
      fresh(() => [...records.getKeys({ start: prefix || FIRST_KEY, end: prefix + LAST_KEY })]),
  });
}
