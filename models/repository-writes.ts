/**
 * What changes a model repository: a version is claimed, its files are put, its manifest last; deleting goes the other
 * way. Every step leaves what readers see either as it was or whole, so whoever dies in between leaves nothing to mend:
 * only a number that is never used, and files that deleting that version takes away.
 */

import { randomUUID } from "node:crypto";
import { HeadgateError, hasCode, reasonOf } from "../errors.ts";
import {
  checkModelName,
  checkVersion,
  claimPath,
  type ListedModel,
  MANIFEST_FILE,
  MODEL_FILE,
  TRAFFIC_FILE,
  versionPath,
} from "./repository-layout.ts";
import {
  listModel,
  listModelOrNone,
  MANIFEST_MAX_BYTES,
  MODEL_MAX_BYTES,
  TRAFFIC_MAX_BYTES,
} from "./repository-reads.ts";
import type { RepositoryStore } from "./repository-store.ts";

/** A version to be added: the model's file, named model.onnx, its files of weights, and its manifest. */
export interface VersionUpload {
  readonly files: readonly { readonly name: string; readonly bytes: Uint8Array }[];
  readonly manifest: string;
  /** Done when all files are there, just before the version can be seen; where it fails, the version is not added. */
  readonly beforeSeen?: () => Promise<void>;
}

/** The part of ModelRepository that changes it. */
export interface RepositoryWrites {
  nextVersion(model: string): Promise<number>;
  addVersion(model: string, version: number, upload: VersionUpload): Promise<void>;
  putTraffic(model: string, content: string, ifEtag: string | undefined): Promise<string>;
  deleteVersion(model: string, version: number): Promise<void>;
  deleteModel(model: string, last: number | undefined): Promise<void>;
}

/** A name of one file: no path, no control character, and not one that a folder hides. */
const FILE_NAME = /^[^./\\\p{Cc}][^/\\\p{Cc}]{0,199}$/u;

/** The writes of a repository. */
export function repositoryWrites(store: RepositoryStore): RepositoryWrites {
  return {
    nextVersion: (model) => nextVersion(store, model),
    addVersion: (model, version, upload) => addVersion(store, model, version, upload),
    putTraffic: (model, content, ifEtag) => putTraffic(store, model, content, ifEtag),
    deleteVersion: (model, version) => deleteVersion(store, model, version),
    deleteModel: (model, last) => deleteModel(store, model, last),
  };
}

async function nextVersion(store: RepositoryStore, model: string): Promise<number> {
  const listed = await listModelOrNone(listedNow(store), model);
  const taken = [...(listed?.versions.keys() ?? []), ...(listed?.claims ?? [])];
  return taken.reduce((most, version) => Math.max(most, version), 0) + 1;
}

/** Never from a copy, whose numbers may be taken by now. */
function listedNow({ address, listNow }: RepositoryStore): Pick<RepositoryStore, "address" | "list"> {
  return { address, list: listNow };
}

async function addVersion(
  store: RepositoryStore,
  model: string,
  version: number,
  upload: VersionUpload,
): Promise<void> {
  checkVersion(model, version);
  checkUpload(upload);
  const listed = await listModelOrNone(listedNow(store), model);
  // A claim would hide what somebody has put there by hand.
  if (listed?.versions.has(version) || listed?.claims.has(version)) throw taken(store, model, version);
  await claim(store, model, version);
  if (listed !== undefined) await removeLeftovers(store, model, listed).catch(() => {});
  try {
    for (const { name, bytes } of upload.files) await store.put(versionPath(model, version, name), bytes);
    await upload.beforeSeen?.();
    await store.put(versionPath(model, version, MANIFEST_FILE), Buffer.from(upload.manifest));
  } catch (cause) {
    const names = upload.files.map(({ name }) => name);
    await removeFiles(store, model, version, names).catch(() => {});
    throw cause;
  }
}

function checkUpload({ files, manifest }: VersionUpload): void {
  const names = new Set<string>();
  for (const { name, bytes } of files) {
    const shown = JSON.stringify(name.slice(0, 80));
    if (!FILE_NAME.test(name) || name === MANIFEST_FILE) {
      throw invalid(`${shown} can't be a file of a version; name the graph ${MODEL_FILE} and weights as it does`);
    }
    if (names.has(name)) throw invalid(`${shown} is there twice`);
    if (bytes.length > MODEL_MAX_BYTES) {
      throw invalid(`${shown} has ${bytes.length} bytes, more than the ${MODEL_MAX_BYTES} that can be read`);
    }
    names.add(name);
  }
  if (!names.has(MODEL_FILE)) throw invalid(`A version needs a file ${MODEL_FILE}`);
  const bytes = Buffer.byteLength(manifest);
  if (bytes <= MANIFEST_MAX_BYTES) return;
  throw new HeadgateError(
    "MANIFEST_INVALID",
    `The manifest has ${bytes} bytes, more than the ${MANIFEST_MAX_BYTES} that can be read; take examples out.`,
  );
}

const invalid = (sentence: string) => new HeadgateError("MODEL_FILE_INVALID", `${sentence}.`);

/**
 * Of those who claim the same number one does. There are servers of S3 that take a condition and don't heed it, with
 * which two would have one number: so the claim is put once more, which must fail.
 */
async function claim(store: RepositoryStore, model: string, version: number): Promise<void> {
  const path = claimPath(model, version);
  // An id, so that whoever looks at two claims can tell them apart.
  const content = Buffer.from(`${JSON.stringify({ version, deploy: randomUUID() })}\n`);
  if (!(await putIfAbsent(store, path, content))) throw taken(store, model, version);
  if (!(await putIfAbsent(store, path, content))) return;
  throw new HeadgateError(
    "SOURCE_UNSUPPORTED",
    `${store.address}: this S3 does not heed If-None-Match, so that two deploys could have the same version. Take a newer one, or deploy into a folder.`,
  );
}

/** False where there is such a file. */
async function putIfAbsent(store: RepositoryStore, path: string, content: Uint8Array): Promise<boolean> {
  try {
    await store.put(path, content, { ifAbsent: true });
    return true;
  } catch (cause) {
    if (hasCode(cause, "CONTROL_CONFLICT")) return false;
    throw cause;
  }
}

function taken(store: RepositoryStore, model: string, version: number): HeadgateError {
  return new HeadgateError(
    "DEPLOY_CONFLICT",
    `Version ${version} of "${model}" is taken in ${store.address}: another deploy came first. Try again; it takes the next number.`,
  );
}

/** The manifest first: then nobody sees the version any more. */
async function removeFiles(
  store: RepositoryStore,
  model: string,
  version: number,
  names: readonly string[],
): Promise<void> {
  for (const name of [MANIFEST_FILE, MODEL_FILE]) await store.delete(versionPath(model, version, name));
  for (const name of names) {
    if (name !== MANIFEST_FILE && name !== MODEL_FILE) await store.delete(versionPath(model, version, name));
  }
}

/** What deploys that were killed left on disk in folders whose versions are not whole. */
async function removeLeftovers(store: RepositoryStore, model: string, listed: ListedModel): Promise<void> {
  for (const [version, files] of listed.versions) {
    if (files.has(MANIFEST_FILE) || !listed.claims.has(version)) continue;
    await store.removeLeftovers(versionPath(model, version, ""));
  }
}

async function deleteVersion(store: RepositoryStore, model: string, version: number): Promise<void> {
  checkVersion(model, version);
  const listed = await listModel(listedNow(store), model);
  if (isAbsent(listed, version)) {
    // Names that no listing shows may be left.
    if (listed.versions.has(version)) await removeFolder(store, model, version);
    const what = listed.claims.has(version) ? "it was deleted, or its deploy put no file" : "nobody deployed it";
    throw new HeadgateError("VERSION_NOT_FOUND", `There is no version ${version} of "${model}": ${what}.`);
  }
  await removeListed(store, model, version, listed);
}

async function deleteModel(store: RepositoryStore, model: string, last: number | undefined): Promise<void> {
  const listed = await listModel(listedNow(store), model);
  const versions = [...listed.versions.keys()].sort((a, b) => Number(a === last) - Number(b === last) || a - b);
  const there = versions.filter((version) => !isAbsent(listed, version));
  const own = [TRAFFIC_FILE, MANIFEST_FILE].filter((name) => listed.files.has(name));
  if (there.length + own.length === 0) {
    throw new HeadgateError("MODEL_NOT_FOUND", `There is no model "${model}" in ${store.address}: it was deleted.`);
  }
  for (const version of there) await removeListed(store, model, version, listed);
  for (const name of own) await store.delete(`${model}/${name}`);
}

/** A folder on disk can be empty: of a deploy that is under way, or was broken off. */
function isAbsent({ claims, versions }: ListedModel, version: number): boolean {
  const files = versions.get(version);
  return files === undefined || (files.size === 0 && claims.has(version));
}

async function removeListed(
  store: RepositoryStore,
  model: string,
  version: number,
  { claims, versions }: ListedModel,
): Promise<void> {
  // One that was placed by hand has no claim yet, and is gone for readers with it.
  if (!claims.has(version)) {
    await claim(store, model, version).catch((cause: unknown) => {
      if (!hasCode(cause, "DEPLOY_CONFLICT")) throw cause;
    });
  }
  await removeFiles(store, model, version, [...versions.get(version)!.keys()]);
  await removeFolder(store, model, version);
}

/** With what killed puts left in it. What else is in it, such as a deploy that is under way, stays. */
async function removeFolder(store: RepositoryStore, model: string, version: number): Promise<void> {
  const folder = versionPath(model, version, "");
  await store.removeLeftovers(folder);
  await store.removeFolder(folder);
}

async function putTraffic(
  store: RepositoryStore,
  model: string,
  content: string,
  ifEtag: string | undefined,
): Promise<string> {
  checkModelName(model);
  const bytes = Buffer.from(content);
  const path = `${model}/${TRAFFIC_FILE}`;
  if (bytes.length > TRAFFIC_MAX_BYTES) {
    const sizes = `has ${bytes.length} bytes, more than the ${TRAFFIC_MAX_BYTES} that can be read`;
    throw new HeadgateError("TRAFFIC_INVALID", `${store.locate(path)} ${sizes}.`);
  }
  try {
    return await store.put(path, bytes, ifEtag === undefined ? { ifAbsent: true } : { ifMatch: ifEtag });
  } catch (cause) {
    if (!hasCode(cause, "CONTROL_CONFLICT")) throw cause;
    const what = `The traffic of "${model}" was changed by somebody else: ${reasonOf(cause)}`;
    throw new HeadgateError("DEPLOY_CONFLICT", what, cause);
  }
}
