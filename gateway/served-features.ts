/**
 * The features of a prediction: read at once when the store is in this process's reach, else within the deadline; and
 * while the store is away, from what memory still holds if the model's `stale_if_error` allows it.
 */

import { hasCode } from "../errors.ts";
import type { FeatureVector } from "../features/feature-vector.ts";
import type { EntityKeys } from "../features/reader.ts";
import { bindContext } from "../features/request-context.ts";
import { type Deadline, withinDeadline } from "./deadline.ts";
import { type EntityContexts, type RequestContext, readByContext } from "./entity-contexts.ts";
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
  readonly context: RequestContext;
  /** Of each entity, where they are not the same for all; `context` is not looked at then. */
  readonly contexts: EntityContexts | undefined;
  readonly deadline: Deadline;
  /** When reading starts, by the deadline's clock. */
  readonly startMs: number;
  /** Epoch ms. */
  readonly nowMs: number;
}

/** Reads them. Throws or rejects with CONTEXT_INVALID, ENTITY_KEY_INVALID, DEADLINE_EXCEEDED or STORE_UNREACHABLE. */
export function readFeatures(joined: JoinedModel, request: FeatureRequest): ServedFeatures | Promise<ServedFeatures> {
  const { plan, read } = joined.reader;
  const { context, contexts, deadline, entities, nowMs, startMs } = request;
  const current = (vectors: FeatureVector[]) => ({ vectors, stale: false });
  const away = (thrown: unknown) => staleFeatures(thrown, joined, request);
  try {
    const vectors =
      contexts === undefined
        ? read(entities, bindContext(plan, context), nowMs)
        : readByContext(entities, contexts, (some, its) => read(some, bindContext(plan, its), nowMs));
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
  { context, contexts, entities, nowMs }: FeatureRequest,
): ServedFeatures {
  const maxStaleMs = model.manifest.staleIfErrorMs;
  const isAway = hasCode(thrown, "STORE_UNREACHABLE");
  if (!isAway || maxStaleMs === undefined) throw thrown;
  const held = (some: readonly EntityKeys[], its: RequestContext) => {
    const vectors = reader.readStale(some, bindContext(reader.plan, its), nowMs, maxStaleMs);
    if (vectors === undefined) throw thrown;
    return vectors;
  };
  const vectors = contexts === undefined ? held(entities, context) : readByContext(entities, contexts, held);
  // Memory answers at once.
  return { vectors: vectors as FeatureVector[], stale: true };
}
