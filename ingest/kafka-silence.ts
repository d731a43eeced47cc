/**
 * For how long a membership has heard nothing: kafkajs in good health has a fetch come back all the time, with records
 * or without. While the group forms anew nobody fetches, and that takes as long as the group's slowest member.
 */

/** How long joining may take, ms, before it counts as silence: the group waits 30 s for its slowest member, maybe twice. */
const JOIN_TIMEOUT_MS = 60_000;

/** The silence of one membership, which begins with joining. */
export class FetchSilence {
  readonly #now: () => number;
  #heardAtMs: number;
  #joiningSinceMs: number | undefined;

  /** `now` is monotonic, ms. */
  constructor(now: () => number) {
    this.#now = now;
    this.#heardAtMs = now();
    this.#joiningSinceMs = now();
  }

  /** A fetch came back, whatever it held, or what it held has been worked off. */
  heard(): void {
    this.#heardAtMs = this.#now();
  }

  /** The group is asked to be let in, once or again. */
  joining(): void {
    this.#joiningSinceMs ??= this.#now();
  }

  /** The group has given out its partitions. */
  joined(): void {
    this.#joiningSinceMs = undefined;
    this.heard();
  }

  /** For how long nothing came that should have, ms. */
  lengthMs(): number {
    const joinedByMs = this.#joiningSinceMs === undefined ? this.#heardAtMs : this.#joiningSinceMs + JOIN_TIMEOUT_MS;
    return Math.max(0, this.#now() - Math.max(this.#heardAtMs, joinedByMs));
  }
}
