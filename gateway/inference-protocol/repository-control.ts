/**
 * Triton's model repository extension (extension_model_repository.md) on a repository that decides for itself: which
 * versions are loaded is in its files and its traffic, for all gateways alike, and each of them looks often. So `load`
 * has this gateway look now and says what has become of the model, and `unload` is refused, as Triton refuses it where it
 * polls: what it closed here would be open again at the next look, and open in every other gateway all along.
 */

import { HeadgateError } from "../../errors.ts";
import type { JsonValue } from "../../features/json-value.ts";
import { findModel } from "../../models/alias.ts";
import type { Models } from "../../models/lifecycle.ts";
import { refused } from "./datatype.ts";

type JsonObject = Readonly<Record<string, unknown>>;

/** Every version of every model and its state; `ready: true` asks for those that are. Throws REQUEST_INVALID. */
export function repositoryIndex(models: Models, { ready = false }: JsonObject): JsonValue {
  if (typeof ready !== "boolean") throw refused(`"ready" must be true or false.`);
  const entries = models.list().flatMap(({ name, reason = "", versions }) =>
    versions.length === 0
      ? [{ name, state: "UNAVAILABLE", reason }]
      : versions.map((one) => ({
          name,
          version: String(one.version),
          state: one.state as string,
          reason: one.reason ?? "",
        })),
  );
  return ready ? entries.filter(({ state }) => state === "READY") : entries;
}

/**
 * Looks into the repository now. Rejects with REQUEST_INVALID for parameters that bring a model along, MODEL_NOT_FOUND,
 * MODEL_UNAVAILABLE with the reason why its newest version does not load, whether an older one serves or not, and REPOSITORY_UNREACHABLE.
 */
export async function loadModelNow(models: Models, name: string, { parameters }: JsonObject): Promise<JsonValue> {
  const given = typeof parameters === "object" && parameters !== null ? Object.keys(parameters) : [];
  if (given.some((key) => key === "config" || key.startsWith("file:"))) {
    throw refused(`A load can't bring a config or files along; deploy them with "headgate models deploy ${name}".`);
  }
  // Of a name that nobody knows nothing is kept, so all models are looked at then.
  await models.refresh(models.get(name) === undefined ? undefined : name);
  const { reason, stable, versions } = findModel(models, name);
  // What nobody has asked to be loaded has not failed.
  const newest = versions.find(({ state }) => state !== "UNKNOWN");
  const problem = reason ?? newest?.reason;
  if (stable !== undefined && problem === undefined) return { name, load: true };
  const still = stable === undefined ? "" : ` Version ${stable.version} serves still.`;
  const sentence = `Model "${name}" does not load: ${problem ?? "it has no version."}${still}`;
  throw new HeadgateError("MODEL_UNAVAILABLE", sentence);
}

/** Refuses. Throws MODEL_NOT_FOUND or VERSION_IN_USE saying what to do instead. */
export function unloadModel(models: Models, name: string): never {
  findModel(models, name);
  throw new HeadgateError(
    "VERSION_IN_USE",
    `Model "${name}" stays loaded: the model repository says what is, for all gateways. Take a version out with "headgate models retire ${name} <version>", or all of them with "--all".`,
  );
}
