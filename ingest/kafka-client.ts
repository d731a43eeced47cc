/**
 * How Headgate's parts reach Kafka: one description of the connection, one place that makes kafkajs' client of it and
 * that turns its errors into ours. kafkajs is no longer maintained, so none of its types leave the files named
 * kafka-* and consumer.ts.
 */

import { channel } from "node:diagnostics_channel";
import { readFileSync } from "node:fs";
import { isIP, type Socket, connect as tcpConnect } from "node:net";
import { connect as tlsConnect } from "node:tls";
import {
  type Consumer,
  type ISocketFactory,
  Kafka,
  type KafkaConfig,
  type logCreator,
  logLevel,
  type PartitionAssigner,
  PartitionAssigners,
} from "kafkajs";
import { HeadgateError, reasonOf } from "../errors.ts";
import { registerCodecs } from "./kafka-codecs.ts";

/** Where Kafka is and how one is let in. */
export interface KafkaConnection {
  /** "host:port" of brokers to begin with; the others are learnt from them. */
  readonly brokers: readonly string[];
  /** Named in the brokers' logs, metrics and quotas. */
  readonly clientId: string;
  /** false: plain; true: TLS with the system's authorities; text: path of a PEM file of authorities. */
  readonly tls: boolean | string;
  /** undefined: no login. */
  readonly sasl:
    | {
        readonly mechanism: "plain" | "scram-sha-256" | "scram-sha-512";
        readonly username: string;
        readonly password: string;
      }
    | undefined;
}

/** How long a connection may take to be made, ms. Shorter than a far broker's TLS handshake would never connect. */
const CONNECTION_TIMEOUT_MS = 5_000;
/** How long an answer may take, ms: until then a broker that has gone silent is waited for. */
const REQUEST_TIMEOUT_MS = 10_000;
/** A client's own retries are few and quick: who uses it tries for ever, and says meanwhile what is wrong. */
const RETRIES = 3;
/** A member that outlives a broker's restart, some 15 s, spares its group to wait until it is taken for dead. */
const MEMBER_RETRIES = 15;
const RETRY = Object.freeze({ initialRetryTime: 100, maxRetryTime: 1_000, factor: 0.2, multiplier: 2 });
const KEEP_ALIVE_MS = 60_000;

/** kafkajs' client with its connections. */
export interface KafkaLink {
  readonly kafka: Kafka;
  /** Ends all connections at once, which ends whatever waits for them. */
  cut(): void;
}

/** For asking and for writing. Nothing is connected yet. Throws CONFIG_INVALID where the file of authorities can't be read. */
export function createKafka(connection: KafkaConnection, retries = RETRIES): KafkaLink {
  registerCodecs();
  const sockets = new Set<Socket>();
  const { brokers, clientId, sasl } = connection;
  const kafka = new Kafka({
    brokers: [...brokers],
    clientId,
    ...(sasl !== undefined && { sasl: { ...sasl } as NonNullable<KafkaConfig["sasl"]> }),
    ssl: tlsOptions(connection.tls),
    connectionTimeout: CONNECTION_TIMEOUT_MS,
    authenticationTimeout: REQUEST_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    retry: { ...RETRY, retries },
    socketFactory: trackedSockets(sockets),
    logLevel: logLevel.WARN,
    logCreator: publishLog,
  });
  const cut = () => {
    for (const socket of sockets) socket.destroy(new Error("The connection was given up."));
  };
  return Object.freeze({ kafka, cut });
}

/** How long a broker holds a fetch when there is nothing, ms: how long leaving and rebalances may wait for it. */
const FETCH_WAIT_MS = 200;
/** Between heartbeats, ms: how soon a member learns of a rebalance. */
const HEARTBEAT_MS = 500;
/** Without heartbeats for so long a member is taken for dead, ms: how long a killed one's partitions stand still. */
const SESSION_TIMEOUT_MS = 10_000;
/** How long the group waits for its members to join again, ms. */
const REBALANCE_TIMEOUT_MS = 30_000;
/** How old what is known of partitions and leaders may be, ms: how soon a new partition is seen. */
const METADATA_AGE_MAX_MS = 60_000;
/** One partition's share of a fetch. */
const PARTITION_BYTES_MAX = 1024 * 1024;

/** A consumer on connections of its own. */
export interface MemberClient {
  readonly consumer: Consumer;
  /** As KafkaLink's. */
  cut(): void;
}

/**
 * A consumer that gets a record as soon as there is one, and that does not start itself again. `onJoining` is called
 * each time that it asks the group to be let in: kafkajs' own event comes only for some of the reasons.
 */
export function createGroupConsumer(
  connection: KafkaConnection,
  groupId: string,
  fetchBytes: number,
  onJoining: () => void,
): MemberClient {
  const { kafka, cut } = createKafka(connection, MEMBER_RETRIES);
  const consumer = kafka.consumer({
    groupId,
    maxWaitTimeInMs: FETCH_WAIT_MS,
    minBytes: 1,
    maxBytes: fetchBytes,
    maxBytesPerPartition: Math.min(PARTITION_BYTES_MAX, fetchBytes),
    heartbeatInterval: HEARTBEAT_MS,
    sessionTimeout: SESSION_TIMEOUT_MS,
    rebalanceTimeout: REBALANCE_TIMEOUT_MS,
    metadataMaxAge: METADATA_AGE_MAX_MS,
    allowAutoTopicCreation: false,
    partitionAssigners: [roundRobin(onJoining)],
    retry: { retries: MEMBER_RETRIES, restartOnFailure: async () => false },
  });
  return Object.freeze({ consumer, cut });
}

/** kafkajs' own assigner, which is asked for its protocol with every request to join. */
function roundRobin(onJoining: () => void): PartitionAssigner {
  return (config) => {
    const assigner = PartitionAssigners.roundRobin(config);
    const protocol: typeof assigner.protocol = (subscription) => {
      onJoining();
      return assigner.protocol(subscription);
    };
    return { ...assigner, protocol };
  };
}

function tlsOptions(tls: boolean | string): NonNullable<KafkaConfig["ssl"]> {
  if (typeof tls === "boolean") return tls;
  try {
    return { ca: [readFileSync(tls, "utf8")] };
  } catch (cause) {
    const detail = `The file of authorities ${tls} can't be read (${reasonOf(cause)}). Name a PEM file.`;
    throw new HeadgateError("CONFIG_INVALID", detail, cause);
  }
}

/** As kafkajs makes them itself, but known to us, since it has no way to give one up that has gone silent. */
function trackedSockets(sockets: Set<Socket>): ISocketFactory {
  return ({ host, port, ssl, onConnect }) => {
    const names = isIP(host) ? {} : { servername: host };
    const socket = ssl
      ? tlsConnect({ host, port, ...names, ...ssl }, onConnect)
      : tcpConnect({ host, port }, onConnect);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.setNoDelay(true);
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    return socket;
  };
}

/** A line of kafkajs' log. */
export interface KafkaLogLine {
  /** Its errors come as warnings: most are tried again, and what lasts is told by who uses the client. */
  readonly level: "warn" | "info";
  readonly message: string;
}

/** Published with a KafkaLogLine. */
export const kafkaLog = channel("headgate:kafka-log");

/** Parts of kafkajs that tell of each attempt; what comes of all of them is told by who uses it. */
const CHATTY = new Set(["Connection", "BrokerPool"]);

const publishLog: logCreator = () => (entry) => {
  if (!kafkaLog.hasSubscribers || CHATTY.has(entry.namespace)) return;
  const { message, error, topic, partition, broker } = entry.log;
  const where = [topic !== undefined && `${topic}[${partition ?? ""}]`, broker, error !== message && error];
  const particulars = where.filter((one) => typeof one === "string" && one !== "");
  const text = [`${entry.namespace}: ${message}`, ...particulars].join(", ");
  const level = entry.level <= logLevel.WARN ? "warn" : "info";
  kafkaLog.publish({ level, message: text } satisfies KafkaLogLine);
};
