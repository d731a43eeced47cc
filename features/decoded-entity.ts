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
import type { EntityRows } from "./store/online-store.ts";
import type { EntityLayout, StoredSchemas } from "./stored-schema.ts";

/** An entity whose rows have been decoded. */
export interface DecodedEntity extends EntityRows {
  /** As the layout says. */
  readonly decoded: readonly FeatureValue[];
  readonly layout: EntityLayout;
}

/** Whether an entity's rows have been decoded before. */
export function isDecoded(entity: EntityRows): entity is DecodedEntity {
  return entity.layout !== undefined;
}

/**
 * Decodes an entity's rows, unless it was done before; what comes of it stays with the entity, in place of what was kept
 * of each row. False where the tier does not keep the rows together, or the store lacks a schema, which has to be asked for.
 */
export function decodeEntity(entity: EntityRows, schemas: StoredSchemas): entity is DecodedEntity {
  if (isDecoded(entity)) return true;
  if (!("decoded" in entity)) return false;
  const rows = entity.rows.map((row) => (row === undefined || isTombstone(row.bytes) ? undefined : row.bytes));
  const layout = schemas.layoutOf(rows.map((bytes) => bytes && readSchemaId(bytes)));
  if (layout === undefined) return false;
  // Grown value by value: V8 lays a list that was only ever given numbers out as doubles, side by side.
  const list: FeatureValue[] = [];
  for (const [i, bytes] of rows.entries()) {
    if (bytes === undefined) continue;
    list.push(readEventTimestampUs(bytes));
    for (const value of layout.schemas[i]!.decode(bytes)) list.push(value);
  }
  for (const row of entity.rows) if (row !== undefined) row.decoded = undefined;
  // What was grown has room for more.
  entity.decoded = list.slice();
  entity.layout = layout;
  return true;
}
