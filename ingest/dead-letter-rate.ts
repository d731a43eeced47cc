/**
 * When bad events are too many: a share of a topic's last events. A single bad event is the producer's slip and goes to
 * the dead letters; a share of them is a wrong deploy, here or there, which must not drain a topic into its dead letters.
 */

import { HeadgateError } from "../errors.ts";

/**
 * Fewer bad events are let through whatever their share: the first events of a quiet topic are no measure. What was
 * counted ends with the process, so one that is started again and again lets as many through each time.
 */
export const DEAD_LETTERS_ALWAYS = 20;

/** Settings of a rate. */
export interface DeadLetterRateOptions {
  /** Of a topic's last events, the share that may be bad, below 1. 0: the first bad one is one too many. */
  readonly maxDeadLetters: number;
  /** How many events are "the last", see maxDeadLetters. */
  readonly deadLetterWindow: number;
}

interface Tally {
  readonly events: number;
  readonly bad: number;
}

/** Events and bad ones of each topic, over its last events. */
export class DeadLetterRate {
  readonly #options: DeadLetterRateOptions;
  readonly #windows = new Map<string, Window>();

  constructor(options: DeadLetterRateOptions) {
    this.#options = options;
  }

  /** Throws TOO_MANY_DEAD_LETTERS when these events are too many on top of those that were counted; counts nothing. */
  check(topic: string, events: number, bad: number, example: () => string): void {
    if (bad === 0) return;
    const { maxDeadLetters, deadLetterWindow } = this.#options;
    const before = this.#windowOf(topic);
    const all = { events: before.events + events, bad: before.bad + bad };
    if (all.bad <= maxDeadLetters * all.events || (all.bad < DEAD_LETTERS_ALWAYS && maxDeadLetters > 0)) return;
    throw new HeadgateError(
      "TOO_MANY_DEAD_LETTERS",
      `${all.bad} of the last ${all.events} events of topic "${topic}" can't be taken, more than maxDeadLetters (${Number((maxDeadLetters * 100).toPrecision(6))}% of ${deadLetterWindow}) allows. The newest is ${example()}. Mend the producer or the definition; nothing of these was passed over.`,
    );
  }

  /** Counts events that are done with. */
  count(topic: string, events: number, bad: number): void {
    this.#windowOf(topic).add({ events, bad });
  }

  #windowOf(topic: string): Window {
    let window = this.#windows.get(topic);
    if (window === undefined) {
      window = new Window(this.#options.deadLetterWindow);
      this.#windows.set(topic, window);
    }
    return window;
  }
}

/** Sums over the last tallies that make up a number of events; as every tally has one at least, they are no more. */
class Window {
  readonly #length: number;
  readonly #tallies: Tally[] = [];
  events = 0;
  bad = 0;

  constructor(length: number) {
    this.#length = length;
  }

  add(tally: Tally): void {
    if (tally.events === 0) return;
    this.#tallies.push(tally);
    this.events += tally.events;
    this.bad += tally.bad;
    while (this.events - this.#tallies[0]!.events >= this.#length) {
      const oldest = this.#tallies.shift()!;
      this.events -= oldest.events;
      this.bad -= oldest.bad;
    }
  }
}
