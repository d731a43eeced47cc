/** Settings of the stream: where Kafka is, where a group starts, what is too much, where the ingester tells of its health. */

import { parseTimestampUs } from "../features/timestamp.ts";
import { choice, count, text, textThat, wait, waitBeyondRebalance } from "./setting.ts";

const isBrokerList = (value: string) => value.split(",").every((broker) => /^[^\s,/]+:\d{1,5}$/.test(broker.trim()));
const isHttpUrl = (value: string) => /^https?:\/\/\S+$/.test(value) && URL.canParse(value) && hasReadableLogin(value);
const isStart = (value: string) => /^(earliest|latest)$/.test(value) || parseTimestampUs(value) !== undefined;

/** A password's % that is not escaped as %25 can't be read back. */
function hasReadableLogin(url: string): boolean {
  const { username, password } = new URL(url);
  try {
    decodeURIComponent(`${username}${password}`);
    return true;
  } catch {
    return false;
  }
}

/** The table; see config.ts. */
export const INGEST_SETTINGS = Object.freeze({
  kafkaBrokers: textThat(
    isBrokerList,
    ["HEADGATE_KAFKA_BROKERS", "list of brokers", "", ", host:port,host:port"],
    "Kafka's brokers to begin with, host:port separated by commas; the others are learnt from them. headgate ingest needs them.",
  ),
  kafkaGroup: text(
    "HEADGATE_KAFKA_GROUP",
    "name",
    "",
    "The consumer group that all ingesters of the project share; headgate-<project> unless set. Another name starts over at ingestStart.",
  ),
  kafkaTls: text(
    "HEADGATE_KAFKA_TLS",
    "off, on or file",
    "off",
    "on: TLS to the brokers with the system's authorities; a path: with the authorities of that PEM file.",
  ),
  kafkaSaslMechanism: choice(
    ["HEADGATE_KAFKA_SASL_MECHANISM", "SASL mechanism", "none"],
    ["none", "plain", "scram-sha-256", "scram-sha-512"],
    "How to log in to Kafka. plain sends the password as it is: use it over TLS only.",
  ),
  kafkaUsername: text("HEADGATE_KAFKA_USERNAME", "name", "", "Kafka's user."),
  kafkaPassword: text("HEADGATE_KAFKA_PASSWORD", "secret", "", "Kafka's password."),
  schemaRegistry: textThat(
    isHttpUrl,
    ["HEADGATE_SCHEMA_REGISTRY", "secret URL", "", ", http://host:port or https://user:password@host"],
    "The Confluent-compatible schema registry; streams of format avro need it, those of json-schema do not. In a user or password write % as %25, @ as %40 and : as %3A.",
  ),
  ingestStart: textThat(
    isStart,
    ["HEADGATE_INGEST_START", "place", "earliest", ": earliest, latest or a time such as 2026-11-22T02:00:00Z"],
    "Where a group begins to read a partition that it has committed nothing of. latest leaves out what is there already; a partition that is added to a topic later is read from its start all the same.",
  ),
  ingestReplay: wait(
    "HEADGATE_INGEST_REPLAY",
    "10m",
    "How far the ingester goes back when the store may have lost acknowledged writes (a failover of Redis). Set it well above the replicas' lag; applying again what is there changes nothing.",
  ),
  historyInterval: wait(
    "HEADGATE_HISTORY_INTERVAL",
    "5s",
    "How often the ingester asks the store whether it may have lost writes.",
  ),
  ingestMaxInFlightBytes: count(
    "HEADGATE_INGEST_MAX_IN_FLIGHT_BYTES",
    "bytes",
    8_388_608,
    [65_536, 1_073_741_824],
    "Bytes fetched and not yet in the store, as they were fetched: of compressed batches the compressed ones. More is faster where brokers are far; records take some 10 times that in memory, and compressed ones as many times more as they expand.",
  ),
  ingestStallTimeout: waitBeyondRebalance(
    "HEADGATE_INGEST_STALL_TIMEOUT",
    "60s",
    "How long a partition may stand still while it has records, before the ingester leaves the group and joins anew; at least 45s, as a rebalance may take 30s.",
  ),
  maxDeadLetters: count(
    "HEADGATE_MAX_DEAD_LETTERS",
    "share of events",
    0.05,
    [0, 0.999_999],
    "The share of a topic's last events (see deadLetterWindow) that may go to its dead-letter topic before the ingester stops; fewer than 20 since its start never stop it, unless this is 0.",
  ),
  deadLetterWindow: count(
    "HEADGATE_DEAD_LETTER_WINDOW",
    "events",
    10_000,
    [100, 100_000_000],
    "Over how many of a topic's last events that share is taken. More forgive a longer burst.",
  ),
  healthHost: text(
    "HEADGATE_HEALTH_HOST",
    "address",
    "127.0.0.1",
    "The address of an ingester's and a scheduled nightly's /livez, /readyz and /metrics; 0.0.0.0 where Kubernetes probes.",
  ),
  healthPort: count(
    "HEADGATE_HEALTH_PORT",
    "TCP port",
    8081,
    [0, 65_535],
    "The port of an ingester's /livez, /readyz and /metrics; 0 takes a free one.",
  ),
});
