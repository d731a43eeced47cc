/**
 * A member of a consumer group: takes records from Kafka, hands them on in batches of one partition, and commits an
 * offset only when everything before it has been acknowledged. What it is asked to do it keeps doing: brokers that go
 * and come, topics that are not there yet and a client that fails are its own business.
 */

import type { Admin } from "kafkajs";
import { HeadgateError, reasonOf } from "../errors.ts";
import { pauseUnlessAborted } from "./bounded-wait.ts";
import { createKafka, type KafkaConnection, type KafkaLogLine, kafkaLog } from "./kafka-client.ts";
import { streamFailure } from "./kafka-failure.ts";
import {
  type PartitionLag,
  type PartitionOffset,
  type StartFrom,
  type TopicLayout,
  type TopicPartition,
  topicLayout,
} from "./kafka-offsets.ts";
import { GroupSession } from "./kafka-session.ts";
import { createStallWatch, type StallWatch } from "./kafka-stall.ts";
import { BACKOFF_MS, MembershipFailures, nextBackoffMs } from "./membership-failures.ts";
import type { StreamBatch } from "./stream-record.ts";

export type { PartitionLag } from "./kafka-offsets.ts";

/** What a consumer needs. */
export interface ConsumerOptions {
  readonly connection: KafkaConnection;
  readonly groupId: string;
  readonly topics: readonly string[];
  /**
   * Where a partition starts for which the group has no committed offset. "latest" is for the topics that the group
   * begins with: a partition that comes to one of them later starts at its earliest record, so does one whose next
   * record retention has taken.
   */
  readonly startFrom: StartFrom;
  /** Bytes fetched and not yet acknowledged. More is faster with far brokers, and memory: a record of 120 B takes 10 times that. */
  readonly maxInFlightBytes: number;
  /** No progress for so long while there is lag: leave the group and join anew. Below what a store may take, rows are written twice. */
  readonly stallTimeoutMs: number;
  /** Monotonic, ms. */
  readonly now: () => number;
  /**
   * Resolves when the store has acknowledged every row of the batch; only then the offset after its last record is
   * committed. A rejection stops nothing: the same batch is handed over again after a back-off (bounded, doubling). The
   * signal aborts when the partition is revoked or the consumer closes.
   */
  readonly onBatch: (batch: StreamBatch, signal: AbortSignal) => Promise<void>;
}

/** What a consumer is about. */
export interface ConsumerState {
  /** True while it is a member of the group, also of one that has no partition left for it. */
  readonly connected: boolean;
  readonly assignments: readonly TopicPartition[];
  /** Times that partitions were assigned anew, the first time not counted. */
  readonly rebalances: number;
  /** What keeps it from consuming all its topics now: an unreachable broker, a topic that is not there yet. */
  readonly problem: HeadgateError | undefined;
}

/** A member of a consumer group. */
export interface StreamConsumer {
  state(): ConsumerState;
  /** Of the partitions assigned now, asked of the brokers. Throws STREAM_UNREACHABLE. */
  lag(): Promise<readonly PartitionLag[]>;
  /**
   * Goes back to these offsets in those of the partitions that are assigned here, where they are behind the position
   * and there are records. Resolves with the partitions for which that is done and committed, each with where it went;
   * the others are another member's. Keeps trying while Kafka is away; rejects with STREAM_UNREACHABLE when it was
   * closed before, and with what ended it.
   */
  rewind(to: readonly PartitionOffset[]): Promise<readonly PartitionOffset[]>;
  /** Resolves when closed; rejects with what no retry can mend: STREAM_DENIED. */
  readonly ended: Promise<void>;
  /** Takes no more batches, waits for those under way, commits, leaves the group. */
  close(): Promise<void>;
}

/** A broker answers each fetch within a fraction of this, ms; after that it is told as a problem. */
const SILENCE_MS = 2_000;
/** Between two looks whether a missing topic is there, ms. */
const TOPIC_LOOK_MS = 1_000;
/** Looks for a stall within one stall time-out. */
const STALL_LOOKS = 4;
/** More of a fetch's partitions than this wait for one another. */
const PARTITIONS_AT_ONCE_MAX = 64;

/** What ends a membership that is to be followed by another at once. */
const AGAIN = Symbol("again");

/** Returns at once, and keeps trying to connect for ever with bounded back-off. */
export function openConsumer(options: ConsumerOptions): StreamConsumer {
  return new GroupConsumer(options);
}

class GroupConsumer implements StreamConsumer {
  readonly ended: Promise<void>;
  readonly #options: ConsumerOptions;
  readonly #closing = new AbortController();
  /** Once missing, so all of its records are later than the start. */
  readonly #appeared = new Set<string>();
  #session: GroupSession | undefined;
  #problem: HeadgateError | undefined;
  #joins = 0;
  readonly #stallWatch: StallWatch;

  constructor(options: ConsumerOptions) {
    this.#options = options;
    this.#stallWatch = createStallWatch(options.stallTimeoutMs);
    // Whatever still tries learns that there is nothing more to come.
    this.ended = this.#run().finally(() => this.#closing.abort());
    // Whoever awaits it hears of it; nobody has to.
    this.ended.catch(() => {});
  }

  state(): ConsumerState {
    return {
      connected: this.#session?.isJoined() ?? false,
      assignments: this.#session?.assignments() ?? [],
      rebalances: Math.max(0, this.#joins - 1),
      problem: this.#problem ?? this.#silence(),
    };
  }

  /** kafkajs tries for a while before it gives up, and does not tell. */
  #silence(): HeadgateError | undefined {
    const silentMs = this.#session?.silentMs() ?? 0;
    if (silentMs < SILENCE_MS) return undefined;
    return streamFailure(`nothing came for ${Math.round(silentMs)} ms`, this.#options.connection);
  }

  async lag(): Promise<readonly PartitionLag[]> {
    try {
      return (await this.#session?.lag()) ?? [];
    } catch (error) {
      throw streamFailure(error, this.#options.connection);
    }
  }

  async rewind(to: readonly PartitionOffset[]): Promise<readonly PartitionOffset[]> {
    let told: string | undefined;
    for (let backoffMs = BACKOFF_MS; !this.#closing.signal.aborted; backoffMs = nextBackoffMs(backoffMs)) {
      try {
        if (this.#session !== undefined) return await this.#session.rewind(to);
      } catch (error) {
        const reason = reasonOf(error);
        if (reason !== told) tell(`going back was put off: ${reason}`);
        told = reason;
      }
      await this.#pause(backoffMs);
    }
    await this.ended;
    throw new HeadgateError("STREAM_UNREACHABLE", "The consumer was closed before it could go back.");
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#session?.leave();
    await this.ended.catch(() => {});
  }

  async #run(): Promise<void> {
    const { connection, now } = this.#options;
    const failures = new MembershipFailures();
    while (!this.#closing.signal.aborted) {
      const [beganMs, joins] = [now(), this.#joins];
      const failure = await this.#oneSession().catch((error: unknown) => error);
      if (this.#closing.signal.aborted) return;
      if (failure === AGAIN) continue;
      const problem = streamFailure(failure, connection);
      if (problem.message !== this.#problem?.message) tell(problem.message);
      this.#problem = problem;
      await this.#pause(failures.backoffMs(problem, this.#joins > joins ? now() - beganMs : 0));
    }
  }

  /** Connects, waits for topics, joins and stays; what it returns or throws ended it. */
  async #oneSession(): Promise<unknown> {
    const { connection, groupId, topics, startFrom, maxInFlightBytes, now, onBatch } = this.#options;
    const link = createKafka(connection);
    const admin = link.kafka.admin();
    const over = new AbortController();
    const giveUp = () => link.cut();
    this.#closing.signal.addEventListener("abort", giveUp, { once: true });
    try {
      await admin.connect();
      const { missing, partitions } = await this.#someTopics(admin);
      const brokers = (await admin.describeCluster()).brokers.length;
      this.#closing.signal.removeEventListener("abort", giveUp);
      if (this.#closing.signal.aborted) return AGAIN;
      const session = new GroupSession({
        ...{ connection, admin, groupId, now, onBatch },
        topics: topics.filter((topic) => !missing.includes(topic)),
        startFrom: (topic) => (this.#appeared.has(topic) ? "earliest" : startFrom),
        fetchBytes: Math.ceil(maxInFlightBytes / Math.max(1, brokers)),
        partitionsAtOnce: Math.min(Math.max(1, partitions), PARTITIONS_AT_ONCE_MAX),
        onJoined: () => this.#joined(missing),
      });
      this.#session = session;
      const ends = [session.over, this.#stalls(session, over.signal)];
      if (missing.length > 0) ends.push(this.#topicsAppear(admin, missing, over.signal));
      return await Promise.race([session.join().then(() => session.over), ...ends]);
    } finally {
      over.abort();
      this.#closing.signal.removeEventListener("abort", giveUp);
      await this.#session?.leave();
      this.#session = undefined;
      link.cut();
      await admin.disconnect().catch(() => {});
    }
  }

  #joined(missing: readonly string[]): void {
    this.#joins++;
    this.#problem = missing.length === 0 ? undefined : topicsMissing(missing, this.#options.connection);
  }

  /** Waits until at least one of the topics is there. */
  async #someTopics(admin: Admin): Promise<TopicLayout> {
    for (;;) {
      const layout = await topicLayout(admin, this.#options.topics);
      for (const topic of layout.missing) this.#appeared.add(topic);
      if (layout.missing.length < this.#options.topics.length) return layout;
      this.#problem = topicsMissing(layout.missing, this.#options.connection);
      await this.#pause(TOPIC_LOOK_MS);
    }
  }

  async #topicsAppear(admin: Admin, missing: readonly string[], over: AbortSignal): Promise<unknown> {
    for (;;) {
      await pauseUnlessAborted(TOPIC_LOOK_MS, over);
      if (over.aborted) return AGAIN;
      const layout = await topicLayout(admin, missing).catch(() => undefined);
      if (layout !== undefined && layout.missing.length < missing.length) return AGAIN;
    }
  }

  async #stalls(session: GroupSession, over: AbortSignal): Promise<unknown> {
    const { stallTimeoutMs, now } = this.#options;
    for (;;) {
      await pauseUnlessAborted(stallTimeoutMs / STALL_LOOKS, over);
      if (over.aborted) return AGAIN;
      const stall = await this.#stallWatch(session, now());
      if (stall === undefined) continue;
      tell(`${stall}; the group is left and joined again`);
      return AGAIN;
    }
  }

  async #pause(waitMs: number): Promise<void> {
    await pauseUnlessAborted(waitMs, this.#closing.signal);
  }
}

function topicsMissing(topics: readonly string[], { brokers }: KafkaConnection): HeadgateError {
  const [named, are] = [topics.join(", "), topics.length === 1 ? "The topic" : "The topics"];
  const detail = `${are} ${named} can't be found on Kafka at ${brokers.join(",")}. Create it, or give this login the right to see it; it is consumed from its start as soon as it is there.`;
  return new HeadgateError("STREAM_TOPIC_MISSING", detail);
}

function tell(message: string): void {
  if (kafkaLog.hasSubscribers) kafkaLog.publish({ level: "warn", message } satisfies KafkaLogLine);
}
