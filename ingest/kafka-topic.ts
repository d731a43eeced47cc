/** Topics that Headgate makes: each is like one that is there, so that what suited its records suits what becomes of them. */

import { setTimeout as sleep } from "node:timers/promises";
import kafkajs, { type Admin, type ITopicConfig } from "kafkajs";
import { isLeaderMissing, isRightMissing, isSettingRefused, isTopicMissing } from "./kafka-failure.ts";

/** What is asked of kafkajs' admin. */
export type TopicAdmin = Pick<Admin, "fetchTopicMetadata" | "createTopics" | "describeConfigs">;

/**
 * Creates a topic where it is missing: with as many partitions and replicas as another has, for messages somewhat larger
 * than that one's, and never compacted. Where the cluster forbids that size it has the cluster's. It can be written to then,
 * unless the cluster takes long, at least 5 s, to agree on its leaders. Throws what kafkajs does.
 */
export async function createTopicLike(
  admin: TopicAdmin,
  topic: string,
  likeTopic: string,
  pause: (ms: number) => Promise<unknown> = sleep,
): Promise<void> {
  const isThere = await admin.fetchTopicMetadata({ topics: [topic] }).then(
    () => true,
    (error) => {
      if (!isTopicMissing(error)) throw error;
      return false;
    },
  );
  if (isThere) return;
  const { topics } = await admin.fetchTopicMetadata({ topics: [likeTopic] });
  const partitions = topics[0]!.partitions;
  const shape = { topic, numPartitions: partitions.length, replicationFactor: partitions[0]?.replicas.length ?? 1 };
  const size = { name: "max.message.bytes", value: String(await createdMessageBytes(admin, likeTopic)) };
  try {
    await createTopic(admin, { ...shape, configEntries: [NOT_COMPACTED, size] });
  } catch (error) {
    if (!isSettingRefused(error)) throw error;
    // A cluster may forbid other sizes than its own. Then a letter that is too large is cut.
    await createTopic(admin, { ...shape, configEntries: [NOT_COMPACTED] });
  }
  await awaitLeaders(admin, topic, pause);
}

/** Letters of one key are not versions of one thing. */
const NOT_COMPACTED = Object.freeze({ name: "cleanup.policy", value: "delete" });

/** Another ingester may have been quicker, which createTopics tells by false. */
async function createTopic(admin: TopicAdmin, topic: ITopicConfig): Promise<void> {
  // kafkajs' own wait for its leaders takes a broker that has not heard of the topic yet for a failure.
  await admin.createTopics({ topics: [topic], waitForLeaders: false });
}

const LEADERS_PAUSE_MS = 250;
/** How often a new topic is looked for before whoever writes to it has to find out. A look is short unless kafkajs asks again itself, as it does for a leader. */
const LEADERS_LOOKS = 20;

async function awaitLeaders(admin: TopicAdmin, topic: string, pause: (ms: number) => Promise<unknown>): Promise<void> {
  for (let i = 0; i < LEADERS_LOOKS; i++) {
    if (await hasLeaders(admin, topic)) return;
    await pause(LEADERS_PAUSE_MS);
  }
}

async function hasLeaders(admin: TopicAdmin, topic: string): Promise<boolean> {
  try {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    return topics[0]!.partitions.every(({ leader }) => leader >= 0);
  } catch (error) {
    if (isTopicMissing(error) || isLeaderMissing(error)) return false;
    throw error;
  }
}

/** What a topic that is created takes more than the one it is like: a letter has more headers than its record. */
const CREATED_MORE_BYTES = 64 * 1024;
/** A topic's max.message.bytes unless it or its cluster has another. */
const MESSAGE_BYTES = 1_048_588;
const MESSAGE_BYTES_MAX = 2 ** 31 - 1;

async function createdMessageBytes(admin: TopicAdmin, likeTopic: string): Promise<number> {
  const resource = { type: kafkajs.ConfigResourceTypes.TOPIC, name: likeTopic, configNames: ["max.message.bytes"] };
  const asked = admin.describeConfigs({ includeSynonyms: false, resources: [resource] });
  const described = await asked.catch((error) => {
    // Who reads a topic need not be allowed to see how it is set up.
    if (!isRightMissing(error)) throw error;
    return undefined;
  });
  const bytes = Number(described?.resources[0]?.configEntries[0]?.configValue ?? Number.NaN);
  return Math.min((bytes >= 0 ? bytes : MESSAGE_BYTES) + CREATED_MORE_BYTES, MESSAGE_BYTES_MAX);
}
