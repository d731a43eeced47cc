/**
 * A local copy of what was read from a bucket of models, so that a gateway goes on, and starts, when S3 is away. It keeps
 * the last listing and the files that were read, each under its path and ETag: nothing in it is ever changed, and what
 * it answers is what the bucket had, whole. A file that two listings of the repository lack is removed.
 *
 * Once S3 did not answer, all but the poll is answered from the copy without asking again, until S3 answers a poll. What
 * is written is always written to S3.
 */

import { createHash } from "node:crypto";
import { channel } from "node:diagnostics_channel";
import { join } from "node:path";
import { HeadgateError, hasCode, reasonOf } from "../errors.ts";
import { type FolderEntry, type ObjectStore, type ObjectVersion, openObjectStore } from "../object-store.ts";
import type { RepositoryStore } from "./repository-store.ts";

/** Published when the copy could not be written, and so may lack what it will be asked for. */
export interface CopyFailedEvent {
  readonly directory: string;
  readonly reason: string;
}

const copyFailed = channel("headgate:model-copy-failed");

/** The file of the last listing: `[name, bytes, etag, lastModifiedMs]` of each file. */
const LISTING_FILE = "listing.json";
/** The folder of files. */
const FILES = "files";
/** Characters of a hash that names a folder or a file: 160 bits. */
const HASH_CHARACTERS = 40;

/** Keeps what is read of a repository below a folder, which several repositories and processes may share. */
export async function copiedStore(store: RepositoryStore, directory: string): Promise<RepositoryStore> {
  const own = join(directory, hashOf(store.address));
  const copy = new RepositoryCopy(store, own, openObjectStore({ directory: own }));
  await copy.open();
  return Object.freeze({
    ...store,
    list: (folder: string) => (folder === "" ? copy.listAll() : copy.listModel(folder)),
    listNow: (folder: string) => copy.listNow(folder),
    stat: (path: string) => copy.stat(path),
    read: (path: string, version: ObjectVersion) => copy.read(path, version),
  });
}

class RepositoryCopy {
  readonly #store: RepositoryStore;
  readonly #directory: string;
  readonly #files: ObjectStore;
  /** Every file that the repository was last seen to have; undefined before it was ever seen. */
  #known: Map<string, ObjectVersion> | undefined;
  #savedText = "";
  /** Of the listings of the whole repository: how many were begun, and the newest that `known` is of. */
  #begun = 0;
  #applied = 0;
  /** Copied files that the last of them lacked. */
  #unlisted: ReadonlySet<string> = new Set();
  #isProven = false;
  #isAway = false;
  #saving: Promise<void> = Promise.resolve();

  constructor(store: RepositoryStore, directory: string, files: ObjectStore) {
    this.#store = store;
    this.#directory = directory;
    this.#files = files;
  }

  /** Takes the listing of an earlier process; one that can't be read is as none. */
  async open(): Promise<void> {
    await this.#files.removeLeftovers(FILES).catch(() => {});
    const text = await this.#readCopied(LISTING_FILE).catch(() => undefined);
    if (text === undefined) return;
    this.#known = parseListing(Buffer.from(text).toString("utf8"));
  }

  async listNow(folder: string): Promise<readonly FolderEntry[]> {
    if (folder !== "") return this.#ask(() => this.#store.listNow(folder));
    const number = ++this.#begun;
    const entries = await this.#ask(() => this.#store.listNow(""));
    // One that was begun later has come before it, and knows better.
    if (number < this.#applied) return entries;
    this.#applied = number;
    const listed = new Map<string, ObjectVersion>();
    for (const { name, version } of entries) if (version !== undefined) listed.set(name, version);
    this.#known = listed;
    await this.#save(listed);
    return entries;
  }

  async listAll(): Promise<readonly FolderEntry[]> {
    return this.#orCopied(
      () => this.listNow(""),
      (known) => entriesOf(known, ""),
    );
  }

  async listModel(model: string): Promise<readonly FolderEntry[]> {
    const copied = (known: Map<string, ObjectVersion>) => entriesOf(known, `${model}/`);
    if (this.#isAway && this.#known !== undefined) return copied(this.#known);
    return this.#orCopied(() => this.#ask(() => this.#store.list(model)), copied);
  }

  async stat(path: string): Promise<ObjectVersion> {
    const copied = (known: Map<string, ObjectVersion>) => {
      const version = known.get(path);
      if (version !== undefined) return version;
      throw new HeadgateError("SOURCE_NOT_FOUND", `${this.#store.locate(path)} was not there when S3 last answered.`);
    };
    if (this.#isAway && this.#known !== undefined) return copied(this.#known);
    return this.#orCopied(async () => {
      const version = await this.#ask(() => this.#store.stat(path));
      if (this.#known !== undefined && this.#known.get(path)?.etag !== version.etag) {
        this.#known.set(path, version);
        await this.#save();
      }
      return version;
    }, copied);
  }

  async read(path: string, version: ObjectVersion): Promise<Uint8Array> {
    const name = `${FILES}/${hashOf(path, version.etag)}`;
    const copied = await this.#readCopied(name).catch(() => undefined);
    if (copied?.length === version.bytes) return copied;
    if (this.#isAway) throw this.#notCopied(path);
    const bytes = await this.#ask(() => this.#store.read(path, version));
    await this.#put(name, bytes);
    return bytes;
  }

  async #orCopied<T>(asked: () => Promise<T>, copied: (known: Map<string, ObjectVersion>) => T): Promise<T> {
    try {
      return await asked();
    } catch (cause) {
      if (!hasCode(cause, "REPOSITORY_UNREACHABLE") || this.#known === undefined) throw cause;
      return copied(this.#known);
    }
  }

  async #ask<T>(asked: () => Promise<T>): Promise<T> {
    try {
      const answer = await asked();
      this.#isAway = false;
      return answer;
    } catch (cause) {
      this.#isAway = hasCode(cause, "REPOSITORY_UNREACHABLE");
      throw cause;
    }
  }

  async #readCopied(name: string): Promise<Uint8Array> {
    const { bytes, etag } = await this.#files.stat(name);
    return new Uint8Array(await this.#files.read(name, 0, bytes, etag));
  }

  /** Saves the listing where it changed, one save after another; removing what it no longer has comes after. */
  #save(whole?: ReadonlyMap<string, ObjectVersion>): Promise<void> {
    const saved = this.#saving.then(async () => {
      const known = this.#known!;
      const text = listingText(known);
      const isSaved = text === this.#savedText;
      if (!isSaved) await this.#put(LISTING_FILE, Buffer.from(text));
      this.#savedText = text;
      // Where another listing has come meanwhile, that one's own save removes.
      if (whole !== known || (isSaved && this.#unlisted.size === 0)) return;
      await this.#removeUnlisted(known).catch((cause: unknown) => this.#tell(cause));
    });
    this.#saving = saved.catch(() => {});
    return saved;
  }

  /** A file that one listing lacks may have been put, and copied, since that was begun; one that two lack is gone. */
  async #removeUnlisted(known: ReadonlyMap<string, ObjectVersion>): Promise<void> {
    const wanted = new Set([...known].map(([path, { etag }]) => hashOf(path, etag)));
    const there = await this.#files.listBelow(FILES, 1).catch(() => []);
    const unlisted = there.map(({ name }) => name).filter((name) => !wanted.has(name));
    const gone = unlisted.filter((name) => this.#unlisted.has(name));
    for (const name of gone) await this.#files.delete(`${FILES}/${name}`);
    this.#unlisted = new Set(unlisted.filter((name) => !gone.includes(name)));
  }

  /** A folder that can't be written is a mistake when it is used first; later, a full disk must not stop a gateway. */
  async #put(name: string, bytes: Uint8Array): Promise<void> {
    try {
      await this.#files.put(name, bytes);
      this.#isProven = true;
    } catch (cause) {
      if (this.#isProven) return this.#tell(cause);
      throw new HeadgateError(
        "CONFIG_INVALID",
        `The copy of the models can't be written below ${this.#directory}: ${reasonOf(cause)} Set HEADGATE_MODELS_CACHE to a folder that can be.`,
        cause,
      );
    }
  }

  #notCopied(path: string): HeadgateError {
    const { address } = this.#store;
    return new HeadgateError(
      "REPOSITORY_UNREACHABLE",
      `The model repository ${address} does not answer, and the copy of it has no ${path}.`,
    );
  }

  #tell(cause: unknown): void {
    const event: CopyFailedEvent = { directory: this.#directory, reason: reasonOf(cause) };
    if (copyFailed.hasSubscribers) copyFailed.publish(event);
  }
}

/** The files below a prefix, as the repository listed them. */
function entriesOf(known: ReadonlyMap<string, ObjectVersion>, prefix: string): readonly FolderEntry[] {
  const below = [...known].filter(([path]) => path.startsWith(prefix));
  return below.map(([path, version]) => ({ name: path.slice(prefix.length), version }));
}

function listingText(known: ReadonlyMap<string, ObjectVersion>): string {
  const lines = [...known].map(([path, { bytes, etag, lastModifiedMs }]) => [path, bytes, etag, lastModifiedMs]);
  return JSON.stringify(lines.sort(([a], [b]) => (a! < b! ? -1 : 1)));
}

/** Undefined for what is no listing. */
function parseListing(text: string): Map<string, ObjectVersion> | undefined {
  try {
    const lines = JSON.parse(text) as unknown[];
    return new Map(lines.map(listedFile));
  } catch {
    return undefined;
  }
}

function listedFile(line: unknown): readonly [string, ObjectVersion] {
  const [path, bytes, etag, lastModifiedMs] = line as unknown[];
  if (
    typeof path !== "string" ||
    typeof bytes !== "number" ||
    typeof etag !== "string" ||
    typeof lastModifiedMs !== "number"
  ) {
    throw new TypeError("not a listed file");
  }
  return [path, { bytes, etag, lastModifiedMs }];
}

function hashOf(...words: readonly string[]): string {
  return createHash("sha256").update(JSON.stringify(words)).digest("hex").slice(0, HASH_CHARACTERS);
}
