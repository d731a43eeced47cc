/**
 * The entities of one part, with what each side has of them: of the files the row that a store would be left with, of a
 * scan the row that it met last.
 */

import { compareRows } from "../../features/row-order.ts";
import type { SpilledRow } from "./row-spill.ts";

/** An entity of a part. */
export interface PartEntity {
  readonly key: string;
  /** The latest row of the files; its tag is the file. */
  offline: SpilledRow | undefined;
  /** What a scan found in the store. */
  scanned: Uint8Array | undefined;
}

/**
 * Joins both sides by key, those of the files first. Of the files' rows the newest by order and values is kept, of equal
 * ones the later, which is what newest is to every store.
 */
export function gatherEntities(
  offline: Iterable<SpilledRow>,
  scanned: Iterable<SpilledRow> | undefined,
): readonly PartEntity[] {
  const entities = new Map<string, PartEntity>();
  for (const row of offline) {
    const known = entities.get(row.key);
    if (known === undefined) entities.set(row.key, { key: row.key, offline: row, scanned: undefined });
    else if (compareRows(row.bytes, known.offline!.bytes) >= 0) known.offline = row;
  }
  for (const { key, bytes } of scanned ?? []) {
    const known = entities.get(key);
    if (known === undefined) entities.set(key, { key, offline: undefined, scanned: bytes });
    else known.scanned = bytes;
  }
  return [...entities.values()];
}
