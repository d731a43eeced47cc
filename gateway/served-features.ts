/**
 * The features of a prediction: read at once when the store is in this process's reach, else within the deadline; and
 * while the store is away, from what memory still holds if the model's `stale_if_error` allows it.
 */

import { HeadgateError } from "../errors.ts";
import type { FeatureVector } from "../features/feature-vector.ts";
import type { FeatureValue } from "../features/field.ts";
import type { EntityKeys } from "../features/reader.ts";
import { bindContext } from "../features/request-context.ts";
import { type Deadline, withinDeadline } from "./deadline.ts";
import type { JoinedModel } from "./joined-model.ts";

/** What was read. */
export interface ServedFeatures {
  /** One per entity, in order. */
  readonly vectors: FeatureVector[];
  /** True when the store is away and memory answered in its place. */
  readonly stale: boolean;
}

/** What a request wants of a version's features. */
export interface FeatureRequest {
  readonly entities: readonly EntityKeys[];
  readonly context: Readonly<Record<string, unknown>> | undefined;
  readonly deadline: Deadline;
  /** When reading starts, by the deadline's clock. */
  readonly startMs: number;
  /** Epoch ms. */
  readonly nowMs: number;
}

/** Reads them. Throws or rejects with CONTEXT_INVALID, ENTITY_KEY_INVALID, DEADLINE_EXCEEDED or STORE_UNREACHABLE. */
export function readFeatures(joined: JoinedModel, request: FeatureRequest): ServedFeatures | Promise<ServedFeatures> {
  const { plan, read } = joined.reader;
  const { deadline, entities, nowMs, startMs } = request;
  const context = bindContext(plan, request.context);
  const current = (vectors: FeatureVector[]) => ({ vectors, stale: false });
  const away = (thrown: unknown) => staleFeatures(thrown, joined, entities, context, nowMs);
  try {
    const vectors = read(entities, context, nowMs);
    if (!(vectors instanceof Promise)) return current(vectors);
    return withinDeadline(vectors, deadline, startMs, "reading the features").then(current, away);
  } catch (thrown) {
    return away(thrown);
  }
}

/** What memory still holds, within the model's stale_if_error; throws what was thrown where that does not help. */
function staleFeatures(
  thrown: unknown,
  { model, reader }: JoinedModel,
  entities: readonly EntityKeys[],
  context: readonly FeatureValue[],
  nowMs: number,
): ServedFeatures {
  const maxStaleMs = model.manifest.staleIfErrorMs;
  const isAway = thrown instanceof HeadgateError && thrown.code === "STORE_UNREACHABLE";
  const vectors =
    isAway && maxStaleMs !== undefined ? reader.readStale(entities, context, nowMs, maxStaleMs) : undefined;
  if (vectors === undefined) throw thrown;
  return { vectors, stale: true };
}
