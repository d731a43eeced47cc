/**
 * How far the event loop is behind, by a timer that should fire every so often. A request waits in its socket while the
 * loop is busy, where nobody can see since when; but the loop looks at its timers right before it reads sockets, so
 * what the timer is late by is what the requests read after it may have waited.
 *
 * Nothing is read from a clock here: times are ms of one monotonic clock, given by the caller.
 */

/** How often the timer should fire, ms: a lag under it is none. Shorter sees more and wakes an idle process more often. */
export const BEAT_MS = 10;

/** The lag of one event loop. */
export class LoopLag {
  #dueMs: number;
  #lateMs = 0;

  constructor(nowMs: number) {
    this.#dueMs = nowMs + BEAT_MS;
  }

  /** To be called by the timer, and `turned` after the sockets of that turn have been read. */
  beat(nowMs: number): void {
    this.#lateMs = lagOf(nowMs - this.#dueMs);
    this.#dueMs = nowMs + BEAT_MS;
  }

  /** From here on it is the next turn, whose requests did not wait for the one before the timer. */
  turned(): void {
    this.#lateMs = 0;
  }

  /**
   * How long a request that is read now may have waited at most: as long as the turn before took, and as this one has
   * so far. What is left of this turn is not foretold: after a pause that was not the requests' doing it is short, and
   * under overload what is read late in it has waited too long, so that it is short, too.
   */
  waitedMs(nowMs: number): number {
    return this.#lateMs + lagOf(nowMs - this.#dueMs);
  }
}

const lagOf = (lateMs: number): number => (lateMs < BEAT_MS ? 0 : lateMs);
