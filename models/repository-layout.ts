/**
 * Where what lies in a model repository, and what a listing of it says is there:
 *
 *   <name>/model.json            the manifest of versions that have none of their own
 *   <name>/traffic.json          how requests are split
 *   <name>/<v>/model.onnx        and its files of weights beside it
 *   <name>/<v>/model.json        a deployed version's own manifest, written last
 *   <name>/<v>.deploy.json       the claim of a deploy, written first
 *
 * A claimed version is there once its own manifest is; before that it is a deploy under way or one that died, and after
 * that one that was deleted. So no reader sees half a version, whenever its writer stops. The claim stays for ever, so
 * that a number never means two models; it lies outside of the version's folder, since a folder on disk is there before
 * anything can be in it. A version without a claim was placed by hand and is there at once.
 */

import { createHash } from "node:crypto";
import { HeadgateError } from "../errors.ts";
import type { FolderEntry } from "../object-store.ts";

/** The file of a manifest, a version's own and a model's. */
export const MANIFEST_FILE = "model.json";
/** The file of the graph. */
export const MODEL_FILE = "model.onnx";
/** The file of a model's traffic. */
export const TRAFFIC_FILE = "traffic.json";
/** The greatest version: nine digits. */
const VERSION_MAX = 999_999_999;

const MODEL_NAME = /^[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.)){0,62}$/;
const VERSION = /^[1-9]\d{0,8}$/;
const CLAIM = /^([1-9]\d{0,8})\.deploy\.json$/;

/** Whether a model may be called so. */
export const isModelName = (name: string): boolean => MODEL_NAME.test(name);

/** Throws MODEL_NOT_FOUND for a name that could be a path or break a URL or a metric. */
export function checkModelName(name: string): void {
  if (isModelName(name)) return;
  throw new HeadgateError(
    "MODEL_NOT_FOUND",
    `The model name ${JSON.stringify(name.slice(0, 80))} can't be used; start with a letter or digit and use letters, digits, "_", "-" and ".", at most 63.`,
  );
}

/** Throws MODEL_NOT_FOUND for such a name, and VERSION_NOT_FOUND for what is no version's number. */
export function checkVersion(model: string, version: number): void {
  checkModelName(model);
  if (VERSION.test(String(version))) return;
  throw new HeadgateError(
    "VERSION_NOT_FOUND",
    `${version} is no version of "${model}": versions are whole numbers from 1 to ${VERSION_MAX}.`,
  );
}

/** Where a version's file lies, below the repository. */
export const versionPath = (model: string, version: number, file: string): string => `${model}/${version}/${file}`;

/** Where a version's claim lies. */
export const claimPath = (model: string, version: number): string => `${model}/${version}.deploy.json`;

/** What a listing says of one model. */
export interface ListedModel {
  /** Files beside the versions' folders, by name. */
  readonly files: ReadonlyMap<string, FolderEntry>;
  /** Every numbered folder, whether its version is there or not: its files by name. */
  readonly versions: ReadonlyMap<number, ReadonlyMap<string, FolderEntry>>;
  readonly claims: ReadonlySet<number>;
  /** Folders that are no version, sorted. */
  readonly otherFolders: readonly string[];
  /** Why the model's folder could not be looked into. */
  readonly unreadable: Error | undefined;
}

/** Takes the listing of a whole repository apart, by the folders in it; files beside them are nobody's. */
export function listedModels(entries: readonly FolderEntry[]): ReadonlyMap<string, ListedModel> {
  const byModel = new Map<string, FolderEntry[]>();
  for (const entry of entries) {
    const end = entry.name.indexOf("/");
    if (end < 0) continue;
    const [model, name] = [entry.name.slice(0, end), entry.name.slice(end + 1)];
    const own = byModel.get(model) ?? [];
    own.push({ ...entry, name });
    byModel.set(model, own);
  }
  return new Map([...byModel].map(([model, own]) => [model, listedModel(own)]));
}

/** Takes the listing of one model's folder apart. */
export function listedModel(entries: readonly FolderEntry[]): ListedModel {
  const files = new Map<string, FolderEntry>();
  const versions = new Map<number, Map<string, FolderEntry>>();
  const claims = new Set<number>();
  const otherFolders = new Set<string>();
  let unreadable: Error | undefined;
  for (const entry of entries) {
    const [head = "", ...rest] = entry.name.split("/");
    const claimed = CLAIM.exec(head)?.[1];
    if (head === "") unreadable = entry.unreadable;
    else if (rest.length === 0 && claimed !== undefined) claims.add(Number(claimed));
    else if (rest.length === 0) files.set(head, entry);
    else if (!VERSION.test(head)) otherFolders.add(head);
    else {
      const version = versions.get(Number(head)) ?? new Map<string, FolderEntry>();
      versions.set(Number(head), version);
      const [name = "", ...deeper] = rest;
      if (name !== "" && deeper.length === 0) version.set(name, entry);
    }
  }
  return { files, versions, claims, otherFolders: [...otherFolders].sort(), unreadable };
}

/** The versions that are there, newest first: the claimed ones that are whole, and all that nobody claimed. */
export function versionsThere({ versions, claims }: ListedModel): readonly number[] {
  const there = [...versions].filter(
    ([version, files]) => !claims.has(version) || (files.has(MANIFEST_FILE) && files.has(MODEL_FILE)),
  );
  return there.map(([version]) => version).sort((a, b) => b - a);
}

/** A text that is another when anything of the model is that a reader sees, given the versions that are there. */
export function fingerprintOf(listed: ListedModel, there: readonly number[]): string {
  const hash = createHash("sha256");
  const add = (place: string, { name, version, unreadable }: FolderEntry) =>
    hash.update(`${JSON.stringify([place, name, version?.etag ?? unreadable?.message ?? ""])}\n`);
  if (listed.unreadable !== undefined) hash.update(`${listed.unreadable.message}\n`);
  for (const name of [MANIFEST_FILE, TRAFFIC_FILE]) {
    const entry = listed.files.get(name);
    if (entry !== undefined) add("", entry);
  }
  for (const version of there) {
    hash.update(`${version}\n`);
    for (const entry of listed.versions.get(version)!.values()) add(String(version), entry);
  }
  return hash.digest("hex");
}

/** A text that is another when the version's files are, or the model's manifest where it has none of its own. */
export function versionFingerprint({ files, versions }: ListedModel, version: number): string {
  const own = versions.get(version) ?? new Map<string, FolderEntry>();
  const shared = own.has(MANIFEST_FILE) ? undefined : files.get(MANIFEST_FILE);
  const entries = shared === undefined ? [...own] : [...own, [`../${MANIFEST_FILE}`, shared] as const];
  return JSON.stringify(entries.map(([name, entry]) => [name, entry.version?.etag ?? entry.unreadable?.message ?? ""]));
}
