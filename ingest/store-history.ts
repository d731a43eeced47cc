/**
 * Going back after the store may have lost acknowledged writes: a Redis failover takes the last of them with it, while
 * Kafka has committed their offsets. When the store's history changes, every partition is read again from where it was
 * `replayMs` before; what is there already changes nothing.
 *
 * "Where it was" is a place in the stream, not a time in it: an ingester with a backlog writes records of last night.
 * So for each partition it is marked now and then which record was being applied, and a partition's place `replayMs` ago
 * and the history that its rows are in are kept in the store's control records. By them whoever has the partition next
 * notices a failover that happened while no ingester ran, or in the middle of a rebalance.
 */

import { channel } from "node:diagnostics_channel";
import { type OnlineStore, sameBytes } from "../features/store/online-store.ts";
import type { StreamConsumer } from "./consumer.ts";

/** Marks that a partition keeps; a rewind goes back by up to one part of so many too far. */
const MARKS = 64;
/** Of `replayMs`, how much a partition may come on before its place is recorded anew. */
const RECORDED_SHARE = 0.1;

/** Published on "headgate:ingest-rewind". */
export interface IngestRewind {
  /** Partitions whose rows may have been lost. */
  readonly partitions: number;
  /** All partitions are read again from the first record at or after it, epoch ms. */
  readonly timestampMs: number;
}

/** What is needed to notice and to go back. */
export interface StoreHistoryOptions {
  readonly store: Pick<OnlineStore, "history" | "control">;
  readonly groupId: string;
  readonly consumer: Pick<StreamConsumer, "state" | "rewind">;
  /** How long before the change of history a write may have been lost, ms. */
  readonly replayMs: number;
  /** Epoch ms. */
  readonly now: () => number;
  /** Called when writes may have been lost, before anything is read again. */
  readonly onChange?: () => void;
}

/** Which record was being applied at a time. */
interface Mark {
  readonly appliedAtMs: number;
  readonly timestampMs: number;
}

interface PartitionPlace {
  readonly record: string;
  readonly recorded: Uint8Array | undefined;
  /** The history that the partition's rows are in. */
  readonly history: string;
  /** What `recorded` says; undefined where it says nothing. */
  readonly recordedFromMs: number | undefined;
}

const rewindChannel = channel("headgate:ingest-rewind");

/** Watches a store's history for the partitions that a consumer has. */
export class StoreHistory {
  readonly #options: StoreHistoryOptions;
  readonly #places = new Map<string, PartitionPlace>();
  /** By partition, oldest first; the first alone may be older than replayMs. */
  readonly #marks = new Map<string, readonly Mark[]>();
  #known: string | undefined;
  #checking: Promise<void> | undefined;

  constructor(options: StoreHistoryOptions) {
    this.#options = options;
  }

  /** Marks that the partition's record of this timestamp is in the store. */
  applied(topic: string, partition: number, timestampMs: number): void {
    const name = `${topic}/${partition}`;
    const { now, replayMs } = this.#options;
    const nowMs = now();
    const before = this.#marks.get(name) ?? [];
    const last = before.at(-1);
    if (last !== undefined && nowMs - last.appliedAtMs < replayMs / MARKS) return;
    const marks = [...before, { appliedAtMs: nowMs, timestampMs }];
    const firstNeeded = marks.findLastIndex(({ appliedAtMs }) => appliedAtMs <= nowMs - replayMs);
    this.#marks.set(name, marks.slice(Math.max(firstNeeded, 0)));
  }

  /**
   * Looks whether the store may have lost writes since it was last asked and, if so, goes back. To be called when an
   * ingester starts and every some seconds; calls while one is under way join it. Rejects with STORE_UNREACHABLE, or
   * STREAM_UNREACHABLE when it could not go back; the next call does what this one could not.
   */
  check(): Promise<void> {
    this.#checking ??= this.#check().finally(() => {
      this.#checking = undefined;
    });
    return this.#checking;
  }

  async #check(): Promise<void> {
    const history = await this.#options.store.history();
    this.#known ??= history;
    await this.#followAssignments();
    const lost = [...this.#places].filter(([, place]) => place.history !== history);
    if (lost.length > 0) await this.#rewind(lost, history);
    this.#known = history;
    for (const [name, place] of this.#places) await this.#record(name, place);
  }

  /** Learns of partitions that are new here, and forgets those that are another's now. */
  async #followAssignments(): Promise<void> {
    const { consumer, groupId, store } = this.#options;
    const assigned = new Map(
      consumer.state().assignments.map(({ topic, partition }) => [`${topic}/${partition}`, { topic, partition }]),
    );
    for (const known of [this.#places, this.#marks]) {
      for (const name of known.keys()) if (!assigned.has(name)) known.delete(name);
    }
    for (const name of assigned.keys()) {
      if (this.#places.has(name)) continue;
      const record = `ingest/${groupId}/${name}`;
      const recorded = await store.control.get(record);
      const { history = this.#known!, fromMs } = parse(recorded);
      this.#places.set(name, { record, recorded, history, recordedFromMs: fromMs });
    }
  }

  async #rewind(lost: readonly (readonly [string, PartitionPlace])[], history: string): Promise<void> {
    const { consumer, onChange } = this.#options;
    const { now, replayMs } = this.#options;
    const timestampMs = Math.min(...lost.map(([name, place]) => this.#fromMs(name, place) ?? now() - replayMs));
    onChange?.();
    await consumer.rewind(timestampMs);
    for (const [name] of lost) this.#places.set(name, { ...this.#places.get(name)!, history });
    if (rewindChannel.hasSubscribers) {
      rewindChannel.publish({ partitions: lost.length, timestampMs } satisfies IngestRewind);
    }
  }

  /** The timestamp of the record that was being applied `replayMs` ago; undefined where nothing is known to have been. */
  #fromMs(name: string, { recordedFromMs }: PartitionPlace): number | undefined {
    const { now, replayMs } = this.#options;
    const agoMs = now() - replayMs;
    const marks = this.#marks.get(name) ?? [];
    const mark = marks.findLast(({ appliedAtMs }) => appliedAtMs <= agoMs);
    if (mark !== undefined) return mark.timestampMs;
    if (recordedFromMs !== undefined) return recordedFromMs;
    // What was applied before this process had the partition left no trace: go back as far in the stream's own time.
    return marks[0] === undefined ? undefined : marks[0].timestampMs - replayMs;
  }

  /** Records a partition's place and history when they have changed. One that is another's by now records it there. */
  async #record(name: string, place: PartitionPlace): Promise<void> {
    const { store, replayMs } = this.#options;
    const fromMs = this.#fromMs(name, place);
    const isSame = parse(place.recorded).history === place.history;
    const comeOnMs = Math.abs((fromMs ?? 0) - (place.recordedFromMs ?? Number.POSITIVE_INFINITY));
    if (isSame && (fromMs === undefined || comeOnMs < replayMs * RECORDED_SHARE)) return;
    const next = Buffer.from(JSON.stringify({ history: place.history, from_ms: fromMs }));
    const isRecorded = await store.control.compareAndSet(place.record, place.recorded, next);
    const current = this.#places.get(name);
    if (current === undefined || !sameBytes(current.recorded, place.recorded)) return;
    if (isRecorded) this.#places.set(name, { ...current, recorded: next, recordedFromMs: fromMs });
    else this.#places.delete(name);
  }
}

function parse(record: Uint8Array | undefined): { readonly history?: string; readonly fromMs?: number | undefined } {
  if (record === undefined) return {};
  const { history, from_ms: fromMs } = JSON.parse(Buffer.from(record).toString("utf8")) as {
    readonly history: string;
    readonly from_ms?: number;
  };
  return { history, fromMs };
}
