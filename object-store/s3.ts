/**
 * S3 behind the object store. What AWS' client (s3-client.ts) does not do is done here: a range is of one version or is
 * refused, a body that stalls or ends early is asked for again, and failures become sentences.
 */

import { addAbortSignal, type Readable } from "node:stream";
import {
  DeleteObjectCommand,
  GetObjectCommand,
  type GetObjectCommandOutput,
  HeadObjectCommand,
  type _Object as ListedS3Object,
  ListObjectsV2Command,
} from "@aws-sdk/client-s3";
import { hasCode } from "../errors.ts";
import {
  changedWhileRead,
  type FolderEntry,
  type ListedObject,
  type ObjectStore,
  type ObjectVersion,
  type PutCondition,
} from "./object-version.ts";
import { compileGlob, isParquetBelow, parseS3Path, type S3Path } from "./path.ts";
import { type Attempt, S3Attempts, type S3Limits, s3Limits } from "./s3-attempts.ts";
import { ask, createClient, type S3 } from "./s3-client.ts";
import { etagOf, readCondition } from "./s3-etag.ts";
import { ShortBodyError, statusOf } from "./s3-failure.ts";
import { putObject } from "./s3-put.ts";

/** Opens S3. Nothing is asked for yet, credentials neither. What is under way on the signal rejects with its reason. */
export function openS3(given?: S3Limits, signal?: AbortSignal): ObjectStore {
  const limits = s3Limits(given);
  const attempts = new S3Attempts(limits);
  const s3: S3 = { client: createClient(limits), attempts, partBytes: limits.partBytes, signal };
  const abort = () => attempts.end(signal?.reason);
  if (signal?.aborted) abort();
  signal?.addEventListener("abort", abort, { once: true });
  return Object.freeze({
    list: async (pattern: string) => listObjects(s3, pattern),
    listBelow: async (folder: string, levels: number) => listFolder(s3, folder, levels),
    stat: async (path: string) => statObject(s3, path),
    read: async (path: string, start: number, end: number, etag: string) => readRange(s3, path, [start, end], etag),
    put: async (path: string, bytes: Uint8Array, condition?: PutCondition) => putObject(s3, path, bytes, condition),
    delete: async (path: string) => deleteObject(s3, path),
    removeLeftovers: async () => {},
    removeFolder: async () => {},
    close: async () => {
      signal?.removeEventListener("abort", abort);
      attempts.end(new Error("The object store was closed."));
      s3.client.destroy();
    },
  });
}

/** A header tells whole seconds, so a listing's milliseconds are cut: a version must be the same however it is found. */
function versionOf(
  path: string,
  size: number | undefined,
  etag: string | undefined,
  modified: Date | undefined,
): ObjectVersion {
  const lastModifiedMs = Math.floor((modified?.getTime() ?? 0) / 1_000) * 1_000;
  return { bytes: size ?? 0, etag: etagOf(path, etag), lastModifiedMs };
}

async function statObject(s3: S3, path: string): Promise<ObjectVersion> {
  const { bucket, key } = parseS3Path(path);
  const head = new HeadObjectCommand({ Bucket: bucket, Key: key });
  const found = await ask(s3, path, ({ signal }) => s3.client.send(head, { abortSignal: signal }));
  return versionOf(path, found.ContentLength, found.ETag, found.LastModified);
}

async function listObjects(s3: S3, pattern: string): Promise<readonly ListedObject[]> {
  const place = parseS3Path(pattern);
  const listed = await matching(s3, pattern, place);
  // By code point of the path, whatever the server's order.
  return listed.sort((a, b) => (a.path < b.path ? -1 : 1));
}

async function matching(s3: S3, pattern: string, place: S3Path): Promise<ListedObject[]> {
  const { bucket, key } = place;
  const folder = key === "" || key.endsWith("/") ? key : `${key}/`;
  const root = `${pattern.slice(0, pattern.indexOf("://"))}://${bucket}/`;
  const below = (prefix: string, head: string, matches: (name: string) => boolean) =>
    objectsBelow(s3, pattern, { bucket, prefix, root, isWanted: (found) => matches(found.slice(head.length)) });
  if (folder !== key) {
    const object = await literalObject(s3, pattern, place);
    if (object !== undefined) return [object];
  }
  const glob = compileGlob(key);
  if (glob === undefined || (await hasFolder(s3, pattern, bucket, folder)))
    return below(folder, folder, isParquetBelow);
  return below(glob.prefix, glob.head, glob.matches);
}

/** The object of exactly this name, which sorts before all that begin with it: one right, to list, does for everything. */
async function literalObject(s3: S3, path: string, { bucket, key }: S3Path): Promise<ListedObject | undefined> {
  try {
    const { Contents: [first] = [] } = await listPage(s3, path, { Bucket: bucket, Prefix: key, MaxKeys: 1 });
    if (first?.Key !== key) return undefined;
    return { path, version: versionOf(path, first.Size, first.ETag, first.LastModified) };
  } catch (cause) {
    if (!hasCode(cause, "SOURCE_DENIED")) throw cause;
    // Who may read an object need not be allowed to list the bucket.
    const version = await statObject(s3, path).catch(() => s3.signal?.throwIfAborted());
    if (version === undefined) throw cause;
    return { path, version };
  }
}

async function hasFolder(s3: S3, path: string, bucket: string, folder: string): Promise<boolean> {
  const { Contents } = await listPage(s3, path, { Bucket: bucket, Prefix: folder, MaxKeys: 1 });
  return folder !== "" && Contents !== undefined && Contents.length > 0;
}

async function listFolder(s3: S3, folder: string, levels: number): Promise<readonly FolderEntry[]> {
  const { bucket, key } = parseS3Path(folder.replace(/\/+$/, ""));
  const prefix = key === "" ? "" : `${key}/`;
  const entries: FolderEntry[] = [];
  for await (const { Key = "", Size, ETag, LastModified } of objectsOf(s3, folder, bucket, prefix)) {
    const name = Key.slice(prefix.length);
    const isWanted = name !== "" && name.replace(/\/$/, "").split("/").length <= levels && !/(?:^|\/)\./.test(name);
    if (!isWanted) continue;
    const isMark = name.endsWith("/");
    entries.push({ name, version: isMark ? undefined : versionOf(folder, Size, ETag, LastModified) });
  }
  return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
}

interface Below {
  readonly bucket: string;
  readonly prefix: string;
  /** What stands before a key in a path. */
  readonly root: string;
  readonly isWanted: (key: string) => boolean;
}

async function objectsBelow(s3: S3, path: string, { bucket, prefix, root, isWanted }: Below): Promise<ListedObject[]> {
  const listed: ListedObject[] = [];
  for await (const { Key: key = "", Size, ETag, LastModified } of objectsOf(s3, path, bucket, prefix)) {
    // A key that ends in "/" is a mark that consoles make for a folder.
    if (key.endsWith("/") || !isWanted(key)) continue;
    listed.push({ path: root + key, version: versionOf(root + key, Size, ETag, LastModified) });
  }
  return listed;
}

/** Every object whose key begins with the prefix, page by page. */
async function* objectsOf(s3: S3, path: string, bucket: string, prefix: string): AsyncGenerator<ListedS3Object> {
  let next: string | undefined;
  do {
    const page = await listPage(s3, path, { Bucket: bucket, Prefix: prefix, ContinuationToken: next });
    yield* page.Contents ?? [];
    next = page.NextContinuationToken;
  } while (next !== undefined);
}

function listPage(s3: S3, path: string, input: ConstructorParameters<typeof ListObjectsV2Command>[0]) {
  return ask(s3, path, ({ signal }) => s3.client.send(new ListObjectsV2Command(input), { abortSignal: signal }));
}

/** A range in parts, each asked for by itself, into one array. */
async function readRange(
  s3: S3,
  path: string,
  [start, end]: readonly [number, number],
  etag: string,
): Promise<ArrayBuffer> {
  const bytes = new Uint8Array(end - start);
  const parts: Promise<void>[] = [];
  for (let from = start; from < end; from += s3.partBytes) {
    const to = Math.min(end, from + s3.partBytes);
    parts.push(
      ask(s3, path, (attempt) =>
        readPart(s3, attempt, path, [from, to], etag, bytes.subarray(from - start, to - start)),
      ),
    );
  }
  await Promise.all(parts);
  return bytes.buffer;
}

async function readPart(
  { client }: S3,
  { signal, progress }: Attempt,
  path: string,
  [start, end]: readonly [number, number],
  etag: string,
  into: Uint8Array,
): Promise<void> {
  const { bucket, key } = parseS3Path(path);
  const range = { Range: `bytes=${start}-${end - 1}`, ...readCondition(etag) };
  let answer: GetObjectCommandOutput;
  try {
    answer = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key, ...range }), { abortSignal: signal });
  } catch (cause) {
    // 416: it is so short now that the range is outside of it.
    if (statusOf(cause) === 412 || statusOf(cause) === 416) throw changedWhileRead(path, "changed");
    throw statusOf(cause) === 404 ? changedWhileRead(path, "was removed") : cause;
  }
  const body = answer.Body as Readable;
  try {
    // For servers that don't know If-Match.
    if (etagOf(path, answer.ETag) !== etag) throw changedWhileRead(path, "changed");
    await fill(into, addAbortSignal(signal, body), progress);
  } finally {
    body.destroy();
  }
}

async function fill(into: Uint8Array, body: Readable, progress: () => void): Promise<void> {
  let filled = 0;
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    progress();
    if (filled + chunk.length > into.length)
      throw new ShortBodyError(`more than the ${into.length} bytes asked for came`);
    into.set(chunk, filled);
    filled += chunk.length;
  }
  if (filled < into.length) throw new ShortBodyError(`${filled} of ${into.length} bytes came`);
}

async function deleteObject(s3: S3, path: string): Promise<void> {
  const { bucket, key } = parseS3Path(path);
  const command = new DeleteObjectCommand({ Bucket: bucket, Key: key });
  await ask(s3, path, ({ signal }) => s3.client.send(command, { abortSignal: signal }));
}
