/** What the parts of telemetry share: how they listen to a channel, what buckets they count in, what they log with. */

/** One channel listened to. */
export interface Listener {
  readonly name: string;
  readonly listener: (message: unknown) => void;
}

/** Types a listener by the message of its channel. */
export const on = <Message>(name: string, listener: (message: Message) => void): Listener => ({
  name,
  listener: listener as (message: unknown) => void,
});

/** Writes one JSON line. */
export type Log = (
  level: "info" | "warn" | "error",
  message: string,
  details?: Readonly<Record<string, unknown>>,
) => void;

/** Upper bounds in seconds, from what a prediction takes to what a deadline allows. */
export const LATENCY_BUCKETS = [
  0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5,
];
/** Upper bounds in rows. */
export const ROW_BUCKETS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024];

/** Where what is made once is kept. */
interface KeptByKey<Key, Made> {
  get(key: Key): Made | undefined;
  set(key: Key, made: Made): unknown;
}

/**
 * Series are asked for once and kept: for good, or in the WeakMap that is passed, until nobody else holds their key, such
 * as a version of a model.
 */
export function memoized<Key, Made>(
  make: (key: Key) => Made,
  made: KeptByKey<Key, Made> = new Map<Key, Made>(),
): (key: Key) => Made {
  return (key) => {
    let known = made.get(key);
    if (known === undefined) {
      known = make(key);
      made.set(key, known);
    }
    return known;
  };
}
