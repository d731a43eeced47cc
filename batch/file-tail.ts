/**
 * The ends of files. A Parquet file is read from its end, where the footer is; of a small file the end is all of it. So
 * the end is read in one piece, and kept from the look before the load to the load: ten thousand small files then cost
 * one read each, not five.
 *
 * An end that is kept stays that of the version it was read of: a file that is replaced meanwhile is loaded as it was,
 * and is a new version to the next run.
 */

import type { ObjectStore, ObjectVersion } from "../object-store.ts";
import { FOOTER_BYTES } from "./parquet.ts";
import type { ParquetSource } from "./parquet-source.ts";

/** The most bytes of ends that are kept at once. Those beyond it are read a second time when their file is loaded. */
const DEFAULT_KEPT_BYTES = 67_108_864;

/** Opens files' versions for reading, ends first. */
export interface FileTails {
  /** A version, its end read. `onRead` is told the bytes of every read that the store is asked for. */
  open(path: string, version: ObjectVersion, onRead: (bytes: number) => void): Promise<ParquetSource>;
  /** Forgets the end that is kept of a file. */
  forget(path: string): void;
  /** Forgets all of them. */
  clear(): void;
}

interface Tail {
  readonly etag: string;
  readonly start: number;
  readonly bytes: ArrayBuffer;
}

/** Over an object store. */
export function createFileTails(objects: ObjectStore, keptBytes = DEFAULT_KEPT_BYTES): FileTails {
  const kept = new Map<string, Tail>();
  let bytesKept = 0;
  const forget = (path: string): void => {
    bytesKept -= kept.get(path)?.bytes.byteLength ?? 0;
    kept.delete(path);
  };
  const tailOf = async (
    path: string,
    version: ObjectVersion,
    read: (start: number, end: number) => Promise<ArrayBuffer>,
  ): Promise<Tail> => {
    const known = kept.get(path);
    if (known?.etag === version.etag) return known;
    const start = Math.max(0, version.bytes - FOOTER_BYTES);
    const bytes = version.bytes === 0 ? new ArrayBuffer(0) : await read(start, version.bytes);
    const tail = { etag: version.etag, start, bytes };
    forget(path);
    if (bytesKept + bytes.byteLength <= keptBytes) {
      kept.set(path, tail);
      bytesKept += bytes.byteLength;
    }
    return tail;
  };
  return Object.freeze({
    open: async (path: string, version: ObjectVersion, onRead: (bytes: number) => void): Promise<ParquetSource> => {
      const read = async (start: number, end: number): Promise<ArrayBuffer> => {
        const bytes = await objects.read(path, start, end, version.etag);
        onRead(bytes.byteLength);
        return bytes;
      };
      const tail = await tailOf(path, version, read);
      return {
        path,
        bytes: version.bytes,
        read: async (start, end) =>
          start >= tail.start ? tail.bytes.slice(start - tail.start, end - tail.start) : read(start, end),
      };
    },
    forget,
    clear: () => {
      kept.clear();
      bytesKept = 0;
    },
  });
}
