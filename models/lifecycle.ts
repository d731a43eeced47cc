/**
 * All models of a repository and which of their versions are loaded. One bad model takes nothing else down: the newest
 * version that loads serves, and what was wrong with a newer one is kept beside it and shown.
 */

import { reasonOf } from "../errors.ts";
import { type LoadedModel, type LoadOptions, loadModel, type ModelState, readManifest } from "./loaded-model.ts";

/** What a version is doing. */
export interface VersionStatus {
  readonly version: number;
  readonly state: ModelState;
  /** Why it is not READY. */
  readonly reason: string | undefined;
}

/** A model of the repository, whether it can serve or not. */
export interface ServedModel {
  readonly name: string;
  /** The version that answers; undefined when none loads. */
  readonly stable: LoadedModel | undefined;
  /** Newest first. */
  readonly versions: readonly VersionStatus[];
  /** Why there is no stable version. */
  readonly reason: string | undefined;
}

/** All models of a repository. */
export interface Models {
  get(name: string): ServedModel | undefined;
  /** Sorted by name. */
  list(): readonly ServedModel[];
  /** Closes every loaded version. */
  close(): Promise<void>;
}

/** Opens every model of the repository. Throws only when the repository itself can't be read. */
export async function openModels(options: LoadOptions): Promise<Models> {
  const served = new Map<string, ServedModel>();
  for (const name of await options.repository.models()) served.set(name, await openModel(options, name));
  return Object.freeze({
    get: (name: string) => served.get(name),
    list: () => [...served.values()],
    close: async () => {
      await Promise.all([...served.values()].map((model) => model.stable?.close()));
    },
  });
}

/** Serves the newest version that loads. What is wrong with newer ones, or with all of them, is kept. */
async function openModel(options: LoadOptions, name: string): Promise<ServedModel> {
  const versions: VersionStatus[] = [];
  let stable: LoadedModel | undefined;
  let reason: string | undefined;
  try {
    const manifest = await readManifest(options.repository, name);
    for (const version of await options.repository.versions(name)) {
      if (stable !== undefined) {
        versions.push(unavailable(version, `Not loaded: version ${stable.version} serves.`));
        continue;
      }
      try {
        stable = await loadModel({ ...options, name, version, manifest });
        versions.push(statusOf(stable));
      } catch (thrown) {
        versions.push(unavailable(version, reasonOf(thrown)));
      }
    }
    reason =
      versions[0]?.reason ?? `${manifest.file} has no version beside it; put the model into ${name}/1/model.onnx.`;
  } catch (thrown) {
    reason = reasonOf(thrown);
  }
  return Object.freeze({
    name,
    stable,
    versions: Object.freeze(versions),
    reason: stable === undefined ? reason : undefined,
  });
}

const unavailable = (version: number, reason: string): VersionStatus =>
  Object.freeze({ version, state: "UNAVAILABLE" as const, reason });

/** Live: a version that is closed later shows it. */
function statusOf(model: LoadedModel): VersionStatus {
  return Object.freeze({
    version: model.version,
    get state() {
      return model.state;
    },
    reason: undefined,
  });
}
