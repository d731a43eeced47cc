/**
 * The offsets that a member of a group has acknowledged and commits, some together: a commit for each small batch would
 * cost more than the batch. What is acknowledged and not yet committed is only replayed when the member dies, so
 * lateness costs work and never rows; committing early would cost rows, and nothing here is told of an offset before
 * all records below it are in the store.
 *
 * A commit belongs to the assignment in which it was acknowledged: what comes of one that another assignment has
 * overtaken is not known, and counts as nothing.
 */

import { reasonOf } from "../errors.ts";
import { type KafkaLogLine, kafkaLog } from "./kafka-client.ts";
import { isRebalance } from "./kafka-failure.ts";
import type { PartitionOffset } from "./kafka-offsets.ts";
import { partitionName } from "./kafka-offsets.ts";

/** Between two commits, ms: how much is at most replayed after a kill. */
const COMMIT_INTERVAL_MS = 100;
/** Until a commit that failed is tried again, ms. */
const COMMIT_RETRY_MS = 1_000;

/** Sends a commit to the group's coordinator, once; rejects unless the coordinator has taken it. */
export type SendCommit = (offsets: readonly PartitionOffset[]) => Promise<void>;

/** The commits of one member. */
export class Commits {
  readonly #send: SendCommit;
  readonly #pending = new Map<string, PartitionOffset>();
  readonly #committed = new Map<string, bigint>();
  /** Counts assignments. */
  #generation = 0;
  #timer: NodeJS.Timeout | undefined;
  #sending: Promise<void> = Promise.resolve();
  #told: string | undefined;

  constructor(send: SendCommit) {
    this.#send = send;
  }

  /** Begins anew with what the group has committed; what was pending will be replayed. */
  begin(committed: readonly PartitionOffset[]): void {
    this.#generation++;
    this.#pending.clear();
    this.#committed.clear();
    for (const one of committed) this.#committed.set(partitionName(one), one.offset);
  }

  /** The committed offset of a partition, as far as known here. */
  committed(partition: string): bigint | undefined {
    return this.#committed.get(partition);
  }

  /** The offset below which everything has been acknowledged, committed or not. */
  acknowledged(partition: string): bigint | undefined {
    return this.#pending.get(partition)?.offset ?? this.#committed.get(partition);
  }

  /** Everything below the offset has been acknowledged. */
  acknowledge(offset: PartitionOffset): void {
    this.#pending.set(partitionName(offset), offset);
    this.#schedule(COMMIT_INTERVAL_MS);
  }

  /** Commits all that is pending; throws when that fails, and then it stays pending, or when `begin` came meanwhile. */
  async flush(): Promise<void> {
    const generation = this.#generation;
    const flushed = this.#sending.then(() => this.#flush(generation));
    this.#sending = flushed.catch(() => {});
    return flushed;
  }

  /** Forgets what is pending. */
  close(): void {
    clearTimeout(this.#timer);
    this.#pending.clear();
  }

  async #flush(generation: number): Promise<void> {
    this.#requireSame(generation);
    const sent = [...this.#pending.values()];
    if (sent.length === 0) return;
    await this.#send(sent);
    this.#requireSame(generation);
    this.#told = undefined;
    for (const one of sent) {
      const name = partitionName(one);
      this.#committed.set(name, one.offset);
      if (this.#pending.get(name) === one) this.#pending.delete(name);
    }
  }

  #requireSame(generation: number): void {
    if (generation !== this.#generation) throw new Error("The group has rebalanced meanwhile.");
  }

  #schedule(waitMs: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      const generation = this.#generation;
      this.flush().catch((error: unknown) => {
        if (generation === this.#generation) this.#tell(error);
        if (this.#pending.size > 0) this.#schedule(COMMIT_RETRY_MS);
      });
    }, waitMs);
  }

  /** Once for each message, until a commit is taken. That a rebalance refuses commits is in the order of things. */
  #tell(error: unknown): void {
    const reason = reasonOf(error);
    if (isRebalance(error) || reason === this.#told) return;
    this.#told = reason;
    const message = `Offsets could not be committed and are tried again; until then they would be replayed: ${reason}`;
    if (kafkaLog.hasSubscribers) kafkaLog.publish({ level: "warn", message } satisfies KafkaLogLine);
  }
}
