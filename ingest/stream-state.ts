/**
 * How an ingester stands, as metrics and /readyz tell it: whether it reads, and how far behind each of its partitions
 * is, in records and in time. Asked for when metrics are scraped, so that it costs the stream nothing.
 */

import { channel } from "node:diagnostics_channel";
import type { HeadgateError } from "../errors.ts";
import { within } from "./bounded-wait.ts";
import type { PartitionLag, StreamConsumer } from "./consumer.ts";
import { partitionName, type TopicPartition } from "./kafka-offsets.ts";

/** How long brokers may take to tell the lag, ms: a scrape usually waits for some seconds, and has more to hear. */
const LAG_TIMEOUT_MS = 1_000;

/** How far behind a partition is. */
export interface PartitionState extends PartitionLag {
  /**
   * While it has a lag, how old the last record is that is in the store, else 0. Until one is, how old the first is that
   * was taken up; undefined while none was.
   */
  readonly seconds: number | undefined;
}

/** Published on "headgate:ingest-state". */
export interface IngestState {
  readonly connected: boolean;
  readonly rebalances: number;
  readonly problem: HeadgateError | undefined;
  /** What is assigned here now; undefined while it is no member of its group. */
  readonly assignments: readonly TopicPartition[] | undefined;
  /** Undefined when the brokers were not asked or did not answer in time: what was known last still holds. */
  readonly lags: readonly PartitionState[] | undefined;
}

const stateChannel = channel("headgate:ingest-state");

/** Follows what a consumer's partitions have come to. */
export class StreamState {
  readonly #consumer: Pick<StreamConsumer, "state" | "lag">;
  readonly #now: () => number;
  readonly #lagTimeoutMs: number;
  readonly #lastTimestampMs = new Map<string, number>();

  /** `now` is epoch ms; `lagTimeoutMs` see LAG_TIMEOUT_MS. */
  constructor(consumer: Pick<StreamConsumer, "state" | "lag">, now: () => number, lagTimeoutMs = LAG_TIMEOUT_MS) {
    this.#consumer = consumer;
    this.#now = now;
    this.#lagTimeoutMs = lagTimeoutMs;
  }

  /** A batch of the partition that begins with a record of this timestamp is being taken up. */
  begun(topic: string, partition: number, timestampMs: number): void {
    const name = partitionName({ topic, partition });
    if (!this.#lastTimestampMs.has(name)) this.#lastTimestampMs.set(name, timestampMs);
  }

  /** The partition's record of this timestamp is in the store. */
  applied(topic: string, partition: number, timestampMs: number): void {
    this.#lastTimestampMs.set(partitionName({ topic, partition }), timestampMs);
  }

  /** Publishes the state; with the lag when it is asked for. Never rejects. */
  async publish(withLag: boolean): Promise<void> {
    const { connected, rebalances, problem, assignments: assigned } = this.#consumer.state();
    const assignments = connected ? assigned : undefined;
    if (assignments !== undefined) this.#forgetOthers(assignments);
    const lags = withLag && connected ? await within(this.#lags(), this.#lagTimeoutMs) : undefined;
    if (stateChannel.hasSubscribers) {
      stateChannel.publish({ connected, rebalances, problem, assignments, lags } satisfies IngestState);
    }
  }

  async #lags(): Promise<readonly PartitionState[]> {
    const lags = await this.#consumer.lag();
    const nowMs = this.#now();
    return lags.map((lag) => {
      const last = this.#lastTimestampMs.get(partitionName(lag));
      const seconds = last === undefined ? undefined : Math.max(0, nowMs - last) / 1_000;
      return { ...lag, seconds: lag.messages === 0 ? 0 : seconds };
    });
  }

  /** When a partition comes back, what was in the store then is no longer what is. */
  #forgetOthers(assignments: readonly TopicPartition[]): void {
    const here = new Set(assignments.map(partitionName));
    for (const name of this.#lastTimestampMs.keys()) if (!here.has(name)) this.#lastTimestampMs.delete(name);
  }
}
