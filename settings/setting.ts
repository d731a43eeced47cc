/**
 * The kinds of settings: how a value is read from the config file or the environment's text, and what it may be. The
 * tables beside this file say which there are.
 */

import { parseDurationMs } from "../features/duration.ts";

/** One setting. */
export interface Setting<T> {
  readonly environment: string;
  readonly unit: string;
  readonly fallback: T;
  /** What may be written, such as "from 1 to 10"; empty where the unit says it. */
  readonly range: string;
  /** What it is and what moving it costs. */
  readonly about: string;
  /** Takes a value from the config file or the environment's text; undefined when it does not fit. */
  readonly read: (value: unknown) => T | undefined;
}

/** A text, not empty. */
export const text = (environment: string, unit: string, fallback: string, about: string): Setting<string> => ({
  environment,
  unit,
  fallback,
  range: "",
  about,
  // A secret that comes from a file ends in a newline that is none of it.
  read: (value) => (typeof value === "string" ? value.replace(/[\r\n]+$/, "") || undefined : undefined),
});

/** A text that must be so. `range` says how, for the refusal. */
export const textThat = (
  isSo: (value: string) => boolean,
  [environment, unit, fallback, range]: readonly [string, string, string, string],
  about: string,
): Setting<string> => {
  const any = text(environment, unit, fallback, about);
  const read = (given: unknown) => {
    const value = any.read(given);
    return value !== undefined && isSo(value) ? value : undefined;
  };
  return { ...any, range, read };
};

/** One of some words. */
export const choice = <Word extends string>(
  [environment, unit, fallback]: readonly [string, string, Word],
  words: readonly Word[],
  about: string,
): Setting<Word> => ({
  environment,
  unit,
  fallback,
  range: `, one of ${words.join(", ")}`,
  about,
  read: (value) => words.find((word) => word === value),
});

/** A number; whole unless the greatest is not. */
export const count = (
  environment: string,
  unit: string,
  fallback: number,
  [least, most]: readonly [number, number],
  about: string,
): Setting<number> => ({
  environment,
  unit,
  fallback,
  range: ` from ${least} to ${most}`,
  about,
  read: (value) => {
    const number = typeof value === "string" && /^\d+(\.\d+)?$/.test(value) ? Number(value) : value;
    const fits = typeof number === "number" && number >= least && number <= most;
    return fits && (Number.isInteger(number) || !Number.isInteger(most)) ? number : undefined;
  },
});

/** A length of time: "5s" where it is written, ms inside. */
export type DurationSetting = Setting<number> & { readonly unit: "duration" };

const durationWithin =
  (leastMs: number, mostMs: number, range: string) =>
  (environment: string, fallback: string, about: string): DurationSetting => ({
    environment,
    unit: "duration",
    fallback: lengthOf(fallback) ?? parseDurationMs(fallback, environment),
    range,
    about,
    read: (value) => {
      const lengthMs = typeof value === "string" ? lengthOf(value) : undefined;
      return lengthMs !== undefined && lengthMs >= leastMs && lengthMs <= mostMs ? lengthMs : undefined;
    },
  });

/** A written length, ms; undefined when it is none. Only settings know the length zero. */
function lengthOf(text: string): number | undefined {
  try {
    return /^0(ms|s|m|h|d)$/.test(text) ? 0 : parseDurationMs(text, "it");
  } catch {
    return undefined;
  }
}

/** Any length of time. */
export const duration = durationWithin(1, Number.MAX_SAFE_INTEGER, "");
/** What a timer is set to. Node's hold 2^31 - 1 ms, 24 days, and fire at once when given more. */
export const wait = durationWithin(1, 2_073_600_000, " of at most 24d");
/** The same for what must outlast a group of Kafka's that forms anew, which may take 30 s and some. */
export const waitBeyondRebalance = durationWithin(45_000, 2_073_600_000, " from 45s to 24d");
/** What a timer is set to, or none. */
export const waitOrNone = durationWithin(0, 2_073_600_000, " of at most 24d");
