/**
 * Which version of a model answers: the stable one, the canary for the entities in its share, or the one that a tester
 * asks for. An entity's share is decided by its key alone, so that it keeps its version from request to request and
 * from gateway to gateway.
 */

import { excerpt, HeadgateError } from "../errors.ts";
import type { Models, ServedModel } from "./lifecycle.ts";
import type { LoadedModel } from "./loaded-model.ts";
import { BUCKETS, bucketOf } from "./traffic.ts";

/** The model by name. Throws MODEL_NOT_FOUND naming the models there are. */
export function findModel(models: Models, name: string): ServedModel {
  const model = models.get(name);
  if (model !== undefined) return model;
  const names = models.list().map((known) => `"${known.name}"`);
  throw new HeadgateError(
    "MODEL_NOT_FOUND",
    `There is no model ${JSON.stringify(excerpt(name))}; there is ${names.join(", ")}.`,
  );
}

/** The version that answers unless something else is said. Throws MODEL_UNAVAILABLE when it is not ready. */
export function stableVersion(model: ServedModel): LoadedModel {
  if (model.stable !== undefined) return model.stable;
  throw new HeadgateError(
    "MODEL_UNAVAILABLE",
    `Model "${model.name}" has no version that is ready; GET /models/${model.name} says why.`,
  );
}

/** The version that a tester asks for by number. Throws VERSION_NOT_FOUND naming those that are ready. */
export function askedVersion(model: ServedModel, version: string): LoadedModel {
  const asked = /^[1-9]\d{0,8}$/.test(version) ? model.ready.get(Number(version)) : undefined;
  if (asked !== undefined) return asked;
  const ready = [...model.ready.keys()].sort((a, b) => b - a);
  throw new HeadgateError(
    "VERSION_NOT_FOUND",
    `Version ${JSON.stringify(excerpt(version))} of model "${model.name}" is not ready; ready are ${ready.join(", ") || "none"}.`,
  );
}

/** Whether the canary's share holds the entity with this canonical key, or the request with this id where there is none. */
export function isInShare(model: string, key: string, percent: number): boolean {
  return bucketOf(model, key) < percent * (BUCKETS / 100);
}
