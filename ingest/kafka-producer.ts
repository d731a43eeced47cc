/**
 * Writes to Kafka: what could not be taken goes to a dead-letter topic, and must be there before the offset of the
 * event is committed. Hence every send waits for all replicas in sync.
 */

import kafkajs, { type Admin, type Kafka, type Message, type Producer } from "kafkajs";
import { asBuffer, kafkaHeaders } from "./kafka-batch.ts";
import { createKafka, isTopicMissing, type KafkaConnection, type KafkaLink, streamFailure } from "./kafka-client.ts";
import type { StreamHeader } from "./stream-record.ts";

/** A message to be sent. */
export interface StreamMessage {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  /** In their order; a name may come more than once. A null value is written as an empty one. */
  readonly headers: readonly StreamHeader[];
  /** Epoch ms; the time of sending when left out. */
  readonly timestampMs?: number;
}

/** A connection to write over. */
export interface StreamProducer {
  /**
   * Resolves when every in-sync replica has all messages. Throws STREAM_UNREACHABLE or STREAM_DENIED; the messages may
   * be there nevertheless, and are there twice when they are sent again.
   */
  send(topic: string, messages: readonly StreamMessage[]): Promise<void>;
  /** Creates the topic with as many partitions and replicas as `likeTopic` has, where it is missing. */
  ensureTopic(topic: string, likeTopic: string): Promise<void>;
  /** Waits for sends under way and disconnects. */
  close(): Promise<void>;
}

/** Connects with the first call. Throws CONFIG_INVALID where the file of authorities can't be read. */
export function openProducer(connection: KafkaConnection): StreamProducer {
  return new KafkaProducer(connection);
}

class KafkaProducer implements StreamProducer {
  readonly #connection: KafkaConnection;
  readonly #link: KafkaLink;
  readonly #sends = new Set<Promise<void>>();
  #producer: Promise<Producer> | undefined;

  constructor(connection: KafkaConnection) {
    this.#connection = connection;
    this.#link = createKafka(connection);
  }

  async send(topic: string, messages: readonly StreamMessage[]): Promise<void> {
    const sent = this.#send(topic, messages).finally(() => this.#sends.delete(sent));
    this.#sends.add(sent);
    return sent;
  }

  async #send(topic: string, messages: readonly StreamMessage[]): Promise<void> {
    if (messages.length === 0) return;
    try {
      const producer = await this.#connected();
      await producer.send({ topic, messages: messages.map(kafkaMessage), acks: -1 });
    } catch (error) {
      throw streamFailure(error, this.#connection);
    }
  }

  async ensureTopic(topic: string, likeTopic: string): Promise<void> {
    const admin = this.#link.kafka.admin();
    try {
      await admin.connect();
      await createLike(admin, topic, likeTopic);
    } catch (error) {
      throw streamFailure(error, this.#connection);
    } finally {
      await admin.disconnect().catch(() => {});
    }
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#sends);
    const producer = await this.#producer?.catch(() => undefined);
    await producer?.disconnect().catch(() => {});
    this.#link.cut();
  }

  #connected(): Promise<Producer> {
    this.#producer ??= connectProducer(this.#link.kafka).catch((error) => {
      this.#producer = undefined;
      throw error;
    });
    return this.#producer;
  }
}

/** Its messages go to the partition that Java's producer would choose by the key. */
async function connectProducer(kafka: Kafka): Promise<Producer> {
  const producer = kafka.producer({
    createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
    allowAutoTopicCreation: false,
  });
  await producer.connect();
  return producer;
}

function kafkaMessage({ key, value, headers, timestampMs }: StreamMessage): Message {
  return {
    key: asBuffer(key),
    value: asBuffer(value),
    headers: kafkaHeaders(headers),
    ...(timestampMs !== undefined && { timestamp: String(timestampMs) }),
  };
}

async function createLike(admin: Admin, topic: string, likeTopic: string): Promise<void> {
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
  const replicationFactor = partitions[0]?.replicas.length ?? 1;
  const configEntries = [{ name: "max.message.bytes", value: String(CREATED_MESSAGE_BYTES_MAX) }];
  // Another ingester may have been quicker, which createTopics tells by false.
  await admin.createTopics({ topics: [{ topic, numPartitions: partitions.length, replicationFactor, configEntries }] });
}

/** A topic that is created takes larger messages than the one it is like: those it had compressed, and more headers. */
const CREATED_MESSAGE_BYTES_MAX = 64 * 1024 * 1024;
