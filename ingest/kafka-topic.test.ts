import { createRequire } from "node:module";
import type { ITopicConfig } from "kafkajs";
import { expect, test } from "vitest";
import { createTopicLike, type TopicAdmin } from "./kafka-topic.ts";

const { KafkaJSAggregateError } = createRequire(import.meta.url)("kafkajs/src/errors.js");
const typed = (type: string) => Object.assign(new Error(type), { type });
/** As kafkajs has what became of topics that could not be created. */
const creation = (type: string) => new KafkaJSAggregateError("Topic creation errors", [typed(type)]);

interface Cluster {
  /** Of "orders"; an error's type where it may not be asked. */
  readonly messageBytes?: string;
  readonly denied?: string;
  readonly refuses?: (topic: ITopicConfig) => string | undefined;
  /** What is known of a new topic, look by look: an error's type, or its leader. The last holds on. */
  readonly looks?: readonly (string | number)[];
}

/** A cluster that has topic "orders", and what it was asked to create. */
function adminOf({ messageBytes = "2000000", denied, refuses = () => undefined, looks = [1] }: Cluster) {
  const created: ITopicConfig[] = [];
  let looked = 0;
  const partition = { partitionErrorCode: 0, partitionId: 0, leader: 1, replicas: [1, 2, 3], isr: [1] };
  const admin: TopicAdmin = {
    fetchTopicMetadata: async ({ topics } = { topics: [] }) => {
      if (created.length > 0) {
        const look = looks[Math.min(looked++, looks.length - 1)]!;
        if (typeof look === "string") throw typed(look);
        return { topics: [{ name: topics[0]!, partitions: [{ ...partition, leader: look }] }] };
      }
      if (topics[0] !== "orders") throw typed("UNKNOWN_TOPIC_OR_PARTITION");
      return { topics: [{ name: "orders", partitions: [partition, partition] }] };
    },
    describeConfigs: async () => {
      if (denied !== undefined) throw typed(denied);
      const entry = { configName: "max.message.bytes", configValue: messageBytes };
      return { resources: [{ configEntries: [entry] }], throttleTime: 0 } as never;
    },
    createTopics: async ({ topics }) => {
      const error = refuses(topics[0]!);
      if (error !== undefined) throw creation(error);
      created.push(...topics);
      return true;
    },
  };
  return { admin, created };
}

const NOT_COMPACTED = { name: "cleanup.policy", value: "delete" };
const sized = (bytes: number) => [NOT_COMPACTED, { name: "max.message.bytes", value: String(bytes) }];
const hasSize = ({ configEntries }: ITopicConfig) => configEntries?.some(({ name }) => name === "max.message.bytes");

test("it has the other's partitions and replicas, and takes somewhat larger messages", async () => {
  const { admin, created } = adminOf({});
  await createTopicLike(admin, "orders.dlq", "orders");
  expect(created).toEqual([
    { topic: "orders.dlq", numPartitions: 2, replicationFactor: 3, configEntries: sized(2_065_536) },
  ]);
});

test("one that is there is left as it is", async () => {
  const { admin, created } = adminOf({});
  await createTopicLike(admin, "orders", "orders");
  expect(created).toEqual([]);
});

test("where the other's settings may not be seen, Kafka's own are taken; where nothing answers, none", async () => {
  const { admin, created } = adminOf({ denied: "TOPIC_AUTHORIZATION_FAILED" });
  await createTopicLike(admin, "orders.dlq", "orders");
  expect(created[0]!.configEntries).toEqual(sized(1_048_588 + 65_536));
  const away = adminOf({ denied: "REQUEST_TIMED_OUT" });
  await expect(createTopicLike(away.admin, "orders.dlq", "orders")).rejects.toMatchObject({
    type: "REQUEST_TIMED_OUT",
  });
});

test.each(["POLICY_VIOLATION", "INVALID_CONFIG"])("a size that is refused by %s is left out", async (type) => {
  const { admin, created } = adminOf({ refuses: (topic) => (hasSize(topic) ? type : undefined) });
  await createTopicLike(admin, "orders.dlq", "orders");
  expect(created.map(({ configEntries }) => configEntries)).toEqual([[NOT_COMPACTED]]);
});

test("any other refusal is thrown", async () => {
  const { admin } = adminOf({ refuses: () => "INVALID_REPLICATION_FACTOR" });
  await expect(createTopicLike(admin, "orders.dlq", "orders")).rejects.toThrow("Topic creation errors");
});

test("it is waited for until its leaders are known, but not for ever", async () => {
  const pauses: number[] = [];
  const pause = async (ms: number) => void pauses.push(ms);
  const slow = adminOf({ looks: ["UNKNOWN_TOPIC_OR_PARTITION", "LEADER_NOT_AVAILABLE", -1, 1] });
  await createTopicLike(slow.admin, "orders.dlq", "orders", pause);
  expect(pauses).toEqual([250, 250, 250]);
  const never = adminOf({ looks: [-1] });
  await createTopicLike(never.admin, "orders.dlq", "orders", pause);
  expect(pauses.length).toBe(3 + 20);
});

test("what keeps it from being looked for is thrown", async () => {
  const { admin } = adminOf({ looks: ["REQUEST_TIMED_OUT"] });
  await expect(createTopicLike(admin, "orders.dlq", "orders")).rejects.toMatchObject({ type: "REQUEST_TIMED_OUT" });
});
