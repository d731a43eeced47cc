/** Rows as the tests of a store write and read them. */

import { ROW_ORDER_MAX_BYTES, type RowOrder, writeRowOrder } from "../../row-order.ts";
import type { OnlineStore, RowWrite } from "../online-store.ts";

/** A row's bytes: the order (what is not given is 0), then `payload`; without it a tombstone. */
export function rowBytes(order: Partial<RowOrder>, payload?: string | Uint8Array): Uint8Array {
  const head = new Uint8Array(ROW_ORDER_MAX_BYTES);
  const zero = { eventTimestampUs: 0, createdTimestampUs: 0, generation: 0, sourceRank: 0, position: 0 };
  const end = writeRowOrder(head, 0, { ...zero, ...order });
  return Buffer.concat([head.subarray(0, end), Buffer.from(payload ?? "")]);
}

/** A write of `view` at event time `at`, that never expires. */
export function rowWrite(key: string, at: number, payload?: string | Uint8Array, field = "view"): RowWrite {
  return { key, field, bytes: rowBytes({ eventTimestampUs: at }, payload), expireAtMs: Number.POSITIVE_INFINITY };
}

/** The stored bytes of one row. */
export async function readBytes(store: OnlineStore, key: string, field = "view"): Promise<Buffer | undefined> {
  const bytes = (await store.read([{ key, fields: [field] }]))[0]?.rows[0]?.bytes;
  return bytes && Buffer.from(bytes);
}

/** All rows of a field by pages; `between` runs between two pages. */
export async function scanAll(
  store: OnlineStore,
  field: string,
  limit: number,
  between?: () => Promise<void>,
): Promise<Map<string, Uint8Array>> {
  const rows = new Map<string, Uint8Array>();
  for (let cursor: string | undefined, isFirstPage = true; isFirstPage || cursor !== undefined; isFirstPage = false) {
    const page = await store.scan(field, limit, cursor);
    if (page.rows.length > limit) throw new Error(`A page of ${page.rows.length} rows where ${limit} were asked for.`);
    for (const { key, bytes } of page.rows) rows.set(key, Buffer.from(bytes));
    cursor = page.cursor;
    await between?.();
  }
  return rows;
}

/** The payload of a row, as text. */
export function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.subarray(1 + bytes[0]!)).toString();
}
