/**
 * The model repository: `<name>/model.json` and `<name>/<version>/model.onnx`, versions being positive integers, as
 * Triton lays it out. It lists and reads and judges nothing but names: what a file holds is for those that parse it.
 * Everything above sees only the interface, so that a bucket can stand in for a folder.
 */

import { createHash } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { HeadgateError, reasonOf } from "../errors.ts";

/** A file of the repository and where it was, for messages. */
export interface RepositoryFile<Content> {
  readonly file: string;
  readonly content: Content;
}

/** Where models come from. */
export interface ModelRepository {
  /** The folder or bucket, for messages. */
  readonly address: string;
  /** Names of the models, sorted: every folder that holds a manifest or a version, or does not show what it holds. */
  models(): Promise<readonly string[]>;
  /**
   * The versions of a model, newest first; a version whose file is missing is listed, and refused when read. Throws
   * MODEL_NOT_FOUND, and MODEL_FILE_INVALID when there are folders but none of them is a version.
   */
  versions(model: string): Promise<readonly number[]>;
  /** The manifest's text. Throws MODEL_NOT_FOUND or MANIFEST_INVALID. */
  readManifest(model: string): Promise<RepositoryFile<string>>;
  /** The model's bytes. Throws MODEL_NOT_FOUND or MODEL_FILE_INVALID. */
  readModel(model: string, version: number): Promise<RepositoryFile<Uint8Array>>;
  /** A file of weights beside the model's, by its name alone. Throws MODEL_NOT_FOUND or MODEL_FILE_INVALID. */
  readWeights(model: string, version: number, name: string): Promise<RepositoryFile<Uint8Array>>;
}

/** Largest manifest, bytes. A larger one is refused unread. */
const MANIFEST_MAX_BYTES = 4 * 1024 * 1024;

/** Largest file of a model, bytes: an ONNX file is one protobuf message, which can't be larger. */
const MODEL_MAX_BYTES = 2 ** 31 - 1;

/** The most names that a refusal lists. */
const NAMES_SHOWN = 5;

const MODEL_NAME = /^[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.)){0,62}$/;
const VERSION = /^[1-9]\d{0,8}$/;

/** Throws MODEL_NOT_FOUND for a name that could be a path or break a URL or a metric. */
export function checkModelName(name: string): void {
  if (MODEL_NAME.test(name)) return;
  throw new HeadgateError(
    "MODEL_NOT_FOUND",
    `The model name ${JSON.stringify(name.slice(0, 80))} can't be used; start with a letter or digit and use letters, digits, "_", "-" and ".", at most 63.`,
  );
}

/** The SHA-256 of files' bytes, one after the other, hexadecimal: how two gateways tell that they serve the same model. */
export function sha256Of(...files: readonly Uint8Array[]): string {
  const hash = createHash("sha256");
  for (const bytes of files) hash.update(bytes);
  return hash.digest("hex");
}

/** Opens a folder of models. Throws CONFIG_INVALID when there is no such folder or no model in it. */
export async function openModelRepository(directory: string): Promise<ModelRepository> {
  const repository: ModelRepository = Object.freeze({
    address: directory,
    models: () => listModels(directory),
    versions: (model: string) => listVersions(directory, model),
    readManifest: (model: string) => readManifest(directory, model),
    readModel: (model: string, version: number) => readModel(directory, model, version),
    readWeights: (model: string, version: number, name: string) => readWeights(directory, model, version, name),
  });
  if ((await repository.models()).length === 0) {
    throw new HeadgateError(
      "CONFIG_INVALID",
      `The model repository ${directory} holds no model; put <name>/model.json and <name>/1/model.onnx into it.`,
    );
  }
  return repository;
}

async function listModels(directory: string): Promise<readonly string[]> {
  const names = await folderNames(directory, () => {
    throw new HeadgateError(
      "CONFIG_INVALID",
      `The model repository ${directory} is not a folder; make it, or set HEADGATE_MODELS to the folder of models.`,
    );
  });
  const visible = names.filter((name) => !name.startsWith("."));
  const held = await Promise.all(visible.map((name) => holdsModel(directory, name)));
  return visible.filter((_, i) => held[i]).sort();
}

/**
 * A folder that has a version but no manifest counts too: to leave it out would hide the mistake. So does one that can't
 * be looked into, unless its name says that it is none of ours, as "lost+found" does.
 */
async function holdsModel(directory: string, name: string): Promise<boolean> {
  let entries: readonly string[];
  try {
    entries = await readdir(join(directory, name));
  } catch {
    return MODEL_NAME.test(name);
  }
  return entries.some((entry) => entry === "model.json" || VERSION.test(entry));
}

async function listVersions(directory: string, model: string): Promise<readonly number[]> {
  checkModelName(model);
  const folder = join(directory, model);
  const names = await folderNames(folder, () => {
    throw new HeadgateError("MODEL_NOT_FOUND", `There is no model "${model}" in ${directory}.`);
  });
  const versions = names.filter((name) => VERSION.test(name)).map(Number);
  if (versions.length === 0 && names.length > 0) {
    throw new HeadgateError(
      "MODEL_FILE_INVALID",
      `${folder} has no version: versions are folders named 1, 2, …; found ${names.slice(0, NAMES_SHOWN).join(", ")}. Rename the folder of the model to 1.`,
    );
  }
  return versions.sort((a, b) => b - a);
}

async function folderNames(folder: string, onMissing: () => never): Promise<readonly string[]> {
  let entries: readonly string[];
  try {
    entries = await readdir(folder);
  } catch {
    return onMissing();
  }
  const folders = await Promise.all(entries.map((entry) => isFolder(join(folder, entry))));
  return entries.filter((_, i) => folders[i]);
}

/** Follows links, as deployments that swap a link expect; a link to nowhere is no folder. */
async function isFolder(path: string): Promise<boolean> {
  const status = await stat(path).catch(() => undefined);
  return status?.isDirectory() ?? false;
}

async function readManifest(directory: string, model: string): Promise<RepositoryFile<string>> {
  checkModelName(model);
  const file = join(directory, model, "model.json");
  const bytes = await readBounded(file, MANIFEST_MAX_BYTES, (reason) => {
    throw new HeadgateError("MANIFEST_INVALID", `${file} ${reason}; every model needs its manifest there.`);
  });
  return Object.freeze({ file, content: bytes.toString("utf8") });
}

async function readModel(directory: string, model: string, version: number): Promise<RepositoryFile<Uint8Array>> {
  checkModelName(model);
  const file = join(directory, model, String(version), "model.onnx");
  const bytes = await readBounded(file, MODEL_MAX_BYTES, (reason) => {
    throw new HeadgateError(
      "MODEL_FILE_INVALID",
      `${file} ${reason}; put the model there or remove the version's folder.`,
    );
  });
  return Object.freeze({ file, content: bytes });
}

async function readWeights(
  directory: string,
  model: string,
  version: number,
  name: string,
): Promise<RepositoryFile<Uint8Array>> {
  checkModelName(model);
  const folder = join(directory, model, String(version));
  const file = join(folder, basename(name));
  const bytes = await readBounded(file, MODEL_MAX_BYTES, (reason) => {
    throw new HeadgateError(
      "MODEL_FILE_INVALID",
      `${file} ${reason}; ${join(folder, "model.onnx")} keeps weights in it, so put it there as the exporter wrote it, or export the model with its weights inside.`,
    );
  });
  return Object.freeze({ file, content: bytes });
}

async function readBounded(file: string, maxBytes: number, refuse: (reason: string) => never): Promise<Buffer> {
  let refusal: string;
  try {
    const { size } = await stat(file);
    if (size <= maxBytes) return await readFile(file);
    refusal = `has ${size} bytes, more than the ${maxBytes} that can be read`;
  } catch (thrown) {
    refusal =
      (thrown as NodeJS.ErrnoException).code === "ENOENT" ? "does not exist" : `can't be read (${reasonOf(thrown)})`;
  }
  return refuse(refusal);
}
