/**
 * One of several processes that share the load of a view: `--shard 2/8` is the second of eight.
 *
 * The rows that there are to read are thought of as one line, file after file, and cut into n parts of equal length. A
 * range of rows belongs to the shard in whose part it begins: who reads what follows from the files alone, parts differ
 * by at most a range, and a shard opens only the files that its part touches.
 */

import { HeadgateError } from "../errors.ts";

/** Shards of one load at most: each has a lease and a record of its own, which the others look at. */
const MAX_SHARDS = 1_000;

/** Which shard this is. */
export interface Shard {
  /** From 1. */
  readonly index: number;
  readonly of: number;
}

/** Where a file's rows lie in the line of all rows that there are to read. */
export interface ShardShare {
  readonly shard: Shard;
  readonly rowsBefore: number;
  readonly rowsTotal: number;
}

/** Parses "i/n" with 1 ≤ i ≤ n. Throws USAGE. */
export function parseShard(text: string): Shard {
  const [, index, of] = (/^(\d{1,5})\/(\d{1,5})$/.exec(text) ?? []).map(Number);
  if (index !== undefined && of !== undefined && index >= 1 && index <= of && of <= MAX_SHARDS) return { index, of };
  throw new HeadgateError(
    "USAGE",
    `--shard is ${JSON.stringify(text)}; write which shard this is, from 1, and how many there are (at most ${MAX_SHARDS}): 1/4, 2/4, 3/4 and 4/4.`,
  );
}

/** True when a range that begins at `row` of its file's rows to read is this shard's. */
export function ownsRow({ shard, rowsBefore, rowsTotal }: ShardShare, row: number): boolean {
  return shard.index === 1 + Math.floor(((rowsBefore + row) * shard.of) / rowsTotal);
}

/** True when a file that has `rowsToRead` may have a range of this shard's. */
export function touchesFile(share: ShardShare, rowsToRead: number): boolean {
  const { shard, rowsBefore, rowsTotal } = share;
  const first = ((shard.index - 1) * rowsTotal) / shard.of;
  const end = (shard.index * rowsTotal) / shard.of;
  return rowsToRead > 0 && rowsBefore < end && rowsBefore + rowsToRead > first;
}
