/**
 * The model repository: which models and versions there are, their files, and how a version is added and deleted, in a
 * folder or a bucket alike. It judges nothing but names and what is whole: what a file holds is for those that parse it.
 * Everything above sees only the interface; what lies where is repository-layout.ts's.
 */

import { resolve } from "node:path";
import { HeadgateError, hasCode } from "../errors.ts";
import { openObjectStore, type S3Limits } from "../object-store.ts";
import { copiedStore } from "./repository-copy.ts";
import { type RepositoryFile, type RepositoryReads, repositoryReads, type TrafficFile } from "./repository-reads.ts";
import { openRepositoryStore, type RepositoryStore } from "./repository-store.ts";
import { type RepositoryWrites, repositoryWrites, type VersionUpload } from "./repository-writes.ts";

export { sha256Of } from "./file-sums.ts";
export { checkModelName } from "./repository-layout.ts";
export type { RepositoryFile, TrafficFile, VersionUpload };

/**
 * Where models come from. Everything throws REPOSITORY_UNREACHABLE, also where the folder of all models has vanished, and
 * SOURCE_DENIED in a bucket.
 */
export interface ModelRepository extends RepositoryReads, RepositoryWrites {
  /** The folder or bucket, for messages. */
  readonly address: string;
  /** Names of the models, sorted: every folder that holds a manifest or a version, or does not show what it holds. */
  models(): Promise<readonly string[]>;
  /**
   * The versions of a model that are there, newest first: the deployed ones that are whole, and all that were placed by
   * hand; one of these whose file is missing is listed, and refused when read. Throws MODEL_NOT_FOUND, and
   * MODEL_FILE_INVALID when there are folders but none of them is a version.
   */
  versions(model: string): Promise<readonly number[]>;
  /**
   * The same versions, each with a text that is another when its files or its manifest are. Throws as versions does, and
   * MODEL_NOT_FOUND for what is none of `models`.
   */
  fingerprints(model: string): Promise<ReadonlyMap<number, string>>;
  /**
   * By model a text that changes whenever anything of it does that a reader sees; one list call. Never from a copy, so
   * it tells whether the repository answers.
   */
  snapshot(): Promise<ReadonlyMap<string, string>>;
  /**
   * The text of a version's own manifest, or of the model's where it has none; without a version the model's. Throws
   * MODEL_NOT_FOUND, MANIFEST_INVALID, and VERSION_NOT_FOUND for a version that is not whole or was deleted.
   */
  readManifest(model: string, version?: number): Promise<RepositoryFile<string>>;
  /** The model's bytes. Throws MODEL_NOT_FOUND, VERSION_NOT_FOUND or MODEL_FILE_INVALID. */
  readModel(model: string, version: number): Promise<RepositoryFile<Uint8Array>>;
  /** A file of weights beside the model's, by its name alone. Throws as readModel does. */
  readWeights(model: string, version: number, name: string): Promise<RepositoryFile<Uint8Array>>;
  /** How the model's requests are split; undefined where nothing says. Throws MODEL_NOT_FOUND or TRAFFIC_INVALID. */
  readTraffic(model: string): Promise<TrafficFile | undefined>;
  /** One more than the highest number that is there, was claimed or was deleted; 1 for a new model. */
  nextVersion(model: string): Promise<number>;
  /**
   * Adds a version that readers see whole or not at all, whenever this stops. Throws DEPLOY_CONFLICT where the number is
   * taken, MODEL_FILE_INVALID for a file that can't be one of a version, and what the repository fails with; then it has
   * removed what it could, and the number stays taken.
   */
  addVersion(model: string, version: number, upload: VersionUpload): Promise<void>;
  /**
   * Writes the traffic file over the version `ifEtag`, or, undefined, where there is none, and returns its ETag. Throws
   * DEPLOY_CONFLICT when somebody else has written it.
   */
  putTraffic(model: string, content: string, ifEtag: string | undefined): Promise<string>;
  /** Deletes a version, whose number is never used again. Throws MODEL_NOT_FOUND or VERSION_NOT_FOUND. */
  deleteVersion(model: string, version: number): Promise<void>;
  /**
   * Deletes all versions, the one given last, and then the model's manifest and traffic; numbers are never used again.
   * Throws MODEL_NOT_FOUND where there is nothing to delete.
   */
  deleteModel(model: string, last: number | undefined): Promise<void>;
  /** Ends what is under way. */
  close(): Promise<void>;
}

/** How a repository is reached. */
export interface RepositoryOptions {
  /** Where a relative folder starts. */
  readonly directory?: string;
  /** Whether a folder that is not there, or holds no model, is taken as an empty repository. Refused unless so. */
  readonly mayBeEmpty?: boolean;
  /** An absolute folder for a local copy of what is read from a bucket; undefined: there is none. */
  readonly cacheDirectory?: string;
  readonly s3?: S3Limits;
}

/**
 * Bounds of what is asked of S3, tighter than a load's: a gateway that starts while S3 is away must not wait minutes
 * before it takes its copy. So it waits some 30 s for one that swallows everything, and a second for one that refuses.
 */
const S3_LIMITS: S3Limits = Object.freeze({ attempts: 3, backoffMs: 200, backoffMaxMs: 1_000, stallMs: 10_000 });

/**
 * Opens a folder of models or `s3://bucket/prefix`. Throws CONFIG_INVALID when there is no such place or no model in it,
 * and SOURCE_DENIED or REPOSITORY_UNREACHABLE when it can't be told.
 */
export async function openModelRepository(address: string, options: RepositoryOptions = {}): Promise<ModelRepository> {
  const { directory = ".", mayBeEmpty = false, cacheDirectory } = options;
  const place = /^s3:\/\//i.test(address) ? address : resolve(directory, address);
  const objects = openObjectStore({ directory: resolve(directory), s3: { ...S3_LIMITS, ...options.s3 } });
  const source = openRepositoryStore(objects, place);
  const isCopied = source.isRemote && cacheDirectory !== undefined;
  const store = isCopied ? await copiedStore(source, cacheDirectory) : source;
  try {
    await requireModels(store, mayBeEmpty);
  } catch (cause) {
    await store.close();
    throw cause;
  }
  return createModelRepository(store);
}

/** The repository of files that are open already; whether there is any model is not asked. */
export function createModelRepository(store: RepositoryStore): ModelRepository {
  return Object.freeze({
    address: store.address,
    ...repositoryReads(store),
    ...repositoryWrites(store),
    close: () => store.close(),
  });
}

async function requireModels(store: RepositoryStore, mayBeEmpty: boolean): Promise<void> {
  let models: readonly string[];
  try {
    models = await createModelRepository(store).models();
  } catch (cause) {
    if (!hasCode(cause, "SOURCE_NOT_FOUND")) throw cause;
    if (mayBeEmpty && !store.isRemote) return;
    const next = "make it, or set HEADGATE_MODELS to the folder of models";
    const sentence = store.isRemote
      ? `The model repository can't be opened: ${cause.message}`
      : `The model repository ${store.address} is not a folder; ${next}. ${WITHOUT_MODEL}`;
    throw new HeadgateError("CONFIG_INVALID", sentence, cause);
  }
  if (models.length > 0 || mayBeEmpty) return;
  throw new HeadgateError(
    "CONFIG_INVALID",
    `The model repository ${store.address} holds no model; put <name>/model.json and <name>/1/model.onnx into it, or use "headgate models deploy". ${WITHOUT_MODEL}`,
  );
}

const WITHOUT_MODEL = `To start without one, set modelsRequired to "off" (HEADGATE_MODELS_REQUIRED=off).`;
