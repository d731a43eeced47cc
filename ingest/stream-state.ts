/**
 * How an ingester stands, as metrics and /readyz tell it: whether it reads, and how far behind each of its partitions
 * is, in records and in time. Asked for when metrics are scraped, so that it costs the stream nothing.
 */

import { channel } from "node:diagnostics_channel";
import type { HeadgateError } from "../errors.ts";
import type { PartitionLag, StreamConsumer } from "./consumer.ts";

/** How far behind a partition is. */
export interface PartitionState extends PartitionLag {
  /**
   * While it has a lag, how old the last record is that is in the store, else 0; undefined while none has come since the
   * ingester started.
   */
  readonly seconds: number | undefined;
}

/** Published on "headgate:ingest-state". */
export interface IngestState {
  readonly connected: boolean;
  readonly rebalances: number;
  readonly problem: HeadgateError | undefined;
  /** Undefined when the brokers could not be asked. */
  readonly lags: readonly PartitionState[] | undefined;
}

const stateChannel = channel("headgate:ingest-state");

/** Follows what a consumer's partitions have come to. */
export class StreamState {
  readonly #consumer: Pick<StreamConsumer, "state" | "lag">;
  readonly #now: () => number;
  readonly #lastTimestampMs = new Map<string, number>();

  constructor(consumer: Pick<StreamConsumer, "state" | "lag">, now: () => number) {
    this.#consumer = consumer;
    this.#now = now;
  }

  /** The partition's record of this timestamp is in the store. */
  applied(topic: string, partition: number, timestampMs: number): void {
    this.#lastTimestampMs.set(`${topic}/${partition}`, timestampMs);
  }

  /** Publishes the state; with the lag when it is asked for. Never rejects. */
  async publish(withLag: boolean): Promise<void> {
    const { connected, rebalances, problem } = this.#consumer.state();
    const lags = withLag && connected ? await this.#lags().catch(() => undefined) : undefined;
    if (stateChannel.hasSubscribers) {
      stateChannel.publish({ connected, rebalances, problem, lags } satisfies IngestState);
    }
  }

  async #lags(): Promise<readonly PartitionState[]> {
    const nowMs = this.#now();
    return (await this.#consumer.lag()).map((lag) => {
      const last = this.#lastTimestampMs.get(`${lag.topic}/${lag.partition}`);
      const seconds = last === undefined ? undefined : Math.max(0, nowMs - last) / 1_000;
      return { ...lag, seconds: lag.messages === 0 ? 0 : seconds };
    });
  }
}
