/**
 * Going back after the store may have lost acknowledged writes: a Redis failover takes the last of them with it, while
 * Kafka has committed their offsets. When the store's history changes, every partition is read again from where it was
 * `replayMs` before the history was last seen unchanged.
 *
 * "Where it was" is an offset, not a time: an ingester with a backlog writes records of last night, and no partition is
 * to go back further because another does. So for each partition it is marked now and then below which offset all is in
 * the store, and a partition's place `replayMs` ago and the history that its rows are in are kept in the store's control
 * records. By them whoever has the partition next notices a failover that happened while no ingester ran, or in the
 * middle of a rebalance.
 *
 * The invariant: what lies below a partition's place was acknowledged at least `replayMs` before its history was last
 * confirmed. Where not that much is known the place is further back, never further on.
 */

import { channel } from "node:diagnostics_channel";
import type { OnlineStore } from "../features/store/online-store.ts";
import type { StreamConsumer } from "./consumer.ts";
import { type PartitionOffset, partitionName, type TopicPartition } from "./kafka-offsets.ts";
import { PlaceMarks } from "./place-marks.ts";
import { type PlaceRecord, readPlaceRecord, writePlaceRecord } from "./place-record.ts";

/** Of `replayMs`, how long a partition may come on before its place is recorded anew. */
const RECORDED_SHARE = 0.1;

/** Published on "headgate:ingest-rewind". */
export interface IngestRewind {
  /** Partitions whose rows may have been lost, each with the offset from which it is read again. */
  readonly places: readonly PartitionOffset[];
}

/** What is needed to notice and to go back. */
export interface StoreHistoryOptions {
  readonly store: Pick<OnlineStore, "history" | "control">;
  readonly groupId: string;
  readonly consumer: Pick<StreamConsumer, "state" | "rewind">;
  /** How long before the change of history a write may have been lost, ms. */
  readonly replayMs: number;
  /** Monotonic, ms. */
  readonly now: () => number;
  /** Called when writes may have been lost, before anything is read again. */
  readonly onChange?: () => void;
}

/** What is known of a partition that is assigned here. */
interface Place {
  readonly of: TopicPartition;
  readonly record: PlaceRecord;
  /** When it was recorded here; −∞ when somebody else did. */
  readonly recordedAtMs: number;
  /** The history that the partition's rows are in. */
  readonly history: string;
}

const rewindChannel = channel("headgate:ingest-rewind");

/** Watches a store's history for the partitions that a consumer has. */
export class StoreHistory {
  readonly #options: StoreHistoryOptions;
  readonly #places = new Map<string, Place>();
  readonly #marks = new Map<string, PlaceMarks>();
  #known: string | undefined;
  /** When the store was last asked and said that nothing had changed; all partitions had been brought up to that. */
  #confirmedAtMs = Number.NEGATIVE_INFINITY;
  #checking: Promise<void> | undefined;
  #isClosed = false;

  constructor(options: StoreHistoryOptions) {
    this.#options = options;
  }

  /** Marks that a partition's records from the first offset to below the next are in the store. */
  applied(topic: string, partition: number, firstOffset: bigint, nextOffset: bigint): void {
    const name = partitionName({ topic, partition });
    const known = this.#marks.get(name);
    const marks = known ?? new PlaceMarks(firstOffset, this.#options.replayMs);
    marks.applied(firstOffset, nextOffset, this.#options.now(), this.#goBackToMs());
    if (known !== undefined) return;
    this.#marks.set(name, marks);
    // Until its place is recorded, whoever comes next would not know that there was anything. What can't be done now
    // the next check does, and tells of it.
    if (!this.#places.has(name)) this.check().catch(() => {});
  }

  /**
   * Looks whether the store may have lost writes since it was last asked and, if so, goes back. To be called when an
   * ingester starts and every some seconds; calls while one is under way join it. Rejects with STORE_UNREACHABLE, or
   * STREAM_UNREACHABLE and STREAM_DENIED when it could not go back; the next call does what this one could not.
   */
  async check(): Promise<void> {
    if (this.#isClosed) return;
    this.#checking ??= this.#check().finally(() => {
      this.#checking = undefined;
    });
    await this.#checking;
  }

  /** Checks no more and waits for the one under way: then the store can be closed, after the consumer. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#checking?.catch(() => {});
  }

  /** What was acknowledged before it outlives a change of history that is noticed now. */
  #goBackToMs(): number {
    return this.#confirmedAtMs - this.#options.replayMs;
  }

  async #check(): Promise<void> {
    // Before the store is asked: it may change right after it has answered.
    const askedAtMs = this.#options.now();
    const history = await this.#options.store.history();
    this.#known ??= history;
    await this.#followAssignments(this.#known);
    const lost = [...this.#places.values()].filter((place) => place.history !== history);
    if (lost.length > 0) await this.#goBack(lost, history);
    this.#known = history;
    if ([...this.#places.values()].every((place) => place.history === history)) this.#confirmedAtMs = askedAtMs;
    for (const [name, place] of this.#places) await this.#record(name, place);
  }

  /** Learns of partitions that are new here, and forgets those that are another's now. */
  async #followAssignments(known: string): Promise<void> {
    const { consumer, groupId, store } = this.#options;
    const assigned = new Map(consumer.state().assignments.map((one) => [partitionName(one), one]));
    for (const kept of [this.#places, this.#marks]) {
      for (const name of kept.keys()) if (!assigned.has(name)) kept.delete(name);
    }
    for (const [name, of] of assigned) {
      if (this.#places.has(name)) continue;
      const record = await readPlaceRecord(store.control, groupId, of);
      const history = record.history ?? known;
      this.#places.set(name, { of, record, recordedAtMs: Number.NEGATIVE_INFINITY, history });
    }
  }

  async #goBack(lost: readonly Place[], history: string): Promise<void> {
    const { consumer, onChange } = this.#options;
    onChange?.();
    const places = lost.flatMap((place) => {
      const offset = this.#offsetOf(place);
      return offset === undefined ? [] : [{ ...place.of, offset }];
    });
    const gone = places.length === 0 ? [] : await consumer.rewind(places);
    const done = new Map(gone.map((one) => [partitionName(one), one]));
    for (const place of lost) {
      const name = partitionName(place.of);
      const to = done.get(name);
      // Not ours any more, or not committed: who has it looks again. Of what was never applied nothing is lost.
      if (to === undefined && this.#offsetOf(place) !== undefined) continue;
      this.#places.set(name, { ...place, history });
      if (to !== undefined) this.#marks.set(name, new PlaceMarks(to.offset, this.#options.replayMs));
    }
    if (gone.length > 0 && rewindChannel.hasSubscribers) {
      rewindChannel.publish({ places: gone } satisfies IngestRewind);
    }
  }

  /** A partition's place; undefined where nothing is known to have been applied. */
  #offsetOf({ of, record }: Place): bigint | undefined {
    const marks = this.#marks.get(partitionName(of));
    if (marks === undefined) return record.offset;
    const { offset, isFirst } = marks.at(this.#goBackToMs());
    // What was applied before this process had the partition left no mark here.
    return isFirst && record.offset !== undefined && record.offset < offset ? record.offset : offset;
  }

  /** Records a partition's place and history when they have changed. One that is another's by now records it there. */
  async #record(name: string, place: Place): Promise<void> {
    const { store, replayMs } = this.#options;
    const { record, history, recordedAtMs } = place;
    const offset = this.#offsetOf(place);
    const isFresh = this.#options.now() - recordedAtMs < replayMs * RECORDED_SHARE;
    const isBack = offset !== undefined && record.offset !== undefined && offset < record.offset;
    if (record.history === history && (offset === record.offset || (isFresh && !isBack))) return;
    const written = await writePlaceRecord(store.control, record, { history, offset });
    if (this.#places.get(name) !== place) return;
    if (written === undefined) this.#places.delete(name);
    else this.#places.set(name, { ...place, record: written, recordedAtMs: this.#options.now() });
  }
}
