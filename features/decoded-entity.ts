/**
 * What the rows of one entity decode to, kept beside them where a tier keeps an entity's rows together: one list of all
 * values, view after view, each view's event timestamp before its values. A list of numbers is one block of memory, and
 * how it lies is told by a layout that all entities with rows of the same schemas share. So a read of one among millions
 * of entities touches few lines of memory, where an object for each row and list took most of the read's time.
 *
 * It is right for as long as memory holds those rows: whatever depends on the plan or on the time is told at every read.
 */

import type { FeatureValue } from "./field.ts";
import { readSchemaId } from "./row-codec.ts";
import { isTombstone, readEventTimestampUs } from "./row-order.ts";
import type { KeptTogether } from "./store/online-store.ts";
import type { EntityLayout, StoredSchemas } from "./stored-schema.ts";

/** A list of values, to be read by valueAt: where it is of numbers a null is a hole in it. */
export type DecodedList = readonly (FeatureValue | undefined)[];

/** An entity whose rows have been decoded. */
export interface DecodedEntity extends KeptTogether {
  /** As the layout says. */
  readonly decoded: DecodedList;
  readonly layout: EntityLayout;
}

/** Whether an entity's rows have been decoded before. */
export function isDecoded(entity: KeptTogether): entity is DecodedEntity {
  return entity.layout !== undefined;
}

/**
 * Decodes an entity's rows, unless it was done before; what comes of it stays with the entity, in place of what was kept
 * of each row. False where the schema of one of them was not met.
 */
export function decodeEntity(entity: KeptTogether, schemas: StoredSchemas): entity is DecodedEntity {
  if (isDecoded(entity)) return true;
  const rows = entity.rows.map((row) => {
    // Asked for once: memory makes them anew each time.
    const bytes = row?.bytes;
    return bytes === undefined || isTombstone(bytes) ? undefined : bytes;
  });
  const ids = rows.map((bytes) => bytes && readSchemaId(bytes));
  if (ids.some((id) => id !== undefined && schemas.get(id) === undefined)) return false;
  const list: FeatureValue[] = [];
  for (const [i, bytes] of rows.entries()) {
    if (bytes === undefined) continue;
    list.push(readEventTimestampUs(bytes));
    const { decode, fields } = schemas.get(ids[i]!)!;
    const values = decode(bytes);
    // As many as the layout says: a row that is not of its schema, where ids mean others now, moves no other row's values.
    for (let f = 0; f < fields.length; f++) list.push(values[f] ?? null);
  }
  for (const row of entity.rows) if (row !== undefined) row.decoded = undefined;
  const isNumbers = list.every(isNumberOrNull);
  entity.decoded = isNumbers ? asDoubles(list as (number | null)[]) : list.slice();
  entity.layout = schemas.layoutOf(ids, isNumbers);
  return true;
}

/** The value at a place of a list; `isNumbers` as its layout says, false for a list of any other making. */
export function valueAt(list: DecodedList, isNumbers: boolean, place: number): FeatureValue {
  return isNumbers ? numberAt(list, place) : anyAt(list, place);
}

/**
 * By themselves, since V8 boxes a list of doubles, for good, where it is read by code that also read lists of other values:
 * optimized code takes all of them for lists of the most general kind it has met, and makes them so.
 */
function numberAt(numbers: DecodedList, place: number): FeatureValue {
  const number = numbers[place];
  return number === undefined ? null : number;
}

function anyAt(values: DecodedList, place: number): FeatureValue {
  return values[place]!;
}

function isNumberOrNull(value: FeatureValue): value is number | null {
  return value === null || typeof value === "number";
}

/**
 * The same list with holes for nulls, in V8 as doubles side by side, which take a third of boxed ones. Where in the code a
 * list once held a text or a null V8 boxes the numbers of all lists after it, so these are made where none ever does.
 */
function asDoubles(list: readonly (number | null)[]): DecodedList {
  const doubles = new Array<number>(list.length);
  for (const [i, number] of list.entries()) if (number !== null) doubles[i] = number;
  return doubles;
}
