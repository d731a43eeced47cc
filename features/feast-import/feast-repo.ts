/**
 * A Feast repo as it lies on disk: feature_store.yaml says which project it is, where its registry is and which online
 * store its rows are in.
 */

import { existsSync, readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { HeadgateError, reasonOf } from "../../errors.ts";
import { isObject } from "../json-value.ts";
import { parseFeatureStoreYaml, type YamlMap, yamlInteger, yamlText } from "./feast-store-yaml.ts";
import { type RedisConnection, redisConnection } from "./redis-connection.ts";

/** What an import needs of a repo. */
export interface FeastRepo {
  readonly project: string;
  /** Absolute path of the registry's file. */
  readonly registryFile: string;
  /** The type of its online store, as Feast calls it. */
  readonly onlineStoreType: string;
  /** Undefined for an online store that is no Redis. */
  readonly redis: RedisConnection | undefined;
  /** Of entity keys in the online store. */
  readonly serializationVersion: number;
  /** How long keys of the online store live, seconds; 0: for ever. */
  readonly keyTtlSeconds: number;
  /** True where Feast writes rows to Redis without looking at those that are there. */
  readonly skipsDedup: boolean;
  /** True where Feast writes rows of a view's later versions under names of their own. */
  readonly hasVersions: boolean;
}

/** What Feast takes where the file does not say. */
const SERIALIZATION_VERSION = 3;

/**
 * Reads a repo's folder; `registryFile` goes before what the file says. Throws PROJECT_NOT_FOUND, SOURCE_UNSUPPORTED,
 * SOURCE_DENIED, and SOURCE_NOT_FOUND where the registry's file is not there.
 */
export function readFeastRepo(
  directory: string,
  environment: NodeJS.ProcessEnv,
  registryFile: string | undefined,
): FeastRepo {
  const file = resolve(directory, "feature_store.yaml");
  if (!existsSync(file)) {
    throw new HeadgateError(
      "PROJECT_NOT_FOUND",
      `${directory} has no feature_store.yaml; name the folder of a Feast repo.`,
    );
  }
  const yaml = parseFeatureStoreYaml(readRepoFile(file).toString("utf8"), environment, file);
  const project = yamlText(yaml, "project");
  if (project === undefined) throw new HeadgateError("SOURCE_UNSUPPORTED", `${file} names no project.`);
  // A type alone is a store with nothing said of it.
  const named = yamlText(yaml, "online_store");
  const onlineStore = isObject(yaml.online_store) ? yaml.online_store : named === undefined ? {} : { type: named };
  const type = yamlText(onlineStore, "type") ?? "sqlite";
  const isRedis = type === "redis";
  return {
    project,
    registryFile: existing(registryFile === undefined ? registryFileOf(yaml, directory) : resolve(registryFile)),
    onlineStoreType: type,
    redis: isRedis ? redisConnection(onlineStore) : undefined,
    serializationVersion: yamlInteger(yaml, "entity_key_serialization_version", SERIALIZATION_VERSION, file),
    // Feast takes null, which is for ever, too.
    keyTtlSeconds:
      isRedis && onlineStore.key_ttl_seconds !== null ? yamlInteger(onlineStore, "key_ttl_seconds", 0, file) : 0,
    skipsDedup: isRedis && isOn(yamlText(onlineStore, "skip_dedup")),
    hasVersions: isOn(yamlText(yaml, "registry", "enable_online_feature_view_versioning")),
  };
}

/** The words for true that Feast takes: YAML's, and those of a text. */
const isOn = (text: string | undefined) => /^(true|yes|on|y|t|1)$/i.test(text ?? "");

/** A file's bytes. Throws SOURCE_DENIED for one that can't be read. */
export function readRepoFile(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new HeadgateError("SOURCE_DENIED", `${file} can't be read: ${reasonOf(cause)}.`, cause);
  }
}

/** Feast itself writes any registry as a file. */
const AS_FILE = `write it to a file in the repo's folder, python -c "from feast import FeatureStore; open('registry.db', 'wb').write(FeatureStore('.').registry.proto().SerializeToString())", and name it with --registry registry.db`;

function registryFileOf(yaml: YamlMap, directory: string): string {
  const type = yamlText(yaml, "registry", "registry_type") ?? "file";
  if (type !== "file") throw new HeadgateError("SOURCE_UNSUPPORTED", `The registry is of type ${type}: ${AS_FILE}.`);
  const path = yamlText(yaml, "registry", "path") ?? yamlText(yaml, "registry") ?? "data/registry.db";
  if (/^[a-z0-9]+:\/\//i.test(path)) {
    throw new HeadgateError("SOURCE_UNSUPPORTED", `The registry is ${path}, which is no local file: ${AS_FILE}.`);
  }
  return resolve(directory, path);
}

function existing(file: string): string {
  const found = statSync(file, { throwIfNoEntry: false });
  if (found?.isDirectory()) {
    throw new HeadgateError("SOURCE_UNSUPPORTED", `${file} is a folder; name the registry's file with --registry.`);
  }
  if (found !== undefined) return file;
  throw new HeadgateError(
    "SOURCE_NOT_FOUND",
    `${file} is not there; run feast apply first, or name a registry file with --registry.`,
  );
}
