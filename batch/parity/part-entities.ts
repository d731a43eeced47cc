/**
 * The entities of one part, with what each side has of them: of the files the row that a store would be left with, of a
 * scan the row that it met last. They are joined by the hashes that the rows were spilled with.
 */

import { compareRows } from "../../features/row-order.ts";
import type { SpilledRow } from "./row-spill.ts";

/** A row of the files. */
export interface GatheredRow {
  readonly bytes: Uint8Array;
  /** The file's place among those that were read. */
  readonly file: number;
}

/** An entity of a part. */
export interface PartEntity {
  readonly key: string;
  /** The latest row of the files. */
  offline: GatheredRow | undefined;
  /** What a scan found in the store. */
  scanned: Uint8Array | undefined;
}

/**
 * Joins both sides by key, those of the files first; there are at most so many rows. Of the files' rows the newest by
 * order and values is kept, of equal ones the later, which is what newest is to every store.
 */
export function gatherEntities(
  rowsMost: number,
  offline: Iterable<SpilledRow>,
  scanned: Iterable<SpilledRow> | undefined,
): readonly PartEntity[] {
  const known = new EntityTable(rowsMost);
  for (const row of offline) {
    const entity = known.entityOf(row);
    const { bytes, tag: file } = row;
    if (entity.offline === undefined || compareRows(bytes, entity.offline.bytes) >= 0) entity.offline = { bytes, file };
  }
  for (const row of scanned ?? []) known.entityOf(row).scanned = row.bytes;
  return known.entities;
}

/** Entities by key, in the order they came. */
class EntityTable {
  readonly entities: PartEntity[] = [];
  readonly #hashes: Uint32Array;
  /** One more than the place of the entity whose hash leads here, or to a slot before; 0 where there is none. */
  readonly #slots: Int32Array;
  readonly #bits: number;

  /** Half of the slots stay free. */
  constructor(entitiesMost: number) {
    this.#bits = 33 - Math.clz32(entitiesMost);
    this.#hashes = new Uint32Array(entitiesMost);
    this.#slots = new Int32Array(2 ** this.#bits);
  }

  /** The entity of a row; a new one where it is the first. */
  entityOf(row: SpilledRow): PartEntity {
    const { entities } = this;
    const { hash } = row;
    let slot = slotOf(hash, this.#bits);
    for (let place = this.#slots[slot]!; place > 0; place = this.#slots[slot]!) {
      if (this.#hashes[place - 1] === hash && row.hasKey(entities[place - 1]!.key)) return entities[place - 1]!;
      slot = (slot + 1) % this.#slots.length;
    }
    this.#hashes[entities.length] = hash;
    const entity = { key: row.key, offline: undefined, scanned: undefined };
    this.#slots[slot] = entities.push(entity);
    return entity;
  }
}

/** The low bits of a hash chose the part, so they are alike here: the golden ratio spreads the others (Knuth, TAOCP 6.4). */
function slotOf(hash: number, bits: number): number {
  return Math.imul(hash, 0x9e3779b1) >>> (32 - bits);
}
