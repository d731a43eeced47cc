/**
 * GET /models/{name}/comparison: what each loaded version answered in this gateway, side by side. Computed when it is
 * asked for, from the latest scores and run times that the versions keep; everything is of this process alone, as the
 * metrics are.
 */

import type { JsonValue } from "../features/json-value.ts";
import type { ServedModel } from "../models/lifecycle.ts";
import type { LoadedModel } from "../models/loaded-model.ts";
import { quantile } from "../models/recent-values.ts";
import { histogramOf, type ScoreDrift, scoreDrift, sharedEdges } from "../models/score-drift.ts";
import { trafficJson } from "../models/traffic.ts";
import type { VersionStatistics } from "../models/version-statistics.ts";
import type { CanaryWatch } from "./canary-watch.ts";
import type { JoinedModel } from "./joined-model.ts";

/** The part that a version has in a model's traffic. "ready": none, but loaded, so that it can be asked for or promoted. */
export type VersionRole = (typeof ROLES)[number];

const ROLES = ["stable", "canary", "shadow", "ready"] as const;

/** A loaded version and what is known of it. */
export interface ComparedVersion {
  readonly version: number;
  readonly role: VersionRole;
  readonly statistics: VersionStatistics;
  /** Of a canary or shadow against the stable version; undefined where one of the two has no scores. */
  readonly drift: ScoreDrift | undefined;
}

/** Bins of the score histograms. */
const BINS = 20;

/** The loaded versions of a model: stable, canary, shadows, then the rest, each by number. */
export function compareVersions(
  served: ServedModel,
  join: (model: LoadedModel) => JoinedModel,
): readonly ComparedVersion[] {
  const isCompared = served.canary !== undefined || served.shadows.length > 0;
  const stable = served.stable && isCompared ? join(served.stable).statistics.scores.sorted() : undefined;
  const rank = (model: LoadedModel) => ROLES.indexOf(roleOf(served, model));
  const versions = [...served.ready.values()].sort((a, b) => rank(a) - rank(b) || a.version - b.version);
  return versions.map((model) => {
    const { statistics } = join(model);
    const role = roleOf(served, model);
    const besides = role === "canary" || role === "shadow";
    const drift = besides && stable !== undefined ? scoreDrift(stable, statistics.scores.sorted()) : undefined;
    return { version: model.version, role, statistics, drift };
  });
}

function roleOf(served: ServedModel, model: LoadedModel): VersionRole {
  if (served.stable === model) return "stable";
  if (served.canary?.model === model) return "canary";
  return served.shadows.includes(model) ? "shadow" : "ready";
}

/** The comparison as JSON. */
export function describeComparison(
  served: ServedModel,
  join: (model: LoadedModel) => JoinedModel,
  canaries: Pick<CanaryWatch, "endedBecause" | "lastEnded">,
): JsonValue {
  const versions = compareVersions(served, join);
  const ended = canaries.lastEnded(served.name);
  const edges = sharedEdges(
    versions.map(({ statistics }) => statistics.scores.sorted()),
    BINS,
  );
  return {
    model: served.name,
    traffic: served.traffic === undefined ? null : (trafficJson(served.traffic) as unknown as JsonValue),
    canary_ended_because: canaries.endedBecause(served) ?? null,
    last_ended_canary: ended === undefined ? null : { version: ended.version, reason: ended.reason },
    versions: versions.map((version) => describeVersion(version, edges)),
  };
}

function describeVersion({ version, role, statistics, drift }: ComparedVersion, edges: readonly number[]): JsonValue {
  const { requests, failures, entities, rejected } = statistics;
  const runs = statistics.modelMs.sorted();
  const scores = statistics.scores.sorted();
  const millisAt = (share: number) => quantile(runs, share) ?? null;
  return {
    version,
    role,
    requests,
    failures,
    error_rate: requests === 0 ? null : failures / requests,
    last_failure: statistics.lastFailure ?? null,
    entities,
    rejected,
    model_milliseconds: { p50: millisAt(0.5), p95: millisAt(0.95), p99: millisAt(0.99) },
    scores: {
      count: scores.length,
      mean: scores.length === 0 ? null : scores.reduce((sum, score) => sum + score, 0) / scores.length,
      p05: quantile(scores, 0.05) ?? null,
      p50: quantile(scores, 0.5) ?? null,
      p95: quantile(scores, 0.95) ?? null,
      histogram: { edges, counts: histogramOf(scores, edges) },
    },
    drift: drift === undefined ? null : { psi: drift.psi, ks_statistic: drift.ksStatistic, ks_p_value: drift.ksPValue },
    ...(role === "shadow" ? { paired: describePairs(statistics) } : {}),
  };
}

/** How far a shadow's scores were from the answered ones, entity by entity. */
function describePairs({ differences }: VersionStatistics): JsonValue {
  const sorted = differences.sorted();
  return {
    count: sorted.length,
    mean_difference: sorted.length === 0 ? null : sorted.reduce((sum, one) => sum + one, 0) / sorted.length,
    p95_difference: quantile(sorted, 0.95) ?? null,
    greatest_difference: sorted.at(-1) ?? null,
  };
}
