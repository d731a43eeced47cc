/**
 * Shadows: versions that are run over what was just answered, off the answer's path, to see what they would have said.
 * They begin after the answer has been handed over, take the same feature vectors where they read the same features, and
 * what they may hold back is bounded: entities beyond it are not shadowed and counted.
 */

import { channel } from "node:diagnostics_channel";
import type { FeatureVector } from "../features/feature-vector.ts";
import type { EntityKeys } from "../features/reader.ts";
import { bindContext } from "../features/request-context.ts";
import type { ServedModel } from "../models/lifecycle.ts";
import type { LoadedModel } from "../models/loaded-model.ts";
import type { RunResult } from "../models/tensor.ts";
import type { JoinedModel } from "./joined-model.ts";
import type { FedEntity } from "./missing-features.ts";

/** Entities that may wait for shadows, of all models: some 10 MB at a hundred features each. */
const MAX_PENDING_ENTITIES = 4_096;

/** Entities that a version answered. */
export interface AnsweredPart {
  readonly joined: JoinedModel;
  readonly entities: readonly EntityKeys[];
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

/** Published for entities that were not shadowed because too many waited. */
export interface ShadowDroppedEvent {
  readonly model: string;
  readonly version: number;
  readonly entities: number;
}

const dropped = channel("headgate:shadow-dropped");

/** Makes the following of shadows. */
export function createShadows(options: ShadowOptions): FollowShadows {
  const { join, maxPendingEntities = MAX_PENDING_ENTITIES } = options;
  let pendingEntities = 0;
  const follow = async (shadow: LoadedModel, part: AnsweredPart, request: AnsweredRequest): Promise<void> => {
    try {
      await runShadow(join(shadow), part, request, options.clock);
    } finally {
      shadow.leave();
      pendingEntities -= part.entities.length;
    }
  };
  return ({ name, shadows }, request) => {
    for (const shadow of shadows) {
      for (const part of request.parts) {
        const entities = part.entities.length;
        if (pendingEntities > 0 && pendingEntities + entities > maxPendingEntities) {
          dropped.publish({ model: name, version: shadow.version, entities } satisfies ShadowDroppedEvent);
          continue;
        }
        pendingEntities += entities;
        shadow.enter();
        // After this turn's answers have been written to their sockets.
        setImmediate(() => void follow(shadow, part, request));
      }
    }
  };
}

/** A shadow's failures are its statistics' and nobody else's: it never rejects. */
async function runShadow(
  joined: JoinedModel,
  part: AnsweredPart,
  request: AnsweredRequest,
  clock: () => number,
): Promise<void> {
  const { statistics } = joined;
  try {
    const vectors = readsAlike(joined, part.joined)
      ? part.vectors
      : await joined.reader.read(part.entities, bindContext(joined.reader.plan, request.context), request.nowMs);
    const fed = vectors.map(joined.feedEntity);
    const rows = fed.flatMap(({ row }) => (row === undefined ? [] : [row]));
    const startMs = clock();
    const { result, offset } = rows.length === 0 ? NOTHING_RAN : await joined.model.predict(rows);
    statistics.answered(result.outputs, offset, rows.length, fed.length - rows.length, clock() - startMs);
    pairScores(joined, fed, result.outputs, offset, part);
  } catch {
    statistics.failed();
  }
}

const NOTHING_RAN = Object.freeze({ result: { outputs: [] }, offset: 0 });

function readsAlike(a: JoinedModel, b: JoinedModel): boolean {
  const [mine, its] = [a.model.manifest, b.model.manifest];
  return mine.service === its.service && mine.maxAgeMs === its.maxAgeMs;
}

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
