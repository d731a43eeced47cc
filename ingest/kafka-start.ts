/**
 * Where a member begins in each partition that it is given: at the group's commit, and where there is none at the start
 * that it was told. The group's start in a topic is one decision, not one for each partition: "latest" leaves out what
 * was there when the group first read the topic, so a partition that comes to the topic later is read from its start.
 */

import type { Admin } from "kafkajs";
import { pauseUnlessAborted } from "./bounded-wait.ts";
import {
  committedOffsets,
  EARLIEST_OFFSET,
  type PartitionOffset,
  partitionName,
  type StartFrom,
  startOffsets,
  type TopicPartition,
  topicEnds,
  topicsOf,
} from "./kafka-offsets.ts";

/** Between two looks whether the group's leader has decided, ms. */
const LEADER_LOOK_MS = 200;
/** Looks until the leader counts as unable to: then the group is joined anew. */
const LEADER_LOOKS_MAX = 50;

/** What is to be placed. */
export interface StartRequest {
  /** Connected. */
  readonly admin: Admin;
  readonly groupId: string;
  readonly assignments: readonly TopicPartition[];
  /** True for the one member that decides for its group. */
  readonly isLeader: boolean;
  readonly startFrom: (topic: string) => StartFrom;
  /** Aborts when another assignment has come. */
  readonly signal: AbortSignal;
}

/** Where the partitions begin. */
export interface GroupStart {
  /** What the group has committed of the assigned partitions. */
  readonly committed: readonly PartitionOffset[];
  /** Where the others begin; to be committed before anything is read, else the next member begins elsewhere. */
  readonly starts: readonly PartitionOffset[];
  /** What a leader is to commit for partitions of others: the ends of topics that the group begins with. */
  readonly startsOfOthers: readonly PartitionOffset[];
}

/** Decides where the assigned partitions begin. Rejects with kafkajs' errors, and when the leader does not decide. */
export async function decideStart(request: StartRequest): Promise<GroupStart> {
  const { admin, groupId, assignments, isLeader, signal } = request;
  const topics = topicsOf(assignments);
  for (let looks = 0; ; looks++) {
    const known = await committedOffsets(admin, groupId, topics);
    const unread = unreadTopics(request, known);
    if (isLeader || unread.length === 0) return startFromCommits(request, known, unread);
    if (looks >= LEADER_LOOKS_MAX) {
      throw new Error(`The group's leader has not committed where ${unread.join(", ")} begins.`);
    }
    await pauseUnlessAborted(LEADER_LOOK_MS, signal);
    signal.throwIfAborted();
  }
}

type Commits = ReadonlyMap<string, PartitionOffset>;

/** Topics that are read from their end on, and of which the group has not read anything yet. */
function unreadTopics({ assignments, startFrom }: StartRequest, known: Commits): readonly string[] {
  const read = new Set([...known.values()].map(({ topic }) => topic));
  return topicsOf(assignments).filter((topic) => startFrom(topic) === "latest" && !read.has(topic));
}

async function startFromCommits(
  { admin, assignments, startFrom }: StartRequest,
  known: Commits,
  unread: readonly string[],
): Promise<GroupStart> {
  const commitOf = (one: TopicPartition) => known.get(partitionName(one));
  const assigned = new Set(assignments.map(partitionName));
  const unplaced = assignments.filter((one) => (commitOf(one)?.offset ?? EARLIEST_OFFSET) === EARLIEST_OFFSET);
  const isAtEarliest = (one: TopicPartition) => {
    const cameLater = startFrom(one.topic) === "latest" && !unread.includes(one.topic);
    return cameLater || commitOf(one)?.offset === EARLIEST_OFFSET;
  };
  const starts = topicsOf(unplaced).flatMap((topic) => {
    const ofTopic = unplaced.filter((one) => one.topic === topic);
    const others = ofTopic.filter((one) => !isAtEarliest(one));
    return [
      startOffsets(admin, ofTopic.filter(isAtEarliest), "earliest"),
      startOffsets(admin, others, startFrom(topic)),
    ];
  });
  const ends = unread.map((topic) => topicEnds(admin, topic));
  return {
    committed: assignments.flatMap((one) => commitOf(one) ?? []).filter(({ offset }) => offset !== EARLIEST_OFFSET),
    starts: (await Promise.all(starts)).flat(),
    startsOfOthers: (await Promise.all(ends)).flat().filter((one) => !assigned.has(partitionName(one))),
  };
}
