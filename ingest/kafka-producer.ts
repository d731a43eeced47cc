/**
 * Writes to Kafka: what could not be taken goes to a dead-letter topic, and must be there before the offset of the
 * event is committed. Hence every send waits for all replicas in sync.
 */

import kafkajs, { type Kafka, type Message, type Producer } from "kafkajs";
import { within } from "./bounded-wait.ts";
import { asBuffer, kafkaHeaders } from "./kafka-batch.ts";
import { createKafka, type KafkaConnection, type KafkaLink } from "./kafka-client.ts";
import { streamFailure } from "./kafka-failure.ts";
import { createTopicLike } from "./kafka-topic.ts";
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
   * Resolves when every in-sync replica has all messages. Throws STREAM_UNREACHABLE or STREAM_DENIED (isMessageTooLarge
   * tells one of them); the messages may be there nevertheless, and are there twice when they are sent again.
   */
  send(topic: string, messages: readonly StreamMessage[]): Promise<void>;
  /**
   * Creates the topic where it is missing: with as many partitions and replicas as `likeTopic` has, for messages
   * somewhat larger than its, deleted by age and not compacted. Throws STREAM_UNREACHABLE or STREAM_DENIED.
   */
  ensureTopic(topic: string, likeTopic: string): Promise<void>;
  /** Waits for what is under way, up to CLOSE_WAIT_MS, and disconnects. */
  close(): Promise<void>;
}

/** How long closing waits for sends under way, ms, before it cuts their connections. */
const CLOSE_WAIT_MS = 5_000;
/** How long saying goodbye may take after that, ms. */
const DISCONNECT_WAIT_MS = 1_000;

/** Connects with the first call. Throws CONFIG_INVALID where the file of authorities can't be read. */
export function openProducer(connection: KafkaConnection): StreamProducer {
  return new KafkaProducer(connection);
}

class KafkaProducer implements StreamProducer {
  readonly #connection: KafkaConnection;
  readonly #link: KafkaLink;
  readonly #underWay = new Set<Promise<void>>();
  #producer: Promise<Producer> | undefined;

  constructor(connection: KafkaConnection) {
    this.#connection = connection;
    this.#link = createKafka(connection);
  }

  send(topic: string, messages: readonly StreamMessage[]): Promise<void> {
    return this.#tracked(this.#send(topic, messages));
  }

  ensureTopic(topic: string, likeTopic: string): Promise<void> {
    return this.#tracked(this.#ensureTopic(topic, likeTopic));
  }

  async #tracked(work: Promise<void>): Promise<void> {
    this.#underWay.add(work);
    await work.finally(() => this.#underWay.delete(work));
  }

  async #send(topic: string, messages: readonly StreamMessage[]): Promise<void> {
    if (messages.length === 0) return;
    try {
      const producer = await this.#connected();
      await producer.send({ topic, messages: messages.map(kafkaMessage), acks: -1 });
    } catch (error) {
      const rights = `Write and Describe on topic "${topic}"`;
      throw streamFailure(error, this.#connection, { doing: `write to topic "${topic}"`, rights });
    }
  }

  async #ensureTopic(topic: string, likeTopic: string): Promise<void> {
    const admin = this.#link.kafka.admin();
    try {
      await admin.connect();
      await createTopicLike(admin, topic, likeTopic);
    } catch (error) {
      const rights = `Describe, Create and Write on topic "${topic}", or create it like "${likeTopic}" by hand and grant Describe and Write`;
      throw streamFailure(error, this.#connection, { doing: `look for or create topic "${topic}"`, rights });
    } finally {
      await admin.disconnect().catch(() => {});
    }
  }

  async close(): Promise<void> {
    await within(Promise.allSettled(this.#underWay), CLOSE_WAIT_MS);
    // First: what still connects or waits for an answer would keep all that follows.
    this.#link.cut();
    const disconnect = async () => (await this.#producer)?.disconnect();
    await within(disconnect(), DISCONNECT_WAIT_MS);
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
