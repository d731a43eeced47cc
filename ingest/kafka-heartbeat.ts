/**
 * A member's sign of life while batches are under way: kafkajs beats only between batches, and the store may be away for
 * longer than a session lasts. What a heartbeat is told of the group belongs to the assignment at that moment, so the
 * assignment is looked up in each tick.
 */

import { isRebalance } from "./kafka-failure.ts";

/** Between heartbeats, ms. */
const HEARTBEAT_MS = 500;

/** What a heartbeat finds. */
export interface HeartbeatOptions<Assignment> {
  readonly assignment: () => Assignment | undefined;
  /** The group no longer counts on this assignment, though nothing newer has come yet. */
  readonly onOver: (assignment: Assignment, error: unknown) => void;
}

/** Beats as long as anything is waited for. */
export class Heartbeat<Assignment> {
  readonly #options: HeartbeatOptions<Assignment>;
  #waits = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: HeartbeatOptions<Assignment>) {
    this.#options = options;
  }

  /** Beats with this function of kafkajs' until the work is done; the function beats for whatever assignment there is. */
  async during<T>(beat: () => Promise<void>, work: () => Promise<T>): Promise<T> {
    this.#waits++;
    this.#timer ??= setInterval(() => this.#tick(beat), HEARTBEAT_MS);
    try {
      return await work();
    } finally {
      this.#waits--;
      if (this.#waits === 0) this.stop();
    }
  }

  /** Beats no more until something is waited for again. */
  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #tick(beat: () => Promise<void>): void {
    const assignment = this.#options.assignment();
    if (assignment === undefined) return;
    beat().catch((error) => {
      if (isRebalance(error) && this.#options.assignment() === assignment) this.#options.onOver(assignment, error);
    });
  }
}
