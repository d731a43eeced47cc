/**
 * Headgate's own layout of a Redis: one hash for each entity key, named by the project and the key as it is read; one
 * field for each feature view, whose value is the row. So an entity is one key, one slot and one expiry, and a view
 * costs one field.
 */

import type { RowWrite, StoredRow } from "./online-store.ts";
import type { KeySpace, RedisLayout, RowArguments, RowFields } from "./redis-layout.ts";
import { COMPARE_AND_SET, expiryText, optionalArguments, READ_ROWS, WRITE_ROWS } from "./redis-script.ts";

/** Rows under `prefix`, ASCII. Entity keys begin with a join key's name; what is not a row begins with "~". */
export function createPackedLayout(prefix: string): RedisLayout {
  const space: KeySpace = Object.freeze({
    prefix,
    entityKeyOf: (key: string) => (key.startsWith("~", prefix.length) ? undefined : key.slice(prefix.length)),
  });
  return Object.freeze({
    readyToRead: () => undefined,
    readyToWrite: () => undefined,
    keyOf: (entityKey: string) => prefix + entityKey,
    writtenKeyOf: ({ key }: Pick<RowWrite, "key">) => prefix + key,
    rowFields,
    readScript: READ_ROWS,
    answersOf: (reply: unknown) => reply as readonly (Buffer | null | Error)[],
    writeScript: WRITE_ROWS,
    rowArguments: packedArguments,
    replacement: async (row: RowWrite, key: string, ifStored: Uint8Array | undefined) => [
      ...[COMPARE_AND_SET.lua, "1", key, row.field],
      ...[ifStored, row.bytes].flatMap(optionalArguments),
      expiryText(row.expireAtMs),
    ],
    keySpace: () => space,
    keySpaces: () => [space],
  } satisfies RedisLayout);
}

/** A service reads the same list every time, which is the key here. */
const known = new WeakMap<readonly string[], RowFields>();

function rowFields(fields: readonly string[]): RowFields {
  let own = known.get(fields);
  if (own === undefined) {
    own = Object.freeze({ fields, rowsOf: (found, from) => rowsOf(found, from, fields.length) } satisfies RowFields);
    known.set(fields, own);
  }
  return own;
}

function rowsOf(found: readonly (Buffer | null)[], from: number, count: number): (StoredRow | undefined)[] {
  const rows = new Array<StoredRow | undefined>(count);
  for (let i = 0; i < count; i++) {
    const row = found[from + i];
    rows[i] = row ? { bytes: row, decoded: undefined } : undefined;
  }
  return rows;
}

function packedArguments(field: string): RowArguments {
  return {
    head: [field],
    width: 2,
    bytesOf: ({ bytes }) => bytes.length,
    of: ({ expireAtMs, bytes }) => [expiryText(expireAtMs), bytes],
  };
}
