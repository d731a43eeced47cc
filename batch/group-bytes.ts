/**
 * The bytes of a row group that is read in several ranges of rows. Of a file without page indexes each range needs the
 * same column chunks whole; so they are kept from the first of its ranges to the last, and the source is read once.
 */

import type { ParquetSource } from "./parquet-source.ts";

/** The most that is kept of a row group, bytes. Reads beyond it are made again for each range. */
const DEFAULT_KEPT_BYTES = 134_217_728;

/** Reads a file's row groups, one after another. */
export interface GroupBytes {
  /** The file, to be read for a range of this group; what is kept of another one is forgotten. */
  of(group: number): ParquetSource;
  /** Forgets what is kept of this group. */
  forget(group: number): void;
}

/** Over a file. */
export function createGroupBytes(source: ParquetSource, keptBytes = DEFAULT_KEPT_BYTES): GroupBytes {
  let current: { readonly group: number; readonly reads: Map<string, Promise<ArrayBuffer>>; bytes: number } | undefined;
  return Object.freeze({
    of: (group: number): ParquetSource => {
      if (current?.group !== group) current = { group, reads: new Map(), bytes: 0 };
      const kept = current;
      const read = (start: number, end: number): Promise<ArrayBuffer> => {
        const name = `${start} ${end}`;
        const known = kept.reads.get(name);
        if (known !== undefined) return known;
        const reading = source.read(start, end);
        if (kept.bytes + end - start <= keptBytes) {
          kept.bytes += end - start;
          kept.reads.set(name, reading);
        }
        return reading;
      };
      return { ...source, read };
    },
    forget: (group: number) => {
      if (current?.group === group) current = undefined;
    },
  });
}
