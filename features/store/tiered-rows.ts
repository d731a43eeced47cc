/**
 * The rows that a tiered store keeps in memory: an LRU of entities, bounded in bytes.
 *
 * A row's bytes are kept as a text of one character a byte: a string of V8's costs 16 bytes beside its characters where
 * a typed array costs some 200, so the same memory holds a third to a half more entities. They are made an array again
 * for whoever asks, which is the reader, once: what it decodes is kept with the entity, whichever of its rows were asked
 * for. That nothing is stored is kept too.
 *
 * What an entity takes is reckoned when it is put, with room for what the reader will make of its rows. The constants
 * were fitted to the measured growth of the heap and a test holds them to it.
 */

import { LRUCache } from "lru-cache";
import type { EntityRows, KeptTogether, ReadRequest, StoredRow } from "./online-store.ts";

/** An entity's share of the LRU's lists and map, its key's header, its own object and its list of values. */
const ENTITY_BYTES = 260;
/** A row's object, and the headers of its characters. */
const ROW_BYTES = 85;
/** A row's characters, and their share of what is made of them: 5 bytes of a packed float become 8. */
const BYTES_PER_ROW_BYTE = 2;
/** A place in an entity's lists of fields and rows, taken by an absent row too. */
const PLACE_BYTES = 16;

/** What the memory tier calls itself. */
export const MEMORY_TIER = "memory";

/** The kept rows of one entity; itself the answer to a read of all of them. */
export class KeptEntity implements EntityRows, KeptTogether {
  readonly tier = MEMORY_TIER;
  readonly fields: readonly string[];
  readonly rows: readonly (KeptRow | undefined)[];
  /** True when it is known that nothing is stored under any of the fields. */
  readonly isAbsent: boolean;
  decoded: unknown = undefined;
  layout: unknown = undefined;

  constructor(fields: readonly string[], rows: readonly (KeptRow | undefined)[]) {
    this.fields = fields;
    this.rows = rows;
    this.isAbsent = rows.every((row) => row === undefined);
  }

  get kept(): KeptTogether {
    return this;
  }

  /** The rows of some fields, or undefined unless all of them are known. */
  answer(fields: readonly string[]): EntityRows | undefined {
    // A service reads the same list of fields every time, and its versions and others read lists that are equal.
    if (fields === this.fields || isSameList(fields, this.fields)) return this;
    return fields.every((field) => this.fields.includes(field)) ? this.known(fields) : undefined;
  }

  /** Those of some fields that are not known. */
  unknown(fields: readonly string[]): readonly string[] {
    return fields.filter((field) => !this.fields.includes(field));
  }

  /** The rows of some fields as far as they are known. */
  known(fields: readonly string[]): EntityRows {
    const places = fields.map((field) => this.fields.indexOf(field));
    return { tier: MEMORY_TIER, rows: places.map((place) => this.rows[place]), kept: this, places };
  }
}

function isSameList(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((field, i) => field === other[i]);
}

/** A row that keeps its bytes packed. */
class KeptRow implements StoredRow {
  decoded: unknown = undefined;
  /** One character a byte. */
  readonly #text: string;

  constructor(bytes: Uint8Array) {
    this.#text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
  }

  get bytes(): Uint8Array {
    return Buffer.from(this.#text, "latin1");
  }

  get byteLength(): number {
    return this.#text.length;
  }
}

/** The LRU. Keys are entity keys. */
export class KeptRows {
  /** Entities that had to go for others. */
  evictions = 0;
  readonly #entities: LRUCache<string, KeptEntity>;

  /** Keeps at most `maxBytes` of memory, as reckoned here; the entities least recently read go first. */
  constructor(maxBytes: number) {
    this.#entities = new LRUCache({
      maxSize: maxBytes,
      dispose: (_entity, _key, reason) => {
        if (reason === "evict") this.evictions++;
      },
    });
  }

  get bytes(): number {
    return this.#entities.calculatedSize;
  }

  get entities(): number {
    return this.#entities.size;
  }

  /** The entity, which counts as read. */
  get(key: string): KeptEntity | undefined {
    return this.#entities.get(key);
  }

  /** The entity, without counting as a read. */
  peek(key: string): KeptEntity | undefined {
    return this.#entities.peek(key);
  }

  /** Keeps what was found of a request beside what is kept of the entity already; returns the rows as they are kept. */
  put({ key, fields }: ReadRequest, found: EntityRows): EntityRows {
    const rows = found.rows.map((row) => row && new KeptRow(row.bytes));
    const before = this.#entities.peek(key);
    const entity = before === undefined ? new KeptEntity(fields, rows) : withNewer(before, fields, rows);
    // Requests put their keys together of parts; a key that is kept so is two places of memory at each look-up.
    const whole = Buffer.from(key, "latin1").toString("latin1");
    this.#entities.set(whole, entity, { size: entityBytes(key, entity) });
    return { ...entity.known(fields), tier: found.tier };
  }

  delete(key: string): boolean {
    return this.#entities.delete(key);
  }

  clear(): void {
    this.#entities.clear();
  }
}

function withNewer(before: KeptEntity, fields: readonly string[], rows: readonly (KeptRow | undefined)[]): KeptEntity {
  const isOlder = (field: string) => !fields.includes(field);
  const olderRows = before.rows.filter((_, i) => isOlder(before.fields[i]!));
  return new KeptEntity([...before.fields.filter(isOlder), ...fields], [...olderRows, ...rows]);
}

function entityBytes(key: string, { rows }: KeptEntity): number {
  let bytes = ENTITY_BYTES + key.length + rows.length * PLACE_BYTES;
  for (const row of rows) if (row !== undefined) bytes += ROW_BYTES + row.byteLength * BYTES_PER_ROW_BYTE;
  return bytes;
}
