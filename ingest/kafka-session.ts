/**
 * One membership in a consumer group, from joining to leaving, on kafkajs. It ends for good when kafkajs gives up, when
 * no record comes although there are some, or when it is left; whoever wants to go on begins another.
 *
 * The invariant: a partition's batch is handed on only after the one before it was acknowledged, and an offset is
 * resolved and committed only after that, by the generation that fetched it. kafkajs fetches and joins again only when
 * all batches of a fetch are done: one fetch per broker is in memory, and a rebalance finds all committed within GRACE_MS.
 */

import { setMaxListeners } from "node:events";
import type { Admin, Consumer, EachBatchPayload } from "kafkajs";
import { unlessAborted, within } from "./bounded-wait.ts";
import { deliver } from "./delivery.ts";
import { streamBatch } from "./kafka-batch.ts";
import { createGroupConsumer, type KafkaConnection } from "./kafka-client.ts";
import { CommitSender } from "./kafka-commit-sender.ts";
import { Commits } from "./kafka-commits.ts";
import { isRebalance } from "./kafka-failure.ts";
import { Heartbeat } from "./kafka-heartbeat.ts";
import {
  type PartitionLag,
  type PartitionOffset,
  partitionLags,
  partitionName,
  placesBehind,
  type StartFrom,
  type TopicPartition,
} from "./kafka-offsets.ts";
import { FetchSilence } from "./kafka-silence.ts";
import { decideStart } from "./kafka-start.ts";
import type { StreamBatch } from "./stream-record.ts";

/** How long batches under way may take to end when the group rebalances or this member leaves, ms. */
const GRACE_MS = 5_000;
/** How long leaving in good order may take, ms; then the connections are cut. */
const LEAVE_TIMEOUT_MS = 2_000;

/** What a membership needs. */
export interface SessionOptions {
  readonly connection: KafkaConnection;
  /** Connected. */
  readonly admin: Admin;
  readonly groupId: string;
  /** All of them there. */
  readonly topics: readonly string[];
  readonly startFrom: (topic: string) => StartFrom;
  /** Of one fetch from one broker. */
  readonly fetchBytes: number;
  /** Of how many partitions batches are handed on at the same time. */
  readonly partitionsAtOnce: number;
  /** Monotonic, ms. */
  readonly now: () => number;
  readonly onBatch: (batch: StreamBatch, signal: AbortSignal) => Promise<void>;
  /** Called with each assignment. */
  readonly onJoined: () => void;
}

/** One assignment of partitions. */
interface Generation {
  readonly assignments: readonly TopicPartition[];
  readonly abort: AbortController;
  /** Settles when every partition's position is where it should be. */
  placed: Promise<void>;
  /** Why the group is to be joined anew. */
  failure: unknown;
}

/** A membership. */
export class GroupSession {
  /** Resolves with what ended it: an error, or undefined when it was left. */
  readonly over: Promise<unknown>;
  readonly #options: SessionOptions;
  readonly #consumer: Consumer;
  readonly #cut: () => void;
  readonly #sender: CommitSender;
  readonly #commits: Commits;
  readonly #heartbeat: Heartbeat<Generation>;
  /** Deliveries by partition. */
  readonly #underWay = new Map<string, { readonly done: Promise<void>; readonly sinceMs: number }>();
  /** Partitions that were moved, and whose next batch has not come yet. */
  readonly #moved = new Set<string>();
  #generation: Generation | undefined;
  #end: (cause: unknown) => void = () => {};
  readonly #silence: FetchSilence;
  #isLeaving = false;
  #left: Promise<void> | undefined;
  #graceTimer: NodeJS.Timeout | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#silence = new FetchSilence(options.now);
    this.over = new Promise((over) => {
      this.#end = over;
    });
    const { connection, groupId, fetchBytes } = options;
    const { consumer, cut } = createGroupConsumer(connection, groupId, fetchBytes, () => this.#silence.joining());
    this.#consumer = consumer;
    this.#cut = cut;
    this.#sender = new CommitSender(consumer);
    this.#commits = new Commits((offsets) => this.#sender.send(offsets));
    this.#heartbeat = new Heartbeat({
      assignment: () => this.#generation,
      onOver: (generation, error) => this.#regroup(generation, error),
    });
  }

  /** Joins the group; resolves when that is under way or done, and ends by `over` when it fails. */
  async join(): Promise<void> {
    const consumer = this.#consumer;
    const { CRASH, END_BATCH_PROCESS, FETCH, GROUP_JOIN, REBALANCING } = consumer.events;
    consumer.on(CRASH, ({ payload }) => this.#end(payload.error));
    consumer.on(FETCH, () => this.#silence.heard());
    consumer.on(REBALANCING, () => {
      this.#silence.joining();
      void this.#commits.flush().catch(() => {});
    });
    consumer.on(GROUP_JOIN, ({ payload }) => this.#joined(payload.memberAssignment, payload.isLeader));
    consumer.on(END_BATCH_PROCESS, ({ payload }) => {
      // Markers of transactions only: kafkajs goes over them without a word.
      if (payload.batchSize === 0) this.#acknowledge(payload, payload.lastOffset);
    });
    await consumer.connect();
    // The start is ours to choose (#place); where the broker no longer has an offset, kafkajs takes the earliest.
    await consumer.subscribe({ topics: [...this.#options.topics], fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: this.#options.partitionsAtOnce,
      eachBatch: (payload) => this.#take(payload),
    });
  }

  /** True once the group has given it its partitions, be they none. */
  isJoined(): boolean {
    return this.#generation !== undefined;
  }

  assignments(): readonly TopicPartition[] {
    return this.#generation?.assignments ?? [];
  }

  /** For how long the oldest batch is under way, ms: then it is the store that is waited for. */
  busyMs(): number {
    const now = this.#options.now();
    return [...this.#underWay.values()].reduce((longest, { sinceMs }) => Math.max(longest, now - sinceMs), 0);
  }

  /** For how long no fetch came back although nothing else was waited for, ms. */
  silentMs(): number {
    return this.#underWay.size > 0 ? 0 : this.#silence.lengthMs();
  }

  /** How far each assigned partition has come and how many records are still to come; known once it is placed. */
  async lag(): Promise<readonly (PartitionLag & { readonly position: bigint })[]> {
    await this.#generation?.placed;
    return partitionLags(this.#options.admin, this.assignments(), (name) => this.#commits.committed(name));
  }

  /**
   * Moves those of the partitions that are assigned here back to these offsets, and no further than there are records;
   * resolves with where they stand when that is committed. Throws when the group rebalances meanwhile.
   */
  async rewind(to: readonly PartitionOffset[]): Promise<readonly PartitionOffset[]> {
    const generation = this.#generation;
    if (generation === undefined || this.#isLeaving) throw new Error("The group has not been joined yet.");
    await generation.placed;
    const assigned = new Set(generation.assignments.map(partitionName));
    const ours = to.filter((one) => assigned.has(partitionName(one)));
    const positionOf = (name: string) => this.#commits.acknowledged(name);
    const places = await placesBehind(this.#options.admin, ours, positionOf);
    const moves = places.filter((one) => one.offset !== positionOf(partitionName(one)));
    await this.#moveTo(generation, moves);
    return places;
  }

  /** Waits for the batches under way, commits and leaves; in doubt by cutting the connections. */
  leave(): Promise<void> {
    this.#left ??= this.#leave();
    return this.#left;
  }

  async #leave(): Promise<void> {
    this.#isLeaving = true;
    this.#stopFetching();
    await within(Promise.all([...this.#underWay.values()].map(({ done }) => done)), GRACE_MS);
    this.#generation?.abort.abort();
    const inOrder = this.#commits.flush().finally(() => this.#consumer.disconnect());
    await within(inOrder, LEAVE_TIMEOUT_MS);
    this.#commits.close();
    this.#heartbeat.stop();
    clearTimeout(this.#graceTimer);
    this.#cut();
    this.#end(undefined);
  }

  #stopFetching(): void {
    try {
      this.#consumer.pause(this.#options.topics.map((topic) => ({ topic })));
    } catch {
      // It never ran, or has given up.
    }
  }

  #joined(memberAssignment: Readonly<Record<string, readonly number[]>>, isLeader: boolean): void {
    this.#generation?.abort.abort();
    clearTimeout(this.#graceTimer);
    const assignments = Object.entries(memberAssignment).flatMap(([topic, partitions]) =>
      partitions.map((partition) => ({ topic, partition })),
    );
    const abort = new AbortController();
    const generation: Generation = { assignments, abort, placed: Promise.resolve(), failure: undefined };
    // One for each partition's batch under way.
    setMaxListeners(0, abort.signal);
    this.#generation = generation;
    this.#silence.joined();
    this.#moved.clear();
    this.#commits.begin([]);
    generation.placed = this.#place(generation, isLeader);
    generation.placed.catch((error) => {
      // kafkajs hears of a rebalance too, and joins again.
      if (!this.#isOver(generation) && !isRebalance(error)) this.#end(error);
    });
    this.#options.onJoined();
  }

  /** A start that is not committed would be another one after the next rebalance, and records between them lost. */
  async #place(generation: Generation, isLeader: boolean): Promise<void> {
    const { admin, groupId, startFrom } = this.#options;
    const { assignments, abort } = generation;
    const start = await decideStart({ admin, groupId, assignments, isLeader, startFrom, signal: abort.signal });
    if (this.#generation !== generation) return;
    this.#commits.begin(start.committed);
    for (const one of start.startsOfOthers) this.#commits.acknowledge(one);
    await this.#moveTo(generation, start.starts);
  }

  async #moveTo(generation: Generation, offsets: readonly PartitionOffset[]): Promise<void> {
    for (const one of offsets) {
      this.#moved.add(partitionName(one));
      this.#consumer.seek({ ...one, offset: String(one.offset) });
      this.#commits.acknowledge(one);
    }
    await this.#commits.flush();
    if (this.#generation !== generation || this.#isLeaving) throw new Error("The group has rebalanced meanwhile.");
  }

  /** kafkajs' handler of a batch. What it throws makes kafkajs join again or give up. */
  async #take(payload: EachBatchPayload): Promise<void> {
    const generation = this.#generation;
    if (generation === undefined || this.#isLeaving) return;
    this.#sender.use(payload);
    // From here on: where a partition begins may take long to be found, too.
    await this.#heartbeat.during(payload.heartbeat, () => this.#takeOf(generation, payload));
  }

  async #takeOf(generation: Generation, payload: EachBatchPayload): Promise<void> {
    await unlessAborted(generation.placed, generation.abort.signal);
    const name = partitionName(payload.batch);
    // Of a generation before, which did not heed its signal.
    await this.#underWay.get(name)?.done;
    if (generation.failure !== undefined) throw generation.failure;
    if (this.#isOver(generation) || payload.isStale() || this.#isLeaving) return;
    const done = this.#handOn(generation, payload).finally(() => {
      this.#underWay.delete(name);
      this.#silence.heard();
    });
    this.#underWay.set(name, { done, sinceMs: this.#options.now() });
    await unlessAborted(done, generation.abort.signal);
    if (generation.failure === undefined) return;
    await within(this.#commits.flush(), LEAVE_TIMEOUT_MS);
    throw generation.failure;
  }

  async #handOn(generation: Generation, payload: EachBatchPayload): Promise<void> {
    const { batch } = payload;
    this.#moved.delete(partitionName(batch));
    const { signal } = generation.abort;
    const isTaken = await deliver(streamBatch(batch), this.#options.onBatch, signal, () => !this.#isLeaving);
    // After a rewind the position is another's to say.
    if (!isTaken || this.#isOver(generation) || payload.isStale()) return;
    payload.resolveOffset(batch.lastOffset());
    this.#acknowledge(batch, batch.lastOffset());
  }

  #acknowledge({ topic, partition }: TopicPartition, lastOffset: string): void {
    if (this.#moved.has(partitionName({ topic, partition }))) return;
    this.#commits.acknowledge({ topic, partition, offset: BigInt(lastOffset) + 1n });
  }

  #isOver(generation: Generation): boolean {
    return this.#generation !== generation || generation.abort.signal.aborted;
  }

  /** The batches under way may end; then kafkajs is told why it has to join again. */
  #regroup(generation: Generation, error: unknown): void {
    if (generation.failure !== undefined) return;
    generation.failure = error;
    this.#graceTimer = setTimeout(() => generation.abort.abort(), GRACE_MS);
  }
}
