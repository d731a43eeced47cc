/**
 * Shadows: versions that are run over what was just answered, off the answer's path, to see what they would have said.
 * They begin after the answer has been handed over, take the same feature vectors where they read the same features, and
 * what they may hold back is bounded: entities beyond it are not shadowed and counted.
 */

import { channel } from "node:diagnostics_channel";
import { hasCode } from "../errors.ts";
import type { FeatureVector } from "../features/feature-vector.ts";
import type { EntityKeys } from "../features/reader.ts";
import { bindContext } from "../features/request-context.ts";
import type { ServedModel } from "../models/lifecycle.ts";
import type { LoadedModel } from "../models/loaded-model.ts";
import type { RunResult } from "../models/tensor.ts";
import { type EntityContexts, type RequestContext, readByContext } from "./entity-contexts.ts";
import type { JoinedModel } from "./joined-model.ts";
import type { FedEntity } from "./missing-features.ts";

/** Entities that may wait for one shadow: some 10 MB at a hundred features each. More would only be shadowed later. */
const MAX_PENDING_ENTITIES = 4_096;

/** How long a request may wait for its shadow, ms: a swap or a shutdown waits for those that do. */
const SHADOW_BUDGET_MS = 2_000;

/** Entities that a version answered. */
export interface AnsweredPart {
  readonly joined: JoinedModel;
  readonly entities: readonly EntityKeys[];
  /** The request features of each, where they are not the same for all. */
  readonly contexts: EntityContexts | undefined;
  readonly vectors: readonly FeatureVector[];
  readonly fed: readonly FedEntity[];
  readonly outputs: RunResult["outputs"];
  readonly firstRow: number;
}

/** A request that was answered. */
export interface AnsweredRequest {
  readonly parts: readonly AnsweredPart[];
  readonly context: Readonly<Record<string, unknown>> | undefined;
  /** Epoch ms that the features were read at. */
  readonly nowMs: number;
}

/** Runs a model's shadows over an answered request; returns at once. */
export type FollowShadows = (served: ServedModel, request: AnsweredRequest) => void;

/** What shadows need. */
export interface ShadowOptions {
  readonly join: (model: LoadedModel) => JoinedModel;
  /** Monotonic ms. */
  readonly clock: () => number;
  readonly maxPendingEntities?: number;
}

/** Published for entities that were not shadowed: too many waited, or their features could not be had. */
export interface ShadowDroppedEvent {
  readonly model: string;
  readonly version: number;
  readonly entities: number;
}

const dropped = channel("headgate:shadow-dropped");

/** Makes the following of shadows. */
export function createShadows(options: ShadowOptions): FollowShadows {
  const { join, maxPendingEntities = MAX_PENDING_ENTITIES } = options;
  /** Entities that wait, by the version that shadows: a slow one takes no room from others. */
  const pending = new Map<LoadedModel, number>();
  const drop = ({ name, version }: LoadedModel, entities: number) =>
    dropped.publish({ model: name, version, entities } satisfies ShadowDroppedEvent);

  const follow = async (shadow: LoadedModel, part: AnsweredPart, request: AnsweredRequest): Promise<void> => {
    const entities = part.entities.length;
    try {
      if (!(await runShadow(join(shadow), part, request, options.clock))) drop(shadow, entities);
    } finally {
      shadow.leave();
      const left = pending.get(shadow)! - entities;
      if (left > 0) pending.set(shadow, left);
      else pending.delete(shadow);
    }
  };

  return ({ shadows }, request) => {
    for (const shadow of shadows) {
      for (const part of request.parts) {
        const entities = part.entities.length;
        const waiting = pending.get(shadow) ?? 0;
        if (waiting > 0 && waiting + entities > maxPendingEntities) {
          drop(shadow, entities);
          continue;
        }
        pending.set(shadow, waiting + entities);
        shadow.enter();
        // After this turn's answers have been written to their sockets.
        setImmediate(() => void follow(shadow, part, request));
      }
    }
  };
}

/**
 * Runs a shadow over a part; false when it had too much to do. What goes wrong in the model is its statistics' and nobody
 * else's, and what goes wrong in the store is not the version's: it never rejects.
 */
async function runShadow(
  joined: JoinedModel,
  part: AnsweredPart,
  request: AnsweredRequest,
  clock: () => number,
): Promise<boolean> {
  const { statistics } = joined;
  const vectors = await shadowVectors(joined, part, request).catch(() => undefined);
  if (vectors === undefined) return false;
  try {
    const fed = vectors.map(joined.feedEntity);
    const rows = fed.flatMap(({ row }) => (row === undefined ? [] : [row]));
    const startMs = clock();
    const { result, offset } = rows.length === 0 ? NOTHING_RAN : await joined.model.predict(rows, SHADOW_BUDGET_MS);
    statistics.answered(result.outputs, offset, rows.length, fed.length - rows.length, clock() - startMs);
    pairScores(joined, fed, result.outputs, offset, part);
  } catch (thrown) {
    if (hasCode(thrown, "OVERLOADED")) return false;
    statistics.failed(thrown);
  }
  return true;
}

/** What was read for the answer, where the shadow reads the same; else its own. */
async function shadowVectors(
  { model, reader }: JoinedModel,
  { contexts, entities, joined, vectors }: AnsweredPart,
  { context, nowMs }: AnsweredRequest,
): Promise<readonly FeatureVector[]> {
  const [mine, its] = [model.manifest, joined.model.manifest];
  if (mine.service === its.service && mine.maxAgeMs === its.maxAgeMs) return vectors;
  const read = (some: readonly EntityKeys[], its: RequestContext) =>
    reader.read(some, bindContext(reader.plan, its), nowMs);
  return contexts === undefined ? read(entities, context) : readByContext(entities, contexts, read);
}

const NOTHING_RAN = Object.freeze({ result: { outputs: [] }, offset: 0 });

/** Lays the shadow's scores beside those that were answered, for the entities that neither version rejected. */
function pairScores(
  shadow: JoinedModel,
  fed: readonly FedEntity[],
  outputs: RunResult["outputs"],
  firstRow: number,
  answered: AnsweredPart,
): void {
  let [row, answeredRow] = [firstRow, answered.firstRow];
  for (let e = 0; e < fed.length; e++) {
    const [isFed, wasFed] = [fed[e]!.row !== undefined, answered.fed[e]!.row !== undefined];
    if (isFed && wasFed) {
      const mine = shadow.statistics.scoreOf(outputs, row);
      shadow.statistics.paired(mine - answered.joined.statistics.scoreOf(answered.outputs, answeredRow));
    }
    if (isFed) row++;
    if (wasFed) answeredRow++;
  }
}
