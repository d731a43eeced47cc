/**
 * A store in Feast's layout as the suites for any store use it. Those write rows of any bytes under any key and field;
 * Feast's layout holds values of declared features. So each such row travels as a real one of a view with one field of
 * bytes, each key as the text of a join key, and come back as they were.
 */

import { compileEntityKey, parseEntityKey } from "../../entity-key.ts";
import { bytes, string } from "../../field.ts";
import { compileDecodeValues, compileEncodeRow, readRowHeader } from "../../row-codec.ts";
import { isTombstone, payloadOffset, readRowOrder, valuesOffset } from "../../row-order.ts";
import { recordSchema } from "../../stored-schema.ts";
import type { LayoutView } from "../feast-definitions.ts";
import { createFeastLayout } from "../feast-layout.ts";
import type { ControlStore, EntityRows, OnlineStore, ReadRequest, RowWrite } from "../online-store.ts";
import { openRedisStore, type RedisStoreOptions } from "../redis.ts";

const SCHEMA = { payload: bytes() };
const encodeRow = compileEncodeRow([SCHEMA.payload]);
const decodeValues = compileDecodeValues([SCHEMA.payload]);

/** Short payloads are padded to this, so that they compare as they did: of two of one length the greater is newer. */
const PADDED_BYTES = 96;

/** Every name is a view of one field of bytes. */
class AnyView extends Map<string, LayoutView> {
  override get(name: string): LayoutView {
    return { name, joinKeys, schema: SCHEMA };
  }
}

/** Opens a store of rows of any bytes, in Feast's layout, of a project. */
export async function openAnyRowsInFeast(url: string, project: string, more: Partial<RedisStoreOptions> = {}) {
  const layout = (control: ControlStore) => {
    const views = new AnyView([["view", new AnyView().get("view")]]);
    return createFeastLayout(control, { project, keyTtlSeconds: undefined, views });
  };
  return anyRows(await openRedisStore(url, { keyPrefix: project, layout, ...more }));
}

function anyRows(store: OnlineStore): OnlineStore {
  const ids = new Map<string, Promise<number>>();
  const real = async (row: RowWrite): Promise<RowWrite> => {
    // Once, or all rows of a batch would want a number at the same time.
    if (!ids.has(row.field)) ids.set(row.field, recordSchema(store.control, row.field, SCHEMA));
    return { ...row, key: realKey(row.key), bytes: realRow(row.bytes, await ids.get(row.field)!) };
  };
  const read = async (requests: readonly ReadRequest[]): Promise<EntityRows[]> => {
    const entities = await store.read(requests.map(({ key, fields }) => ({ key: realKey(key), fields })));
    return entities.map(({ tier, rows }) => ({ tier, rows: rows.map((row) => row && { bytes: anyRow(row.bytes) }) }));
  };
  return {
    ...{ address: store.address, control: store.control, read },
    tiers: store.tiers.map(({ name }) => ({ name, read })),
    write: async (rows) => store.write(await Promise.all(rows.map(real))),
    replace: async (row, ifStored) => {
      const expected = ifStored && (await real({ ...row, bytes: ifStored })).bytes;
      return store.replace(await real(row), expected);
    },
    scan: async (field, limit, cursor) => {
      const { rows, ...rest } = await store.scan(field, limit, cursor);
      return { ...rest, rows: rows.map(({ key, bytes: row }) => ({ key: anyKey(key), bytes: anyRow(row) })) };
    },
    subscribe: (listener) =>
      store.subscribe({
        invalidated: (keys) => listener.invalidated(keys.map(anyKey)),
        doubted: () => listener.doubted(),
        armed: () => listener.armed(),
      }),
    sweep: (nowMs) => store.sweep(nowMs),
    history: () => store.history(),
    ping: () => store.ping(),
    close: () => store.close(),
  };
}

const joinKeys = { key: string() };
const keyOf = compileEntityKey(joinKeys);
/** The longest key of any kind is too long as the value of a join key. */
const [MANY, FEW] = ["k".repeat(1_000), "~many~"];
const realKey = (key: string) => keyOf([key.replace(MANY, FEW)]);
const anyKey = (key: string) => String(parseEntityKey(key, joinKeys)!.key).replace(FEW, MANY);

/** What stands for a header in the row's bytes becomes the origin, which is not compared; the rest is the payload. */
function realRow(row: Uint8Array, schemaId: number): Uint8Array {
  if (isTombstone(row)) return row;
  const [from, to] = [payloadOffset(row), valuesOffset(row)];
  if (to - from > 6) throw new Error(`A header of ${to - from} bytes.`);
  const originId = row.subarray(from, to).reduce((number, byte) => number * 256 + byte, 1);
  const order = readRowOrder(row);
  const header = { schemaId, originId, writtenAtMs: Math.floor(order.eventTimestampUs / 1_000) };
  return encodeRow(order, header, [padded(row.subarray(to))]);
}

function anyRow(row: Uint8Array): Uint8Array {
  if (isTombstone(row)) return row;
  const head: number[] = [];
  for (let rest = readRowHeader(row).originId; rest > 1; rest = Math.floor(rest / 256)) head.unshift(rest % 256);
  const [payload] = decodeValues(row) as [Uint8Array];
  return Buffer.concat([row.subarray(0, payloadOffset(row)), Uint8Array.from(head), unpadded(payload)]);
}

function padded(payload: Uint8Array): Uint8Array {
  const length = Math.max(PADDED_BYTES, payload.length);
  const short = length - payload.length;
  // The longer of two that begin alike is greater.
  return Buffer.concat([payload, Buffer.alloc(short), Uint8Array.of(PADDED_BYTES - short)]);
}

function unpadded(payload: Uint8Array): Uint8Array {
  return payload.subarray(0, payload.length - 1 - (PADDED_BYTES - payload.at(-1)!));
}
