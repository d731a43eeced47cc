import { createRequire } from "node:module";
import { expect, test } from "vitest";
import { HeadgateError } from "../errors.ts";
import { isMessageTooLarge, streamFailure } from "./kafka-failure.ts";

const kafkaErrors = createRequire(import.meta.url)("kafkajs/src/errors.js");
const { createErrorFromCode } = createRequire(import.meta.url)("kafkajs/src/protocol/error.js");

const CODES = { messageTooLarge: 10, topicDenied: 29, clusterDenied: 31, invalidReplicas: 38 };
const connection = {
  brokers: ["a:9092"],
  clientId: "headgate-shop",
  tls: false,
  sasl: { mechanism: "plain", username: "alice", password: "secret" },
} as const;
const writing = { doing: `write to topic "orders.dlq"`, rights: `Write on topic "orders.dlq"` };

/** As createTopics throws it: what became of each topic is beneath. */
const creation = (code: number) =>
  new kafkaErrors.KafkaJSAggregateError("Topic creation errors", [
    new kafkaErrors.KafkaJSCreateTopicError(createErrorFromCode(code), "orders.dlq"),
  ]);

test("a right that is missing is named with what was asked, also where it is one topic's of several", () => {
  for (const thrown of [
    createErrorFromCode(CODES.topicDenied),
    creation(CODES.topicDenied),
    creation(CODES.clusterDenied),
  ]) {
    const failure = streamFailure(thrown, connection, writing);
    expect(failure).toMatchObject({ code: "STREAM_DENIED", cause: thrown });
    expect(failure.message).toMatch(
      /^Kafka at a:9092 does not let alice write to topic "orders.dlq": .*[Aa]uthoriz.* Grant Write on topic "orders.dlq"\.$/,
    );
  }
  expect(streamFailure(createErrorFromCode(CODES.topicDenied), connection).message).toMatch(
    /does not let alice read the topics as a member of the group: .* Grant Read and Describe on the topics/,
  );
});

test("what Kafka can't do is told with its own reason and what was asked", () => {
  const failure = streamFailure(creation(CODES.invalidReplicas), connection, writing);
  expect(failure.code).toBe("STREAM_UNREACHABLE");
  expect(failure.message).toMatch(/^Kafka at a:9092 can't serve \(asked to write to topic "orders.dlq"\): Replication/);
});

test("our own error beneath one of kafkajs' is the one that is told", () => {
  const own = new HeadgateError("STREAM_UNREACHABLE", "A batch expands to more than 5 bytes.");
  const wrapped = new kafkaErrors.KafkaJSNonRetriableError(own, { cause: own });
  expect(streamFailure(wrapped, connection)).toBe(own);
  expect(streamFailure(own, connection, writing)).toBe(own);
});

test("a message that is too large is known beneath what was made of it", () => {
  const thrown = createErrorFromCode(CODES.messageTooLarge);
  expect(isMessageTooLarge(streamFailure(thrown, connection, writing))).toBe(true);
  expect(isMessageTooLarge(streamFailure(createErrorFromCode(CODES.topicDenied), connection, writing))).toBe(false);
  expect(isMessageTooLarge(undefined)).toBe(false);
});

test("errors that hold one another end", () => {
  const one = new Error("one");
  one.cause = Object.assign(new Error("two"), { errors: [one], cause: one });
  expect(streamFailure(one, connection).message).toContain("can't serve: two.");
});
