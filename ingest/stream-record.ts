/**
 * What the consumer hands on: records of one partition as Kafka has them, free of any client's own types, so that the
 * client can be exchanged without the rest knowing.
 */

/** One record. */
export interface StreamRecord {
  readonly offset: bigint;
  /** The record's own timestamp, epoch ms: when it was produced, or appended where the topic says so. */
  readonly timestampMs: number;
  readonly key: Uint8Array | null;
  /** null is a delete. */
  readonly value: Uint8Array | null;
  /** In their order; a name may come more than once. */
  readonly headers: readonly StreamHeader[];
}

/** A header. */
export type StreamHeader = readonly [name: string, value: Uint8Array | null];

/** Records of one partition, in the order of their offsets. */
export interface StreamBatch {
  readonly topic: string;
  readonly partition: number;
  readonly records: readonly StreamRecord[];
  /** The offset that the partition's next record will have, as of the fetch. */
  readonly endOffset: bigint;
}

/** "orders[3]@1207": how a record is named in messages. */
export function recordName(topic: string, partition: number, offset: bigint): string {
  return `${topic}[${partition}]@${offset}`;
}
