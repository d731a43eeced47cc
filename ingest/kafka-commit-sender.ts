/**
 * One commit by kafkajs, taken for done only when the coordinator took it. kafkajs' own `commitOffsets` does nothing and
 * says so to nobody when its member does not run any more, and tries again by itself, also once the group has given the
 * partitions to others. A batch's payload has a way that does neither; before the first batch there is no other.
 */

import type { Consumer, EachBatchPayload } from "kafkajs";
import type { PartitionOffset } from "./kafka-offsets.ts";

/** What is needed of kafkajs' consumer. */
export type CommittingConsumer = Pick<Consumer, "commitOffsets" | "events" | "on">;

/** Sends commits, one at a time. */
export class CommitSender {
  readonly #consumer: CommittingConsumer;
  #commitOnce: EachBatchPayload["commitOffsetsIfNecessary"] | undefined;
  #taken = 0;

  constructor(consumer: CommittingConsumer) {
    this.#consumer = consumer;
    // Emitted when the coordinator has answered and refused none of the offsets.
    consumer.on(consumer.events.COMMIT_OFFSETS, () => {
      this.#taken++;
    });
  }

  /** Takes the way that a batch offers. */
  use({ commitOffsetsIfNecessary }: Pick<EachBatchPayload, "commitOffsetsIfNecessary">): void {
    this.#commitOnce ??= commitOffsetsIfNecessary;
  }

  /** Commits these offsets. Rejects with kafkajs' error, and when nothing was sent. */
  async send(offsets: readonly PartitionOffset[]): Promise<void> {
    const before = this.#taken;
    if (this.#commitOnce === undefined) {
      await this.#consumer.commitOffsets(offsets.map((one) => ({ ...one, offset: String(one.offset) })));
    } else {
      await this.#commitOnce({ topics: byTopic(offsets) });
    }
    if (this.#taken === before) throw new Error("The commit was not sent: the member has left its group.");
  }
}

function byTopic(offsets: readonly PartitionOffset[]) {
  const topics = new Map<string, { partition: number; offset: string }[]>();
  for (const { topic, partition, offset } of offsets) {
    const partitions = topics.get(topic) ?? [];
    partitions.push({ partition, offset: String(offset) });
    topics.set(topic, partitions);
  }
  return [...topics].map(([topic, partitions]) => ({ topic, partitions }));
}
