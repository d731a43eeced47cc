/**
 * Which version of a model answers. Today every entity is answered by the stable version, the highest that loads. The
 * entity's keys are asked for because that is what decides once traffic is split: an entity must keep its version.
 */

import { excerpt, HeadgateError } from "../errors.ts";
import type { Models, ServedModel } from "./lifecycle.ts";
import type { LoadedModel } from "./loaded-model.ts";

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

/** The version that answers for the entity with these canonical keys. Throws MODEL_UNAVAILABLE when none is ready. */
export function resolve(model: ServedModel, _entityKeys: readonly string[]): LoadedModel {
  if (model.stable !== undefined) return model.stable;
  throw new HeadgateError(
    "MODEL_UNAVAILABLE",
    `Model "${model.name}" has no version that is ready; GET /models/${model.name} says why.`,
  );
}
