/**
 * What kafkajs throws, told apart by the protocol's names of errors, and made into sentences that say what was asked for
 * and what to do. kafkajs wraps errors in errors, and of several topics keeps them beneath one: all are looked at.
 */

import { HeadgateError, reasonOf } from "../errors.ts";
import type { KafkaConnection } from "./kafka-client.ts";

const LOGIN_REFUSED = new Set(["SASL_AUTHENTICATION_FAILED", "UNSUPPORTED_SASL_MECHANISM", "ILLEGAL_SASL_STATE"]);
const RIGHTS_MISSING = new Set([
  "TOPIC_AUTHORIZATION_FAILED",
  "GROUP_AUTHORIZATION_FAILED",
  "CLUSTER_AUTHORIZATION_FAILED",
  "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
]);

/** kafkajs' names of errors without an answer. */
const NO_ANSWER = /Connection|Timeout|BrokerNotFound|NoBrokerAvailable/;

/** Error types by which a broker tells a member that the group goes on without it, or forms anew. */
const MEMBERSHIP_OVER = new Set([
  "REBALANCE_IN_PROGRESS",
  "ILLEGAL_GENERATION",
  "UNKNOWN_MEMBER_ID",
  "NOT_COORDINATOR_FOR_GROUP",
  "FENCED_INSTANCE_ID",
]);

/** True for an error after which a member has to join its group again. */
export function isRebalance(thrown: unknown): boolean {
  return hasType(thrown, MEMBERSHIP_OVER);
}

/** True for the error of a topic that is not there. */
export function isTopicMissing(thrown: unknown): boolean {
  return hasType(thrown, TOPIC_MISSING);
}

/** True for the error of a topic that is there, while its brokers still agree on who leads it. */
export function isLeaderMissing(thrown: unknown): boolean {
  return hasType(thrown, LEADER_MISSING);
}

/** True for the error of a message that is larger than its topic takes; streamFailure's too. */
export function isMessageTooLarge(thrown: unknown): boolean {
  return hasType(thrown, TOO_LARGE);
}

/** True where a topic's settings are against the cluster's rules; fewer of them may not be. */
export function isSettingRefused(thrown: unknown): boolean {
  return hasType(thrown, SETTING_REFUSED);
}

/** True where the login lacks a right. */
export function isRightMissing(thrown: unknown): boolean {
  return hasType(thrown, RIGHTS_MISSING);
}

const TOPIC_MISSING = new Set(["UNKNOWN_TOPIC_OR_PARTITION"]);
const LEADER_MISSING = new Set(["LEADER_NOT_AVAILABLE"]);
const TOO_LARGE = new Set(["MESSAGE_TOO_LARGE", "RECORD_LIST_TOO_LARGE"]);
const SETTING_REFUSED = new Set(["INVALID_CONFIG", "POLICY_VIOLATION"]);

function hasType(thrown: unknown, types: ReadonlySet<string>): boolean {
  return causes(thrown).some(({ type }) => type !== undefined && types.has(type));
}

/** What Kafka was asked for, to be named where it refuses. */
export interface StreamOperation {
  /** As in "does not let alice read the topics". */
  readonly doing: string;
  /** As in "Grant Read on the topics". */
  readonly rights: string;
}

const READING: StreamOperation = Object.freeze({
  doing: "read the topics as a member of the group",
  rights: "Read and Describe on the topics, and Read on the group",
});

/**
 * What kafkajs threw, as STREAM_DENIED where Kafka refuses, which no retry mends, or else as STREAM_UNREACHABLE. Unless
 * an operation is given it was reading.
 */
export function streamFailure(
  thrown: unknown,
  { brokers, sasl }: KafkaConnection,
  operation: StreamOperation = READING,
): HeadgateError {
  const chain = causes(thrown);
  const own = chain.find((one) => one instanceof HeadgateError);
  if (own !== undefined) return own as HeadgateError;
  const { doing, rights } = operation;
  const reason = reasonOf(chain.at(-1) ?? thrown);
  const kafka = `Kafka at ${brokers.join(",")}`;
  if (chain.some(({ name, type }) => name === "KafkaJSSASLAuthenticationError" || LOGIN_REFUSED.has(type ?? ""))) {
    const login = sasl === undefined ? "asks for a login" : `refuses the login of ${sasl.username} (${sasl.mechanism})`;
    const detail = `${kafka} ${login}: ${reason}. Check the user, its password and the mechanism.`;
    return new HeadgateError("STREAM_DENIED", detail, thrown);
  }
  if (isRightMissing(thrown)) {
    const detail = `${kafka} does not let ${sasl?.username ?? "this client"} ${doing}: ${reason}. Grant ${rights}.`;
    return new HeadgateError("STREAM_DENIED", detail, thrown);
  }
  const fails =
    chain.length === 0 || chain.some(({ name }) => NO_ANSWER.test(name)) ? "does not answer" : "can't serve";
  const asked = operation === READING ? "" : ` (asked to ${doing})`;
  const detail = `${kafka} ${fails}${asked}: ${reason}. Check that it runs and can be reached from here, and its tls setting.`;
  return new HeadgateError("STREAM_UNREACHABLE", detail, thrown);
}

interface KafkaError extends Error {
  /** The protocol's name of the error. */
  readonly type?: string;
  /** Of an error that is several: kafkajs puts what became of each topic there. */
  readonly errors?: unknown;
}

const CAUSES_MAX = 16;

/** An error with what it is made of and what caused it, outermost first. */
function causes(thrown: unknown): readonly KafkaError[] {
  const chain: KafkaError[] = [];
  const walk = (one: unknown): void => {
    if (!(one instanceof Error) || chain.length >= CAUSES_MAX || chain.includes(one)) return;
    const { errors, cause } = one as KafkaError;
    chain.push(one);
    if (Array.isArray(errors)) errors.forEach(walk);
    walk(cause);
  };
  walk(thrown);
  return chain;
}
