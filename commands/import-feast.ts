/**
 * `headgate import feast <repo>`: the definitions of a Feast repo, by its registry, as a project of Headgate's, and a
 * sentence for everything that could not be carried over.
 */

import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, isAbsolute, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { shellWord } from "../batch/parity/shown-command.ts";
import { HeadgateError, reasonOf } from "../errors.ts";
import { parseFeastRegistry } from "../features/feast-import/feast-registry.ts";
import { type FeastRepo, readFeastRepo, readRepoFile } from "../features/feast-import/feast-repo.ts";
import { type ImportedProject, importRegistry } from "../features/feast-import/imported-project.ts";
import { loadFeatureRepository } from "../features/feature-repository.ts";
import { packageRoot } from "../package-root.ts";
import { answer, type CommandContext, EXIT } from "./command.ts";

/** Options as the command line has them. */
export interface ImportFeastFlags {
  readonly force?: boolean;
  readonly registry?: string;
}

/**
 * Imports. Throws what reading the repo refuses, PROJECT_EXISTS naming a file that is there, DEFINITION_INVALID for what
 * does not load, PROJECT_UNWRITABLE.
 */
export async function importFeast(
  context: CommandContext,
  directory: string,
  flags: ImportFeastFlags,
): Promise<number> {
  const target = resolve(context.projectDirectory);
  refuseOwnFolder(target);
  const repo = readFeastRepo(resolve(directory), context.environment, flags.registry);
  const registry = parseFeastRegistry(readRepoFile(repo.registryFile), repo.project, repo.registryFile);
  const imported = importRegistry(registry, (uri) => sourcePath(uri, resolve(directory), target));
  const files = new Map([["headgate.config.ts", configText(repo, imported)], ...imported.files]);
  if (flags.force !== true) refuseExisting(target, files);
  const removed = imported.absent.filter((file) => isImported(join(target, file)));
  await writeProject(target, files, removed);
  const notes = [...imported.notes, ...storeNotes(repo)];
  const [project, written] = [repo.project, [...files.keys()]];
  answer(
    context,
    { project, directory: target, files: written, removed, ...imported.counts, notes },
    report(target, repo, imported, { written, removed, notes }),
  );
  return EXIT.done;
}

/** A source's path from the project's folder: Feast's are from the repo's. */
function sourcePath(uri: string, directory: string, target: string): string {
  const path = uri.startsWith("file:///") ? fileURLToPath(uri) : uri.replace(/^file:(\/\/)?/, "");
  if (/^s3:\/\//i.test(path) || isAbsolute(path)) return path;
  return relative(target, resolve(directory, path));
}

/** In a checkout of Headgate the folder at hand is none of a project, though its features/ looks so. */
function refuseOwnFolder(target: string): void {
  if (target !== resolve(packageRoot())) return;
  throw new HeadgateError(
    "PROJECT_EXISTS",
    `${target} is Headgate's own folder; name one for the project, such as --project ../shop.`,
  );
}

function refuseExisting(target: string, files: ReadonlyMap<string, string>): void {
  const there = [...files.keys()].find((file) => existsSync(join(target, file)));
  if (there === undefined) return;
  throw new HeadgateError(
    "PROJECT_EXISTS",
    `${join(target, there)} is there already; write over it with --force, or name another folder with --project.`,
  );
}

/** True for a file that an import wrote, as its first line says: a file of the user's own is left alone. */
function isImported(file: string): boolean {
  return existsSync(file) && /^\/\/ .*, imported from Feast\./.test(readRepoFile(file).toString("utf8"));
}

/** Writes the files aside, and moves them to their places when they have loaded: what doesn't load changes nothing. */
async function writeProject(target: string, files: ReadonlyMap<string, string>, removed: readonly string[]) {
  let aside: string | undefined;
  try {
    mkdirSync(target, { recursive: true });
    aside = mkdtempSync(join(target, ".headgate-import-"));
    for (const [file, text] of files) {
      mkdirSync(dirname(join(aside, file)), { recursive: true });
      writeFileSync(join(aside, file), text);
    }
    await loadFeatureRepository(aside);
    for (const file of files.keys()) {
      mkdirSync(dirname(join(target, file)), { recursive: true });
      renameSync(join(aside, file), join(target, file));
    }
    for (const file of removed) rmSync(join(target, file));
    makeModelsFolder(join(target, "models"));
  } catch (cause) {
    if (cause instanceof HeadgateError) throw cause;
    throw new HeadgateError("PROJECT_UNWRITABLE", `${target} can't be written: ${reasonOf(cause)}.`, cause);
  } finally {
    if (aside !== undefined) rmSync(aside, { recursive: true, force: true });
  }
}

/** For the models that there may be one day. Git keeps no folder that is empty. */
function makeModelsFolder(folder: string): void {
  if (existsSync(folder)) return;
  mkdirSync(folder);
  writeFileSync(join(folder, ".gitkeep"), "");
}

/** A project's name may be less than Feast's; the keys in Redis have Feast's. */
function projectName(name: string): string {
  const usable = name.replaceAll(/[^A-Za-z0-9_-]/g, "_").slice(0, PROJECT_CHARACTERS);
  return /^[A-Za-z]/.test(usable) ? usable : `feast_${usable}`;
}

const PROJECT_CHARACTERS = 50;

function configText({ project, redis, keyTtlSeconds }: FeastRepo, { brokers, pushSources }: ImportedProject): string {
  const pushed = [...pushSources].map(([source, views]) => `${source}=${views.join("+")}`).join(",");
  const name = projectName(project);
  const settings: readonly (readonly [string, string | number | undefined])[] = [
    ["project", name],
    // Feast has none: features alone are served until there is one.
    ["modelsRequired", "off"],
    ["onlineStore", redis?.address],
    ["onlineStoreLayout", redis && "feast"],
    ["feastProject", redis && name !== project ? project : undefined],
    ["feastKeyTtlSeconds", keyTtlSeconds > 0 ? keyTtlSeconds : undefined],
    ["kafkaBrokers", brokers.length === 1 ? brokers[0] : undefined],
    ["feastPushSources", pushed || undefined],
  ];
  const lines = settings.flatMap(([name, value]) =>
    value === undefined ? [] : [`  ${name}: ${JSON.stringify(value)},\n`],
  );
  return `import { defineConfig } from "headgate";\n\nexport default defineConfig({\n${lines.join("")}});\n`;
}

/** What the settings could not carry over. */
function storeNotes(repo: FeastRepo): readonly string[] {
  const { onlineStoreType, redis, serializationVersion } = repo;
  if (redis === undefined) {
    return [
      `the online store is ${onlineStoreType}, which is not read: rows are kept in .headgate/online (LMDB) and loaded anew by headgate materialize.`,
    ];
  }
  const notes: string[] = [];
  if (redis.hasLogin) {
    notes.push(
      `the Redis password is not written down: set HEADGATE_ONLINE_STORE to its address with the password in it.`,
    );
  }
  if (redis.dropped.length > 0) notes.push(`Redis parameters left out: ${redis.dropped.join(", ")}.`);
  if (serializationVersion < 3) {
    notes.push(
      `entity keys of serialization version ${serializationVersion} are not read; materialize with version 3 first.`,
    );
  }
  if (repo.hasVersions) {
    notes.push(
      `registry.enable_online_feature_view_versioning is on: Feast writes rows of a view's later versions under names such as stats_v1, which are not read; switch it off and materialize first.`,
    );
  }
  if (repo.skipsDedup) {
    notes.push(
      `online_store.skip_dedup is on: Feast writes older rows over newer ones, Headgate's too; switch it off where both write.`,
    );
  }
  return notes;
}

function report(
  target: string,
  { project, registryFile }: FeastRepo,
  { counts, brokers }: ImportedProject,
  { written, removed, notes }: Readonly<Record<"written" | "removed" | "notes", readonly string[]>>,
): string {
  const counted = [
    number(counts.entities, "entity", "entities"),
    number(counts.views, "feature view"),
    number(counts.requestSources, "request source"),
    number(counts.services, "feature service"),
  ];
  const place = relative(process.cwd(), target);
  const several = brokers.length > 1 ? [`Kafka at ${brokers.join(" and ")}: set kafkaBrokers to one.`] : [];
  const lost = [...notes, ...several].map((note) => `\n  - ${note}`).join("");
  const lines = (files: readonly string[]) => files.map((file) => `\n  ${file}`).join("");
  const gone = removed.length === 0 ? "" : `\nTook away, of an older import${lines(removed)}\n`;
  return `Imported ${project} from ${relative(process.cwd(), registryFile)}: ${counted.join(", ")}. Wrote${lines(written)}\n${gone}${lost === "" ? "" : `\nNot carried over:${lost}\n`}\nNext: headgate plan${place === "" ? "" : ` --project ${shellWord(place)}`}`;
}

const number = (count: number, one: string, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;
