/**
 * What brokers know of topics and offsets: which topics there are, what a group has committed, where a partition
 * begins, ends, or has its first record of some time. All by kafkajs' admin client.
 */

import type { Admin } from "kafkajs";
import { isTopicMissing } from "./kafka-failure.ts";

/** A partition of a topic. */
export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/** A place in a partition: the offset of the record that comes next. */
export interface PartitionOffset extends TopicPartition {
  readonly offset: bigint;
}

/** How far behind a partition is. */
export interface PartitionLag extends TopicPartition {
  /** End offset − committed position. */
  readonly messages: number;
}

/** Where a partition starts for which a group has no committed offset. */
export type StartFrom = "earliest" | "latest" | { readonly timestampMs: number };

/** "orders[3]": a key for maps, and how a partition is named in messages. */
export function partitionName({ topic, partition }: TopicPartition): string {
  return `${topic}[${partition}]`;
}

/** What there is of some topics. */
export interface TopicLayout {
  /** Topics that are not there, or that this login may not see. */
  readonly missing: readonly string[];
  /** Partitions of those that are there. */
  readonly partitions: number;
}

/** Looks which of the topics are there. */
export async function topicLayout(admin: Admin, topics: readonly string[]): Promise<TopicLayout> {
  const missing: string[] = [];
  let partitions = 0;
  for (const topic of topics) {
    try {
      const { topics: found } = await admin.fetchTopicMetadata({ topics: [topic] });
      partitions += found[0]?.partitions.length ?? 0;
    } catch (error) {
      if (!isTopicMissing(error)) throw error;
      missing.push(topic);
    }
  }
  return { missing, partitions };
}

/** A committed offset that names no record: kafkajs leaves it where retention has taken what it was to read. */
export const EARLIEST_OFFSET = -2n;

/**
 * What the group has committed of all partitions of these topics, by partition name; a partition of which it has
 * nothing is not in it. An offset is a record's or EARLIEST_OFFSET: of the protocol's other negative ones, −1 says that
 * there is none.
 */
export async function committedOffsets(
  admin: Admin,
  groupId: string,
  topics: readonly string[],
): Promise<ReadonlyMap<string, PartitionOffset>> {
  const committed = new Map<string, PartitionOffset>();
  for (const { topic, partitions } of await admin.fetchOffsets({ groupId, topics: [...topics] })) {
    for (const { partition, offset: text } of partitions) {
      const offset = BigInt(text);
      if (offset === -1n) continue;
      const known = { topic, partition, offset: offset < 0n ? EARLIEST_OFFSET : offset };
      committed.set(partitionName(known), known);
    }
  }
  return committed;
}

/** Where all partitions of a topic end. */
export async function topicEnds(admin: Admin, topic: string): Promise<readonly PartitionOffset[]> {
  const bounds = await admin.fetchTopicOffsets(topic);
  return bounds.map(({ partition, high }) => ({ topic, partition, offset: BigInt(high) }));
}

/** The offsets at which these partitions start; the end where no record is that new. */
export async function startOffsets(
  admin: Admin,
  partitions: readonly TopicPartition[],
  startFrom: StartFrom,
): Promise<readonly PartitionOffset[]> {
  return offsetsOf(partitions, async (topic) => {
    if (typeof startFrom === "object") return admin.fetchTopicOffsetsByTimestamp(topic, startFrom.timestampMs);
    const bounds = await admin.fetchTopicOffsets(topic);
    return bounds.map(({ partition, low, high }) => ({ partition, offset: startFrom === "earliest" ? low : high }));
  });
}

/**
 * Where partitions stand that were to go back to these offsets: no further back than the first record that there is, and
 * not on from the position, where one is known.
 */
export async function placesBehind(
  admin: Admin,
  to: readonly PartitionOffset[],
  positionOf: (partition: string) => bigint | undefined,
): Promise<readonly PartitionOffset[]> {
  const wanted = new Map(to.map((one) => [partitionName(one), one.offset]));
  const begins = await startOffsets(admin, to, "earliest");
  return begins.map((begin) => {
    const name = partitionName(begin);
    const to = wanted.get(name)!;
    const offset = to > begin.offset ? to : begin.offset;
    const position = positionOf(name);
    return { ...begin, offset: position !== undefined && position < offset ? position : offset };
  });
}

/**
 * How far behind these partitions are; one of which no position is known counts as being at its end. The end is the last
 * stable offset (kafkajs asks as a reader of what is committed): what an open transaction holds back is no lag.
 */
export async function partitionLags(
  admin: Admin,
  partitions: readonly TopicPartition[],
  positionOf: (partition: string) => bigint | undefined,
): Promise<readonly (PartitionLag & { readonly position: bigint })[]> {
  const ends = await startOffsets(admin, partitions, "latest");
  return ends.map(({ topic, partition, offset }) => {
    const position = positionOf(partitionName({ topic, partition })) ?? offset;
    return { topic, partition, position, messages: Math.max(0, Number(offset - position)) };
  });
}

async function offsetsOf(
  partitions: readonly TopicPartition[],
  ask: (topic: string) => Promise<readonly { readonly partition: number; readonly offset: string }[]>,
): Promise<readonly PartitionOffset[]> {
  const wanted = new Set(partitions.map(partitionName));
  const answers = await Promise.all(
    topicsOf(partitions).map(async (topic) =>
      (await ask(topic)).map(({ partition, offset }) => ({ topic, partition, offset: BigInt(offset) })),
    ),
  );
  return answers.flat().filter((one) => wanted.has(partitionName(one)));
}

/** Each topic once. */
export function topicsOf(partitions: readonly TopicPartition[]): string[] {
  return [...new Set(partitions.map(({ topic }) => topic))];
}
