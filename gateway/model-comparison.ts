/**
 * GET /models/{name}/comparison: what each loaded version answered in this gateway, side by side, over all of its workers.
 * Computed when it is asked for, from the latest scores and run times that the versions keep; what other gateways
 * answered is theirs to tell, as the metrics are.
 */

import type { JsonValue } from "../features/json-value.ts";
import type { ServedModel } from "../models/lifecycle.ts";
import type { LoadedModel } from "../models/loaded-model.ts";
import { quantile } from "../models/recent-values.ts";
import { histogramOf, type ScoreDrift, scoreDrift, sharedEdges } from "../models/score-drift.ts";
import { trafficJson } from "../models/traffic.ts";
import type { VersionStatistics } from "../models/version-statistics.ts";
import { summaryOf, sumOf, type VersionSummary } from "../models/version-summary.ts";
import type { CanaryWatch, EndedCanary } from "./canary-watch.ts";
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

/** What one worker knows of a model's loaded versions. */
export interface WorkerComparison {
  readonly versions: readonly VersionSummary[];
  readonly lastEnded: EndedCanary | undefined;
}

/** What comparing needs beside the model. */
export interface ComparisonOptions {
  readonly join: (model: LoadedModel) => JoinedModel;
  readonly canaries: Pick<CanaryWatch, "endedBecause" | "lastEnded">;
  /** What the gateway's other workers know of a model; not given where this process is alone. */
  readonly comparedElsewhere?: ((model: string) => Promise<readonly WorkerComparison[]>) | undefined;
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
  return inOrder(served).map(({ model, role }) => {
    const { statistics } = join(model);
    const besides = role === "canary" || role === "shadow";
    const drift = besides && stable !== undefined ? scoreDrift(stable, statistics.scores.sorted()) : undefined;
    return { version: model.version, role, statistics, drift };
  });
}

/** The loaded versions: stable, canary, shadows, then the rest, each by number. */
function inOrder(served: ServedModel): readonly { readonly model: LoadedModel; readonly role: VersionRole }[] {
  const roles = [...served.ready.values()].map((model) => ({ model, role: roleOf(served, model) }));
  const rank = ({ role }: { readonly role: VersionRole }) => ROLES.indexOf(role);
  return roles.sort((a, b) => rank(a) - rank(b) || a.model.version - b.model.version);
}

function roleOf(served: ServedModel, model: LoadedModel): VersionRole {
  if (served.stable === model) return "stable";
  if (served.canary?.model === model) return "canary";
  return served.shadows.includes(model) ? "shadow" : "ready";
}

/** What this process knows, for another worker to tell. */
export function compareHere(
  served: ServedModel,
  { canaries, join }: Pick<ComparisonOptions, "canaries" | "join">,
): WorkerComparison {
  const versions = inOrder(served).map(({ model }) => summaryOf(model.version, join(model).statistics));
  return { versions, lastEnded: canaries.lastEnded(served.name) };
}

/** The comparison as JSON. */
export async function describeComparison(served: ServedModel, options: ComparisonOptions): Promise<JsonValue> {
  const elsewhere = (await options.comparedElsewhere?.(served.name)) ?? [];
  const own = compareHere(served, options);
  const all = [own, ...elsewhere];
  // A version that only another worker has still, or already, is told when this one has it.
  const versions = inOrder(served).map(({ model: { version }, role }) => ({
    role,
    summary: sumOf(all.flatMap((worker) => worker.versions.filter((one) => one.version === version))),
  }));
  const ended = all.find(({ lastEnded }) => lastEnded !== undefined)?.lastEnded;
  const edges = sharedEdges(
    versions.map(({ summary }) => summary.scores),
    BINS,
  );
  const stable = versions.find(({ role }) => role === "stable")?.summary.scores;
  return {
    model: served.name,
    traffic: served.traffic === undefined ? null : (trafficJson(served.traffic) as unknown as JsonValue),
    canary_ended_because: options.canaries.endedBecause(served) ?? null,
    last_ended_canary: ended === undefined ? null : { version: ended.version, reason: ended.reason },
    versions: versions.map(({ role, summary }) => describeVersion(role, summary, edges, stable)),
  };
}

function describeVersion(
  role: VersionRole,
  summary: VersionSummary,
  edges: readonly number[],
  stable: Float64Array | undefined,
): JsonValue {
  const { version, requests, failures, entities, lastFailure, modelMs, rejected, scores } = summary;
  const besides = role === "canary" || role === "shadow";
  const drift = besides && stable !== undefined ? scoreDrift(stable, scores) : undefined;
  const millisAt = (share: number) => quantile(modelMs, share) ?? null;
  return {
    version,
    role,
    requests,
    failures,
    error_rate: requests === 0 ? null : failures / requests,
    last_failure: lastFailure ?? null,
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
    ...(role === "shadow" ? { paired: describePairs(summary) } : {}),
  };
}

/** How far a shadow's scores were from the answered ones, entity by entity. */
function describePairs({ differences: sorted }: VersionSummary): JsonValue {
  return {
    count: sorted.length,
    mean_difference: sorted.length === 0 ? null : sorted.reduce((sum, one) => sum + one, 0) / sorted.length,
    p95_difference: quantile(sorted, 0.95) ?? null,
    greatest_difference: sorted.at(-1) ?? null,
  };
}
