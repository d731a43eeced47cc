/** The rows that the test and the processes beside it write, so that each side can tell what the other's must be. */

import { createHash } from "node:crypto";
import { ROW_ORDER_MAX_BYTES, writeRowOrder } from "../../row-order.ts";
import type { RowWrite } from "../online-store.ts";

/** The keys that all writers write. */
export const SHARED_KEYS = Array.from({ length: 20 }, (_, i) => `shared=${i}`);
/** How many writers share the event times. */
export const WRITERS = 3;
/** Rows of a flood's batch: several transactions. */
export const FLOOD_ROWS = 2_000;

/** A row whose payload follows from its key and event time; `isWhole` tells whether it does. */
export function sharedRow(key: string, at: number): RowWrite {
  const head = new Uint8Array(ROW_ORDER_MAX_BYTES);
  const order = { eventTimestampUs: at, createdTimestampUs: at, generation: 1, sourceRank: 0, position: at };
  const end = writeRowOrder(head, 0, order);
  const bytes = Buffer.concat([head.subarray(0, end), payloadOf(key, at)]);
  return { key, field: "view", bytes, expireAtMs: Number.POSITIVE_INFINITY };
}

/** Batch n writes the event time n to all its keys; one key in ten is new. */
export function floodBatch(batch: number): readonly RowWrite[] {
  return Array.from({ length: FLOOD_ROWS }, (_, i) => sharedRow(`flood=${i % 10 === 0 ? `${batch}.${i}` : i}`, batch));
}

/** Between 32 and 544 bytes. */
function payloadOf(key: string, at: number): Buffer {
  const digest = createHash("sha256").update(`${key} ${at}`).digest();
  return Buffer.concat(Array.from({ length: 1 + (digest[0]! % 17) }, () => digest));
}
