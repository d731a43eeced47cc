/**
 * Rounds: what is compared is measured by turns within each, so that whatever else the machine does falls on all of it.
 * A ratio is taken within a round, and a figure is the median over the rounds.
 */

import type { LoadGenerator, LoadJob } from "./load.ts";
import type { ServerUnderTest } from "./server-under-test.ts";
import { medianText, type Spread, spreadOf } from "./statistics.ts";

/** How to measure. */
export interface RoundsOptions {
  /** Of each run of a case that has a bar. */
  readonly seconds: number;
  /** Rounds of a case that has a bar, at least 5 for figures to quote. */
  readonly rounds: number;
  /** Takes a line for people. */
  readonly tell: (line: string) => void;
}

/** Rounds of figures by the name of what was measured; one that is absent was not measured. */
type Rounds<Name extends PropertyKey, Figure extends PropertyKey> = readonly Readonly<
  Partial<Record<Name, Readonly<Record<Figure, number | undefined>>>>
>[];

/** All of them, beginning with another one each round, so that nobody always follows the same neighbour. */
export function byTurns<One>(all: readonly One[], round: number): readonly One[] {
  const first = round % all.length;
  return [...all.slice(first), ...all.slice(0, first)];
}

/** Measures all of them by turns, one after the other. */
export async function measureRound<Name extends PropertyKey, Result>(
  names: readonly Name[],
  round: number,
  run: (name: Name) => Promise<Result>,
): Promise<Readonly<Record<Name, Result>>> {
  const results: Partial<Record<Name, Result>> = {};
  for (const name of byTurns(names, round)) results[name] = await run(name);
  return results as Record<Name, Result>;
}

/** A figure over the rounds; undefined where it was not measured. */
export function figureOf<Name extends PropertyKey, Figure extends PropertyKey>(
  rounds: Rounds<Name, Figure>,
  name: Name,
  figure: Figure,
): Spread | undefined {
  return spreadOf(rounds.map((round) => round[name]?.[figure]));
}

/** A figure as a multiple of another's in the same round; undefined where one of them was not measured. */
export function ratioOf<Name extends PropertyKey, Figure extends PropertyKey>(
  rounds: Rounds<Name, Figure>,
  name: Name,
  base: Name,
  figure: Figure,
): Spread | undefined {
  return spreadOf(
    rounds.map((round) => {
      const [own, its] = [round[name]?.[figure], round[base]?.[figure]];
      return own === undefined || its === undefined ? undefined : own / its;
    }),
  );
}

/** The heading of loadCells. */
export const LOAD_COLUMNS = ["requests/s", "p50 ms", "p99 ms", "CPU µs/request", "others"] as const;

/** A closed loop's figures as tables show them; "others" is what others used of the machine meanwhile. */
export function loadCells<Name extends PropertyKey>(
  rounds: Rounds<Name, "requestsPerSecond" | "p50Ms" | "p99Ms" | "cpuMicrosPerRequest" | "othersShare">,
  name: Name,
): readonly string[] {
  return [
    medianText(figureOf(rounds, name, "requestsPerSecond"), 0),
    medianText(figureOf(rounds, name, "p50Ms"), 2),
    medianText(figureOf(rounds, name, "p99Ms"), 2),
    medianText(figureOf(rounds, name, "cpuMicrosPerRequest"), 1),
    medianText(figureOf(rounds, name, "othersShare"), 2),
  ];
}

/** What a server can do: the median of so many closed loops, requests/s. */
export async function capacityOf(
  generator: LoadGenerator,
  server: ServerUnderTest,
  job: Omit<LoadJob, "seed">,
  rounds: number,
): Promise<number> {
  const perSecond: number[] = [];
  for (let seed = 0; seed < rounds; seed++) {
    perSecond.push((await generator.run(server, { ...job, seed })).requestsPerSecond);
  }
  return spreadOf(perSecond)!.median;
}
