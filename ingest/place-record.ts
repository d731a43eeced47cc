/**
 * A partition's place as it is kept in the store's control records: the history that its rows are in, and an offset
 * below which they were there long before. Written by compare and set, so that of two ingesters which both take a
 * partition for theirs one learns of the other.
 */

import type { ControlStore } from "../features/store/online-store.ts";
import type { TopicPartition } from "./kafka-offsets.ts";

/** What a record says; all undefined where there is none. */
export interface PlaceRecord {
  readonly key: string;
  readonly bytes: Uint8Array | undefined;
  readonly history: string | undefined;
  /** undefined: nothing is known to have been applied. */
  readonly offset: bigint | undefined;
}

/** Reads the record of a group's partition. Rejects with STORE_UNREACHABLE. */
export async function readPlaceRecord(
  control: ControlStore,
  groupId: string,
  { topic, partition }: TopicPartition,
): Promise<PlaceRecord> {
  const key = `ingest/${groupId}/${topic}/${partition}`;
  const bytes = await control.get(key);
  if (bytes === undefined) return { key, bytes, history: undefined, offset: undefined };
  const { history, from_offset: text } = JSON.parse(Buffer.from(bytes).toString("utf8")) as {
    readonly history: string;
    readonly from_offset?: string;
  };
  return { key, bytes, history, offset: text === undefined ? undefined : BigInt(text) };
}

/** Writes it anew; undefined when it has changed since it was read. Rejects with STORE_UNREACHABLE. */
export async function writePlaceRecord(
  control: ControlStore,
  { key, bytes: before }: PlaceRecord,
  { history, offset }: { readonly history: string; readonly offset: bigint | undefined },
): Promise<PlaceRecord | undefined> {
  const text = JSON.stringify({ history, from_offset: offset === undefined ? undefined : String(offset) });
  const bytes = Buffer.from(text);
  return (await control.compareAndSet(key, before, bytes)) ? { key, bytes, history, offset } : undefined;
}
