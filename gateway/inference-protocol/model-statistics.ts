/**
 * A version's entry of the statistics (extension_statistics.md). The two counts are of all its runs, whatever asked for
 * them (infer, /predict, a shadow), so that the one over the other is how full its batches are; the durations are of
 * infer requests. All of it is of this process, since the version was loaded.
 */

import type { JsonValue } from "../../features/json-value.ts";
import type { InferPlan } from "./infer-plan.ts";

/** The entry; `clockMs` is by the clock that the version was loaded with, `nowMs` epoch ms at the same moment. */
export function modelStatistics({ joined, statistics }: InferPlan, clockMs: number, nowMs: number): JsonValue {
  const { name, runCounts, version } = joined.model;
  const { lastEndMs, rows, runs } = runCounts;
  return {
    name,
    version: String(version),
    last_inference: lastEndMs === undefined ? 0 : Math.round(nowMs - (clockMs - lastEndMs)),
    inference_count: rows,
    execution_count: runs,
    inference_stats: statistics.toJson(),
    batch_stats: [],
  };
}
