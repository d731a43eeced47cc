/**
 * A model by its name and a version by what is asked: the stable one, or the one that a tester wants. The canary's share is
 * traffic.ts's.
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
    `There is no model ${JSON.stringify(excerpt(name))}; there is ${names.join(", ") || "none; deploy one with headgate models deploy"}.`,
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
