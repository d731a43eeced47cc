/**
 * What a load can't be quicker than: hyparquet decoding the same file and doing nothing with it, and the store being fed
 * with rows that are ready. The slower of the two is the floor that a load is held against.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parquetMetadataAsync, parquetRead } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import type { OnlineStore, RowWrite } from "../features/store/online-store.ts";
import { openLmdbStore, openRedisStore } from "./built.ts";
import { endingAll } from "./ends.ts";
import { shuffledIds } from "./statistics.ts";
import { encodeRows } from "./store-rows.ts";

/** Rows at once, as a load gives them to a store. */
const WRITE_ROWS = 16_384;
/** Rows that a load sorts before it writes them. */
const SORTED_ROWS = 131_072;

/** Told of a column's values of a row group, from `rowStart` on; it may be several times a column. */
export type OnColumn = (column: string, values: ArrayLike<unknown>, rowStart: number) => void;

/** Rows a second that hyparquet decodes of a file, all columns, one row group after another. */
export async function decodeRate(
  path: string,
  onColumn: OnColumn = () => {},
  onRowGroup: (rows: number) => void = () => {},
): Promise<number> {
  const handle = await open(path, "r");
  try {
    const { size: byteLength } = await handle.stat();
    const slice = async (start: number, end = byteLength): Promise<ArrayBuffer> => {
      const bytes = new Uint8Array(end - start);
      await handle.read(bytes, 0, bytes.length, start);
      return bytes.buffer;
    };
    const startMs = performance.now();
    const file = { byteLength, slice };
    const metadata = await parquetMetadataAsync(file);
    let rowStart = 0;
    for (const { num_rows } of metadata.row_groups) {
      const rowEnd = rowStart + Number(num_rows);
      await parquetRead({
        ...{ file, metadata, compressors, rowStart, rowEnd },
        onChunk: ({ columnName, columnData, rowStart: chunkStart }) => onColumn(columnName, columnData, chunkStart),
      });
      onRowGroup(rowEnd - rowStart);
      rowStart = rowEnd;
    }
    return (rowStart * 1_000) / (performance.now() - startMs);
  } finally {
    await handle.close();
  }
}

/** Rows a second that an empty store takes of rows that are ready, in the order in which a load gives them. */
export function feedRate(rows: number, nowMs: number, redisUrl?: string): Promise<number> {
  return endingAll(async (keep) => {
    const directory = mkdtempSync(join(tmpdir(), "headgate-bench-feed-"));
    await keep({ remove: () => rmSync(directory, { recursive: true, force: true }) });
    const store =
      redisUrl === undefined ? openLmdbStore({ directory }) : await openRedisStore(redisUrl, { keyPrefix: "feed" });
    await keep({ stop: () => store.close() });
    return feed(store, readyRows(rows, nowMs));
  });
}

function readyRows(rows: number, nowMs: number): readonly RowWrite[] {
  const encoded = encodeRows("customer", 1, rows, nowMs);
  return Array.from(shuffledIds(rows, 1), (id) => encoded[id - 1]!);
}

async function feed(store: OnlineStore, rows: readonly RowWrite[]): Promise<number> {
  const blocks: (readonly RowWrite[])[] = [];
  for (let from = 0; from < rows.length; from += SORTED_ROWS) {
    const sorted = rows.slice(from, from + SORTED_ROWS).sort((a, b) => (a.key < b.key ? -1 : 1));
    for (let at = 0; at < sorted.length; at += WRITE_ROWS) blocks.push(sorted.slice(at, at + WRITE_ROWS));
  }
  const startMs = performance.now();
  for (const block of blocks) await store.write(block);
  return (rows.length * 1_000) / (performance.now() - startMs);
}
