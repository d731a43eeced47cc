/** From settings, which are texts and numbers, to what the client of Kafka takes; and which consumer group reads. */

import { resolve } from "node:path";
import { HeadgateError } from "../errors.ts";
import { parseTimestampUs } from "../features/timestamp.ts";
import type { ConsumerOptions } from "./consumer.ts";
import type { KafkaConnection } from "./kafka-client.ts";

/** Settings of config.ts that say where Kafka is and who reads it. */
export interface StreamSettings {
  readonly project: string;
  readonly projectDirectory: string;
  /** "host:port,host:port"; empty: none. */
  readonly kafkaBrokers: string;
  /** Empty: headgate-<project>. */
  readonly kafkaGroup: string;
  /** "off", "on" or the path of a PEM file of authorities. */
  readonly kafkaTls: string;
  readonly kafkaSaslMechanism: "none" | NonNullable<KafkaConnection["sasl"]>["mechanism"];
  readonly kafkaUsername: string;
  readonly kafkaPassword: string;
}

/** Where Kafka is. Throws CONFIG_INVALID when no setting says so, and for a login that is half given. */
export function kafkaConnection(settings: StreamSettings): KafkaConnection {
  const { kafkaBrokers, kafkaTls, kafkaSaslMechanism: mechanism, project, projectDirectory } = settings;
  if (kafkaBrokers === "") {
    throw new HeadgateError(
      "CONFIG_INVALID",
      `kafkaBrokers is not set. Say where Kafka is: kafkaBrokers: "host:9092" in headgate.config.ts, or HEADGATE_KAFKA_BROKERS.`,
    );
  }
  checkLogin(settings);
  return Object.freeze({
    brokers: kafkaBrokers.split(",").map((broker) => broker.trim()),
    clientId: `headgate-${project}`,
    tls: kafkaTls === "off" ? false : kafkaTls === "on" ? true : resolve(projectDirectory, kafkaTls),
    sasl:
      mechanism === "none"
        ? undefined
        : { mechanism, username: settings.kafkaUsername, password: settings.kafkaPassword },
  });
}

/** A login that is not sent, or one without a name, would be refused by Kafka with other words. */
function checkLogin({ kafkaSaslMechanism: mechanism, kafkaUsername, kafkaPassword }: StreamSettings): void {
  if (mechanism === "none" && (kafkaUsername !== "" || kafkaPassword !== "")) {
    const given = kafkaUsername === "" ? "kafkaPassword" : "kafkaUsername";
    throw new HeadgateError(
      "CONFIG_INVALID",
      `${given} is set, but kafkaSaslMechanism is "none", so nobody logs in. Set it to plain, scram-sha-256 or scram-sha-512, or take the login out.`,
    );
  }
  if (mechanism !== "none" && kafkaUsername === "") {
    const detail = `kafkaSaslMechanism is "${mechanism}", but kafkaUsername is not set. Set HEADGATE_KAFKA_USERNAME and HEADGATE_KAFKA_PASSWORD.`;
    throw new HeadgateError("CONFIG_INVALID", detail);
  }
}

/**
 * The consumer group. Views that are ingested by themselves have a group of theirs: in the whole project's it would
 * commit offsets of records that other views have not seen.
 */
export function consumerGroup(
  { kafkaGroup, project }: Pick<StreamSettings, "kafkaGroup" | "project">,
  views: readonly string[] | undefined,
): string {
  const group = kafkaGroup === "" ? `headgate-${project}` : kafkaGroup;
  return views === undefined ? group : `${group}:${[...new Set(views)].sort().join("+")}`;
}

/** Where a group begins, from the setting's text: "earliest", "latest" or a time. */
export function startFrom(ingestStart: string): ConsumerOptions["startFrom"] {
  if (ingestStart === "earliest" || ingestStart === "latest") return ingestStart;
  return { timestampMs: Math.floor(parseTimestampUs(ingestStart)! / 1_000) };
}

/** How much a consumer fetches at a time, and how long it may stand still. */
export function consumerSettings(settings: {
  readonly ingestMaxInFlightBytes: number;
  readonly ingestStallTimeout: number;
}): Pick<ConsumerOptions, "maxInFlightBytes" | "stallTimeoutMs"> {
  const { ingestMaxInFlightBytes: maxInFlightBytes, ingestStallTimeout: stallTimeoutMs } = settings;
  return { maxInFlightBytes, stallTimeoutMs };
}
