/**
 * What a model repository has: its models, the versions that are there, and their files. One listing is taken of a model
 * and believed only where it can be: it is not of one moment (a folder is walked, a bucket's list comes in pages), so a
 * version that it shows without a claim is asked about once more, since its claim may have come just before it.
 */

import { basename } from "node:path";
import { HeadgateError, hasCode, reasonOf } from "../errors.ts";
import type { ObjectVersion } from "../object-store.ts";
import {
  checkModelName,
  checkVersion,
  claimPath,
  fingerprintOf,
  isModelName,
  type ListedModel,
  listedModel,
  listedModels,
  MANIFEST_FILE,
  MODEL_FILE,
  TRAFFIC_FILE,
  versionFingerprint,
  versionPath,
  versionsThere,
} from "./repository-layout.ts";
import type { RepositoryStore } from "./repository-store.ts";

/** A file of the repository and where it was, for messages. */
export interface RepositoryFile<Content> {
  readonly file: string;
  readonly content: Content;
}

/** A model's traffic file; `etag` is for the condition of the next put. */
export interface TrafficFile extends RepositoryFile<string> {
  readonly etag: string;
}

/** The part of ModelRepository that changes nothing. */
export interface RepositoryReads {
  models(): Promise<readonly string[]>;
  versions(model: string): Promise<readonly number[]>;
  fingerprints(model: string): Promise<ReadonlyMap<number, string>>;
  snapshot(): Promise<ReadonlyMap<string, string>>;
  readManifest(model: string, version?: number): Promise<RepositoryFile<string>>;
  readModel(model: string, version: number): Promise<RepositoryFile<Uint8Array>>;
  readWeights(model: string, version: number, name: string): Promise<RepositoryFile<Uint8Array>>;
  readTraffic(model: string): Promise<TrafficFile | undefined>;
}

/** Largest manifest, bytes. A larger one is refused unread. */
export const MANIFEST_MAX_BYTES = 4 * 1024 * 1024;
/** Largest traffic file, bytes: some versions and a rule. */
export const TRAFFIC_MAX_BYTES = 64 * 1024;
/** Largest file of a model, bytes: an ONNX file is one protobuf message, which can't be larger. */
export const MODEL_MAX_BYTES = 2 ** 31 - 1;
/** How often a file that is replaced while it is read is begun again. */
const READS_MAX = 3;
/** The most names that a refusal lists. */
const NAMES_SHOWN = 5;
/** Versions that are known to be nobody's claim; beyond it all are asked about again. */
const UNCLAIMED_MAX = 100_000;

/** The reads of a repository. */
export function repositoryReads(store: RepositoryStore): RepositoryReads {
  const there = createVersionsThere(store);
  return {
    models: async () => {
      const models = [...listedModels(await store.list(""))];
      const held = models.filter(([name, listed]) => holdsModel(name, listed)).map(([name]) => name);
      return held.sort();
    },
    versions: async (model) => {
      const listed = await listModel(store, model);
      checkFolders(store, model, listed);
      return there(model, listed);
    },
    fingerprints: async (model) => {
      const listed = await listModel(store, model);
      if (!holdsModel(model, listed)) throw noModel(store, model);
      checkFolders(store, model, listed);
      const versions = await there(model, listed);
      return new Map(versions.map((version) => [version, versionFingerprint(listed, version)]));
    },
    snapshot: async () => {
      const models = [...listedModels(await store.listNow(""))].filter(([name, listed]) => holdsModel(name, listed));
      const texts = models.map(
        async ([name, listed]) => [name, fingerprintOf(listed, await there(name, listed))] as const,
      );
      return new Map(await Promise.all(texts));
    },
    readManifest: (model, version) => readManifest(store, model, version),
    readModel: async (model, version) => {
      checkVersion(model, version);
      const path = versionPath(model, version, MODEL_FILE);
      return readModelFile(store, path, "put the model there or remove the version's folder");
    },
    readWeights: async (model, version, name) => {
      checkVersion(model, version);
      const graph = store.locate(versionPath(model, version, MODEL_FILE));
      const next = `${graph} keeps weights in it, so put it there as the exporter wrote it, or export the model with its weights inside`;
      return readModelFile(store, versionPath(model, version, basename(name)), next);
    },
    readTraffic: (model) => readTraffic(store, model),
  };
}

/** Which of a model's versions are there, newest first; see this file's first words. */
type VersionsThere = (model: string, listed: ListedModel) => Promise<readonly number[]>;

function createVersionsThere(store: RepositoryStore): VersionsThere {
  const unclaimed = new Set<string>();
  const isClaimed = async (model: string, version: number, listed: ListedModel): Promise<boolean> => {
    // By the content of its folder: another one under the same number is another version.
    const etag = listed.versions.get(version)?.get(MODEL_FILE)?.version?.etag;
    const key = JSON.stringify([model, version, etag]);
    if (etag !== undefined && unclaimed.has(key)) return false;
    if (await isThere(store, claimPath(model, version))) return true;
    if (unclaimed.size >= UNCLAIMED_MAX) unclaimed.clear();
    unclaimed.add(key);
    return false;
  };
  return async (model, listed) => {
    const versions = versionsThere(listed);
    const asked = versions.filter((version) => !listed.claims.has(version));
    const late = await Promise.all(asked.map((version) => isClaimed(model, version, listed)));
    // It was being written, or deleted, while the list was taken.
    return versions.filter((version) => !late[asked.indexOf(version)]);
  };
}

/**
 * A folder that has a version but no manifest counts too: to leave it out would hide the mistake. So does one that can't
 * be looked into, unless its name says that it is none of ours, as "lost+found" does.
 */
function holdsModel(name: string, listed: ListedModel): boolean {
  if (listed.unreadable !== undefined) return isModelName(name);
  return listed.files.has(MANIFEST_FILE) || versionsThere(listed).length > 0;
}

/** Throws where there are folders but none that is a version, and in a bucket where there is nothing at all. */
function checkFolders(
  store: RepositoryStore,
  model: string,
  { claims, files, otherFolders, versions }: ListedModel,
): void {
  const isEmpty = versions.size === 0 && claims.size === 0;
  if (isEmpty && otherFolders.length > 0) {
    const found = otherFolders.slice(0, NAMES_SHOWN).join(", ");
    throw new HeadgateError(
      "MODEL_FILE_INVALID",
      `${store.locate(model)} has no version: versions are folders named 1, 2, …; found ${found}. Rename the folder of the model to 1.`,
    );
  }
  if (isEmpty && files.size === 0 && store.isRemote) throw noModel(store, model);
}

/** What listing needs of a store. */
type Listing = Pick<RepositoryStore, "address" | "list">;

/** What a listing says of one model. Throws MODEL_NOT_FOUND. */
export async function listModel(store: Listing, model: string): Promise<ListedModel> {
  checkModelName(model);
  try {
    return listedModel(await store.list(model));
  } catch (cause) {
    throw hasCode(cause, "SOURCE_NOT_FOUND") ? await absent(store, noModel(store, model)) : cause;
  }
}

/** The same, or undefined where there is no such model. Throws MODEL_NOT_FOUND for what can't be a name. */
export async function listModelOrNone(store: Listing, model: string): Promise<ListedModel | undefined> {
  checkModelName(model);
  try {
    return await listModel(store, model);
  } catch (cause) {
    if (hasCode(cause, "MODEL_NOT_FOUND")) return undefined;
    throw cause;
  }
}

/** The refusal of what is not there; nothing is said of what was below a root that has vanished. */
async function absent(store: Listing, refusal: HeadgateError): Promise<unknown> {
  try {
    await store.list("");
    return refusal;
  } catch (cause) {
    return hasCode(cause, "SOURCE_NOT_FOUND") ? refusal : cause;
  }
}

function noModel(store: Listing, model: string): HeadgateError {
  return new HeadgateError("MODEL_NOT_FOUND", `There is no model "${model}" in ${store.address}.`);
}

/** A version's own manifest; without one the model's, but for a version that somebody claimed and that is not whole. */
async function readManifest(store: RepositoryStore, model: string, version?: number): Promise<RepositoryFile<string>> {
  checkModelName(model);
  if (version !== undefined) {
    checkVersion(model, version);
    const own = await readBounded(store, versionPath(model, version, MANIFEST_FILE), MANIFEST_MAX_BYTES, noManifest);
    if (own !== undefined) return textOf(own);
    if (await isThere(store, claimPath(model, version))) {
      throw new HeadgateError(
        "VERSION_NOT_FOUND",
        `There is no version ${version} of "${model}": its deploy is not finished, or it was deleted.`,
      );
    }
  }
  const path = `${model}/${MANIFEST_FILE}`;
  const found = await readBounded(store, path, MANIFEST_MAX_BYTES, noManifest);
  if (found === undefined) throw await absent(store, noManifest(store.locate(path), "does not exist"));
  return textOf(found);
}

const noManifest: Refuse = (file, reason) =>
  new HeadgateError("MANIFEST_INVALID", `${file} ${reason}; every model needs its manifest there.`);

const textOf = ({ file, content }: RepositoryFile<Uint8Array>): RepositoryFile<string> =>
  Object.freeze({ file, content: Buffer.from(content.buffer, content.byteOffset, content.length).toString("utf8") });

async function readModelFile(store: RepositoryStore, path: string, next: string): Promise<RepositoryFile<Uint8Array>> {
  const refuse: Refuse = (file, reason) => new HeadgateError("MODEL_FILE_INVALID", `${file} ${reason}; ${next}.`);
  const found = await readBounded(store, path, MODEL_MAX_BYTES, refuse);
  if (found === undefined) throw await absent(store, refuse(store.locate(path), "does not exist"));
  return Object.freeze({ file: found.file, content: found.content });
}

async function readTraffic(store: RepositoryStore, model: string): Promise<TrafficFile | undefined> {
  checkModelName(model);
  const refuse: Refuse = (file, reason) =>
    new HeadgateError("TRAFFIC_INVALID", `${file} ${reason}; put another file in its place.`);
  const found = await readBounded(store, `${model}/${TRAFFIC_FILE}`, TRAFFIC_MAX_BYTES, refuse);
  if (found !== undefined) return Object.freeze({ ...textOf(found), etag: found.etag });
  // Asked of the model's folder, since many models have none: a root that has vanished must not make the newest serve.
  await listModelOrNone(store, model);
  return undefined;
}

type Refuse = (file: string, reason: string) => HeadgateError;

/** A whole file of one version; undefined where there is none. */
async function readBounded(
  store: RepositoryStore,
  path: string,
  maxBytes: number,
  refuse: Refuse,
): Promise<(RepositoryFile<Uint8Array> & { readonly etag: string }) | undefined> {
  const file = store.locate(path);
  for (let tried = 1; ; tried++) {
    let version: ObjectVersion;
    try {
      version = await store.stat(path);
      if (version.bytes > maxBytes) {
        throw refuse(file, `has ${version.bytes} bytes, more than the ${maxBytes} that can be read`);
      }
      return { file, content: await store.read(path, version), etag: version.etag };
    } catch (cause) {
      if (hasCode(cause, "SOURCE_NOT_FOUND")) return undefined;
      if (hasCode(cause, "SOURCE_CHANGED") && tried < READS_MAX) continue;
      // In a folder rights are one file's; in a bucket they are everybody's, and no fault of the model.
      throw hasCode(cause, "SOURCE_DENIED") && !store.isRemote
        ? refuse(file, `can't be read (${reasonOf(cause.cause)})`)
        : cause;
    }
  }
}

async function isThere(store: RepositoryStore, path: string): Promise<boolean> {
  try {
    await store.stat(path);
    return true;
  } catch (cause) {
    if (hasCode(cause, "SOURCE_NOT_FOUND")) return false;
    throw cause;
  }
}
