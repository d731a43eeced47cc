/**
 * The files of a model repository, by their paths below it, in a folder or a bucket: the object store with one root,
 * whose failures are told as the repository's. What the files mean is repository.ts's.
 */

import { channel } from "node:diagnostics_channel";
import { join } from "node:path";
import { HeadgateError, hasCode, reasonOf } from "../errors.ts";
import type { FolderEntry, ObjectStore, ObjectVersion, PutCondition } from "../object-store.ts";

/** `<name>/<version>/<file>`; what lies deeper is nobody's. */
const LEVELS = 3;

/** Published when the repository does not answer or its folder has vanished, and when it answers again. */
export interface RepositoryAnswerEvent {
  readonly address: string;
  readonly isAway: boolean;
  /** Why it does not answer. */
  readonly reason: string | undefined;
}

const repositoryAnswer = channel("headgate:model-repository");

/** Files below one root. Everything throws REPOSITORY_UNREACHABLE where the root does not answer. */
export interface RepositoryStore {
  /** The folder or bucket, for messages. */
  readonly address: string;
  /** True for a bucket, where who may not read one file may read none. */
  readonly isRemote: boolean;
  /** A path as a person would write it. */
  locate(path: string): string;
  /**
   * What is below the root (""), or below one model's folder. Throws SOURCE_NOT_FOUND where it is not there; a root that
   * was there before does not answer.
   */
  list(folder: string): Promise<readonly FolderEntry[]>;
  /** The same, never from a copy: it throws when the repository does not answer. */
  listNow(folder: string): Promise<readonly FolderEntry[]>;
  /** Throws SOURCE_NOT_FOUND. */
  stat(path: string): Promise<ObjectVersion>;
  /** All bytes of that version. Throws SOURCE_CHANGED when it is no more. */
  read(path: string, version: ObjectVersion): Promise<Uint8Array>;
  /** See ObjectStore.put; a root that has vanished is not made again. Throws CONTROL_CONFLICT. */
  put(path: string, bytes: Uint8Array, condition?: PutCondition): Promise<string>;
  /** Removes a file; one that is not there is no failure. */
  delete(path: string): Promise<void>;
  /** See ObjectStore.removeLeftovers. */
  removeLeftovers(folder: string): Promise<void>;
  /** See ObjectStore.removeFolder. */
  removeFolder(folder: string): Promise<void>;
  close(): Promise<void>;
}

/** The files below an absolute folder or `s3://bucket/prefix`. Closing it closes the object store. */
export function openRepositoryStore(objects: ObjectStore, address: string): RepositoryStore {
  const isRemote = /^s3:\/\//i.test(address);
  const root = isRemote ? address.replace(/\/+$/, "") : address;
  const locate = (path: string): string => (isRemote ? `${root}/${path}` : join(root, path));
  const told = tellingOfAnswers(root);
  const list = (folder: string) =>
    folder === ""
      ? told(objects.listBelow(root, LEVELS), "root")
      : told(objects.listBelow(locate(folder), LEVELS - 1), "below");
  // Where it was never there, the first put makes it.
  const requireRoot = () =>
    told(objects.listBelow(root, 1), "root").catch((cause: unknown) => {
      if (!hasCode(cause, "SOURCE_NOT_FOUND")) throw cause;
    });
  return Object.freeze({
    address: root,
    isRemote,
    locate,
    list,
    listNow: list,
    stat: (path: string) => told(objects.stat(locate(path)), "below"),
    // A bucket's object is read in ranges of bounded size, side by side.
    read: async (path: string, { bytes, etag }: ObjectVersion) =>
      new Uint8Array(await told(objects.read(locate(path), 0, bytes, etag), "below")),
    put: async (path: string, bytes: Uint8Array, condition?: PutCondition) => {
      // A put makes the folders that it lacks; a bucket is made by none.
      if (!isRemote) await requireRoot();
      return told(objects.put(locate(path), bytes, condition), "below");
    },
    delete: (path: string) => told(objects.delete(locate(path)), "removal"),
    removeLeftovers: (folder: string) => told(objects.removeLeftovers(locate(folder)), "removal"),
    removeFolder: (folder: string) => told(objects.removeFolder(locate(folder)), "removal"),
    close: () => objects.close(),
  });
}

/** What is asked for: the root, what is below it, or that something is gone, which succeeds without a root, too. */
type Asked = "root" | "below" | "removal";

/**
 * Makes failures the repository's: what is not one of the store's own refusals is a disk or a network that fails, and so is
 * a root that was there and is not any more, such as one below a volume that is not mounted.
 */
function tellingOfAnswers(address: string): <T>(work: Promise<T>, asked: Asked) => Promise<T> {
  let isAway = false;
  let wasThere = false;
  let hasVanished = false;
  const become = (away: boolean, reason?: string) => {
    if (away === isAway) return;
    isAway = away;
    const event: RepositoryAnswerEvent = { address, isAway, reason };
    if (repositoryAnswer.hasSubscribers) repositoryAnswer.publish(event);
  };
  return async (work, asked) => {
    // When it was begun: a root that is made meanwhile has not vanished.
    const mayVanish = asked === "root" && wasThere;
    try {
      const answer = await work;
      if (asked === "removal") return answer;
      wasThere = true;
      hasVanished = false;
      become(false);
      return answer;
    } catch (cause) {
      const isVanished = mayVanish && hasCode(cause, "SOURCE_NOT_FOUND");
      const isAnswer = cause instanceof HeadgateError && cause.code !== "SOURCE_UNREACHABLE" && !isVanished;
      hasVanished ||= isVanished;
      become(!isAnswer || hasVanished, reasonOf(cause));
      throw isAnswer ? cause : unreachable(address, cause);
    }
  };
}

function unreachable(address: string, cause: unknown): HeadgateError {
  const sentence = `The model repository ${address} does not answer: ${reasonOf(cause)}`;
  return new HeadgateError("REPOSITORY_UNREACHABLE", sentence, cause);
}
