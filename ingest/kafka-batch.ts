/** Records between kafkajs' shapes and ours: exact offsets, all headers, and none of the client's types further in. */

import type { Batch, IHeaders, KafkaMessage } from "kafkajs";
import type { StreamBatch, StreamHeader, StreamRecord } from "./stream-record.ts";

const NO_HEADERS: readonly StreamHeader[] = Object.freeze([]);

/** The records' bytes are those that were fetched, not copies: who keeps one keeps all that came with it. */
export function streamBatch({ topic, partition, highWatermark, messages }: Batch): StreamBatch {
  return { topic, partition, records: messages.map(streamRecord), endOffset: BigInt(highWatermark) };
}

function streamRecord({ offset, timestamp, key, value, headers }: KafkaMessage): StreamRecord {
  return {
    offset: BigInt(offset),
    timestampMs: Number(timestamp),
    key,
    value,
    headers: headers === undefined ? NO_HEADERS : streamHeaders(headers),
  };
}

/**
 * kafkajs gathers the values of a repeated name in the first one's place, so the order is exact within a name and not
 * between names that alternate.
 */
function streamHeaders(headers: IHeaders): readonly StreamHeader[] {
  const names = Object.keys(headers);
  if (names.length === 0) return NO_HEADERS;
  return names.flatMap((name) => {
    const values = headers[name];
    return (Array.isArray(values) ? values : [values]).map((value): StreamHeader => [name, headerValue(value)]);
  });
}

function headerValue(value: Buffer | string | null | undefined): Uint8Array | null {
  return typeof value === "string" ? Buffer.from(value) : (value ?? null);
}

/** Headers as kafkajs takes them, which can't write null: it becomes empty. */
export function kafkaHeaders(headers: readonly StreamHeader[]): IHeaders {
  const gathered = new Map<string, Buffer[]>();
  for (const [name, value] of headers) {
    const values = gathered.get(name) ?? [];
    values.push(asBuffer(value) ?? Buffer.alloc(0));
    gathered.set(name, values);
  }
  return Object.fromEntries(gathered);
}

/** The same bytes, not a copy. */
export function asBuffer(bytes: Uint8Array | null): Buffer | null {
  return bytes === null ? null : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
