/**
 * How rows lie in a Redis, as its driver sees it: keys and fields to read, arguments to write, and back. The driver
 * sends, retries and follows slots; a layout knows what the bytes are. There are two: packed (packed-layout.ts), which
 * is Headgate's own, and Feast's (feast-layout.ts).
 *
 * Keys and fields here are texts of one character a byte ("latin1"), so that they are compared and hashed as texts
 * whatever bytes they hold.
 */

import type { RowWrite, StoredRow } from "./online-store.ts";
import type { Argument, RedisScript } from "./redis-script.ts";

/** What reading some views of one entity asks for, compiled once for each list of views. */
export interface RowFields {
  /** The hash's fields, in the order of the answer. */
  readonly fields: readonly string[];
  /** The rows, from the fields' answers at `from` on; one for each view, in order. */
  rowsOf(found: readonly (Buffer | null)[], from: number): (StoredRow | undefined)[];
}

/** How writing the rows of one view is put: ARGV is `head`, the number of rows, `rowArguments` each, undeclared keys. */
export interface RowArguments {
  readonly head: readonly string[];
  /** How many arguments a row takes. */
  readonly width: number;
  /** About how many bytes of the call a row takes. */
  bytesOf(row: RowWrite): number;
  of(row: RowWrite): readonly Argument[];
}

/** Which keys may hold rows. */
export interface KeySpace {
  /** What they begin with. */
  readonly prefix: string;
  /** The entity key of one; undefined for a key that is not a row's. */
  entityKeyOf(key: string): string | undefined;
}

/** The layout. Views are named as the store's `fields`. */
export interface RedisLayout {
  /** What must be known before rows of these views are read; undefined when it is. */
  readyToRead(fields: readonly string[]): Promise<void> | undefined;
  /** What must be known before these rows are written; undefined when it is. */
  readyToWrite(rows: readonly RowWrite[]): Promise<void> | undefined;
  /** The key of an entity's rows of these views; undefined for an entity that can have none. */
  keyOf(entityKey: string, field: string): string | undefined;
  /** The key that a row is written under. Throws ENTITY_KEY_INVALID for an entity that can have none. */
  writtenKeyOf(row: Pick<RowWrite, "key" | "field">): string;
  rowFields(fields: readonly string[]): RowFields;
  /** Reads fields of keys: ARGV is the number of fields, the fields, undeclared keys. */
  readonly readScript: RedisScript;
  /** What its answer holds for each field of each key in turn; an error where the server does not serve the key. */
  answersOf(reply: unknown, fieldCount: number): readonly (Buffer | null | Error)[];
  /** Newest wins; answers a letter a row, see WRITE_ROWS. */
  readonly writeScript: RedisScript;
  rowArguments(field: string): RowArguments;
  /**
   * The script call (text, number of keys, key, arguments) that puts the row under its key if the stored one still is
   * `ifStored`; undefined when it is not. `read` gives fields of the key's hash as they are now.
   */
  replacement(
    row: RowWrite,
    key: string,
    ifStored: Uint8Array | undefined,
    read: (fields: readonly string[]) => Promise<readonly (Buffer | null)[]>,
  ): Promise<readonly Argument[] | undefined>;
  /** The keys that may hold rows of a view. */
  keySpace(field: string): KeySpace;
  /** All key spaces, none of which is a part of another. */
  keySpaces(): readonly KeySpace[];
}
