/**
 * What a version answered, as plain values: those of several processes that serve the same version can be laid together.
 * The latest values of each count, so that of a process that serves little older ones are in it than of a busy one.
 */

import type { VersionStatistics } from "./version-statistics.ts";

/** The counts of one version; the latest scores, times and differences ascending. */
export interface VersionSummary {
  readonly version: number;
  readonly requests: number;
  readonly failures: number;
  readonly entities: number;
  readonly rejected: number;
  readonly lastFailure: string | undefined;
  readonly scores: Float64Array;
  readonly modelMs: Float64Array;
  readonly differences: Float64Array;
}

/** What this process has counted of a version. */
export function summaryOf(version: number, statistics: VersionStatistics): VersionSummary {
  const { requests, failures, entities, rejected, lastFailure } = statistics;
  return {
    ...{ version, requests, failures, entities, rejected, lastFailure },
    scores: statistics.scores.sorted(),
    modelMs: statistics.modelMs.sorted(),
    differences: statistics.differences.sorted(),
  };
}

/** What several processes have counted of the same version, at least one; of last failures the first is told. */
export function sumOf(all: readonly VersionSummary[]): VersionSummary {
  const [first] = all;
  if (all.length === 1) return first!;
  const total = (count: (one: VersionSummary) => number) => all.reduce((sum, one) => sum + count(one), 0);
  const together = (values: (one: VersionSummary) => Float64Array) =>
    Float64Array.from(all.flatMap((one) => [...values(one)])).sort();
  return {
    version: first!.version,
    requests: total(({ requests }) => requests),
    failures: total(({ failures }) => failures),
    entities: total(({ entities }) => entities),
    rejected: total(({ rejected }) => rejected),
    lastFailure: all.find(({ lastFailure }) => lastFailure !== undefined)?.lastFailure,
    scores: together(({ scores }) => scores),
    modelMs: together(({ modelMs }) => modelMs),
    differences: together(({ differences }) => differences),
  };
}
